"""avrdude: the client that everybody uses for STK500, from Debian."""

import os
import subprocess
from pathlib import Path

from tests.peers import debian

TIMEOUT = 120.0
"""Seconds; the slowest job here takes some ten."""


def command(
    port: Path | str, *operations: str, baud: int = 115200, part: str = "m328p", programmer: str = "arduino"
) -> list[str]:
    """The command line for some operations, each as after ``-U``: ``flash:w:FILE:i``."""
    program = [str(debian.program("avrdude")), "-C", str(debian.file("etc/avrdude.conf"))]
    line = ["-c", programmer, "-p", part, "-P", str(port), "-b", str(baud), "-D"]
    return program + line + [word for operation in operations for word in ("-U", operation)]


def run_avrdude(
    port: Path | str, *operations: str, baud: int = 115200, part: str = "m328p", programmer: str = "arduino"
) -> "subprocess.CompletedProcess[str]":
    """Run it to its end; blocks the thread."""
    line = command(port, *operations, baud=baud, part=part, programmer=programmer)
    return subprocess.run(
        line,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=os.environ | debian.environment(),
    )
