"""Who holds a port, found out without opening it.

Opening a port is not harmless: Linux raises DTR on every open, which resets many
boards.  So before we open, we look at what a polite holder leaves behind: a
``flock`` on the device (pyserial's ``exclusive``, ourselves, tio, screen), listed
in ``/proc/locks``, or a lock file in the UUCP manner (minicom, picocom, pppd).
"""

import os
from pathlib import Path

LOCKS = Path("/proc/locks")
LOCK_FILES = Path("/run/lock")


def holder_of(port: Path, *, locks: Path = LOCKS, lock_files: Path = LOCK_FILES) -> str | None:
    """The holder in words (``process 812 (minicom)``), or None if nobody is known to hold the port.

    Raises:
        OSError: there is no such port.
    """
    info = port.stat()
    mark = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    pid = _by_flock(mark, locks) or _by_lock_file(port.resolve().name, lock_files)
    return None if pid is None else _named(pid)


def _by_flock(mark: str, locks: Path) -> str | None:
    """The process of a line such as ``1: FLOCK  ADVISORY  WRITE 812 00:05:93 0 EOF`` (proc(5))."""
    try:
        lines = locks.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if len(words) >= 6 and words[1] == "FLOCK" and words[5] == mark:
            return words[4]
    return None


def _by_lock_file(name: str, folder: Path) -> str | None:
    """The living process that a lock file names (FHS 3.0, section 5.9: ten characters and a newline).

    Our own file keeps others out, and not ourselves.
    """
    try:
        pid = (folder / f"LCK..{name}").read_text(errors="replace").strip().split(" ")[0]
    except OSError:
        return None
    return pid if pid.isdigit() and int(pid) != os.getpid() and is_alive(int(pid)) else None


def is_alive(pid: int) -> bool:
    """Whether there is such a process, also where a sandbox hides the others' folders in ``/proc``."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _named(pid: str) -> str:
    try:
        return f"process {pid} ({Path('/proc', pid, 'comm').read_text().strip()})"
    except OSError:
        return f"process {pid}"
