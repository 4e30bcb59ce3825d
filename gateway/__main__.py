"""``python -m gateway``: the command ``tender``, where its script is not on the path."""

from gateway.cli.main import main

raise SystemExit(main())
