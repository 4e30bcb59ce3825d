"""A virtual MCUmgr node on the virtual air is one: smpclient, which never heard of us, uploads to it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.peers import debian

pytestmark = pytest.mark.peer

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("size", [384, 2475])
def test_smpclient_finds_the_service_and_uploads_at_the_pace_of_the_air(size: int) -> None:
    asked = {"buf_size": size, "size": 20_000}
    command = [
        str(debian.client("python")),
        str(PROJECT / "bench" / "peers" / "smp_air.py"),
        json.dumps(asked),
    ]
    surroundings = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=surroundings)
    assert done.returncode == 0, done.stderr
    assert 20_000 / 81_333 < json.loads(done.stdout)["seconds"] < 3.0
