"""Walk one seed and tell what came of it: ``python -m tests.years SEED --days DAYS [--script]``."""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from tests.years.fleet import PER_HUB, Images, make_fleet
from tests.years.script import write_script
from tests.years.test_years import DAYS, NODES, again
from tests.years.town import script_text, walk


def main() -> int:
    """The exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.years", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--script", action="store_true", help="print the script, and walk nothing")
    asked = parser.parse_args()
    if asked.script:
        names = list(make_fleet(asked.nodes, Images(), lambda *_: None))
        script = write_script(asked.seed, asked.days, names, -(-asked.nodes // PER_HUB))
        sys.stdout.write(script_text(script) + "\n")
        return 0
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="tender-years-") as folder:
        walked = walk(asked.seed, asked.days, Path(folder) / "town", nodes=asked.nodes)
    sys.stdout.write(
        f"seed {walked.seed}: {walked.days:.1f} days, {walked.nodes} nodes, digest {walked.digest}\n"
        f"  {walked.lives} lives of the gateway, {walked.kills} of them killed, {walked.told} events told, "
        f"{walked.checks} checks\n"
        f"  ended: {dict(walked.outcomes)}\n  done: {dict(walked.acts)}\n"
        f"  memory: {walked.memory_by_day}\n  disk: {walked.bytes_by_day}\n"
    )
    if walked.wrong:
        sys.stdout.write(walked.text(again(asked.seed, asked.days)) + "\n")
    return bool(walked.wrong)


if __name__ == "__main__":
    sys.exit(main())
