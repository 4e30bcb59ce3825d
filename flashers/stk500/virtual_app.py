"""The application of a virtual node: what runs follows from what lies in its flash."""

from dataclasses import dataclass

from flashers.api import Digest, Segment
from flashers.images import extents_digest
from flashers.sim import Behaviour, SimApp, read_app
from flashers.sim.app import MAGIC
from flashers.stk500.image import is_blank

_SICK = frozenset({Behaviour.UNHEALTHY, Behaviour.CONFIRMS_EARLY})
_LINE_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Program:
    """What would run: an application of ours, or any other firmware (``app`` None)."""

    app: SimApp | None
    identity: Digest

    @property
    def stays(self) -> bool:
        """It does not reset the node by itself."""
        return self.app is None or self.app.behaviour is not Behaviour.CRASHES


def program_in(flash: bytes) -> Program | None:
    """The program at the reset vector, or None if nothing there can run."""
    if is_blank(flash):
        return None
    app = read_app(flash)
    if app is not None:
        size = int.from_bytes(flash[len(MAGIC) : len(MAGIC) + 4], "little")
        return Program(app, extents_digest([Segment(0, flash[:size])]))
    if flash.startswith(MAGIC):
        return None  # a part of an application, and of no use
    return Program(None, extents_digest([Segment(0, flash.rstrip(b"\xff"))]))


class RunningProgram:
    """What it prints at boot, and what it answers."""

    def __init__(self, program: Program, plain_boot_line: str = "", hw_id: str = "") -> None:
        self._app = program.app
        self._plain = plain_boot_line
        self._hw_id = hw_id
        self._heard = bytearray()

    def announce(self) -> bytes:
        """What it prints when it starts."""
        app = self._app
        if app is None:
            return _line(self._plain) if self._plain else b""
        if app.behaviour in {Behaviour.CRASHES, Behaviour.HANGS}:
            return b""
        text = _line(f"fw {app.spoken_version}")
        if app.hardware:
            text += _line(f"hw {app.hardware}")
        return text + _line("health: bad") if app.behaviour in _SICK else text

    def receive(self, data: bytes) -> bytes:
        """Take text and return what it answers."""
        if self._app is None or self._app.behaviour in {Behaviour.CRASHES, Behaviour.HANGS}:
            return b""
        self._heard += data
        *lines, rest = self._heard.split(b"\n")
        self._heard = bytearray(rest[-_LINE_LIMIT:])
        return b"".join(self._answer(line.strip(), self._app) for line in lines)

    def _answer(self, line: bytes | bytearray, app: SimApp) -> bytes:
        match bytes(line):
            case b"version?":
                return _line(f"version {app.spoken_version}")
            case b"health?":
                return _line("sick" if app.behaviour in _SICK else "ok")
            case b"id?" if self._hw_id:
                return _line(f"id {self._hw_id}")
            case _:
                return b""


def _line(text: str) -> bytes:
    return text.encode() + b"\r\n"
