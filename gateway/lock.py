"""One process for one state folder: two that believed to own the same nodes would fight over them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transports.errors import TenderError


class StateInUse(TenderError):
    """Another Tender works with this state folder."""

    code = "state-in-use"
    remedy = "Stop the other one, or give this one another folder."


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder; the kernel gives it back when the process dies, however that happens.

    Raises:
        StateInUse: somebody else holds it.
    """
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateInUse(f"{folder} is in use by another process") from error
        yield
    finally:
        os.close(descriptor)
