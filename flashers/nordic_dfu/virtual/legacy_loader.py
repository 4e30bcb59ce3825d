"""The legacy loader's side of a transfer: states, the packets it can hold, and what it answers.

It behaves as the loaders of nRF5 SDK 11 (``dfu_transport_ble.c``, ``dfu_single_bank.c``,
``dfu_dual_bank.c``): what was begun outlives a connection, a second start is refused until
a reset, the init packet is looked at only after the erase, and a packet that finds no
buffer is lost.
"""

import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from flashers.nordic_dfu.legacy import codec
from flashers.nordic_dfu.legacy.words import INIT_BYTES, WORD, Kind, Op, Result, Step
from flashers.nordic_dfu.package.legacy_init import ANY_SOFTDEVICE, crc16
from flashers.nordic_dfu.virtual.legacy_banks import Banks
from flashers.nordic_dfu.virtual.legacy_options import LegacyOptions

_HEAD = struct.Struct("<HHIH")
_RECEIVED_MODES = frozenset({Op.START, Op.INIT, Op.RECEIVE})


class State(Enum):
    """How far an update is; it lies in RAM."""

    IDLE = auto()
    PREPARING = auto()
    READY = auto()
    INIT = auto()
    DATA = auto()
    INVALID = auto()
    VALID = auto()


@dataclass(frozen=True, slots=True)
class Board:
    """What a loader compares an init packet with; None takes anything."""

    device_type: int | None
    device_revision: int | None
    softdevice: int | None
    least_version: int | None


@dataclass(slots=True)
class Counts:
    """What tests ask about afterwards."""

    packets: int = 0
    dropped: int = 0
    starts: int = 0
    boots: int = 0
    loader_visits: int = 0


class Life(Protocol):
    """What the loader needs of its node."""

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do it then, unless the node was restarted."""
        ...

    def say(self, value: bytes) -> None:
        """Notify at the control point."""
        ...

    def restart(self) -> None:
        """Hang up, and start anew."""
        ...


@dataclass(slots=True)
class Loader:
    """One visit to the loader; a restart makes another one."""

    banks: Banks
    board: Board
    options: LegacyOptions
    counts: Counts
    life: Life
    faults_left: set[str]
    state: State = State.IDLE
    _mode: Op | None = None
    _kind: int = 0
    _size: int = 0
    _taken: int = 0
    _written: int = 0
    _init: bytearray = field(default_factory=bytearray)
    _crc: int = 0
    _every: int = 0
    _until: int = 0
    _queue: deque[bytes] = field(default_factory=deque)
    _writing: bool = False

    # The control point

    def command(self, data: bytes) -> None:
        """Something was written to the control point."""
        found = codec.read_command(data)
        if found is None:
            self._say(data[0] if data else 0, Result.NOT_SUPPORTED)
            return
        if found.op in _RECEIVED_MODES:
            self._mode = found.op
        match found.op:
            case Op.START if found.argument:
                self._kind = found.argument[0]
            case Op.INIT if found.argument:
                if found.argument[0] == Step.COMPLETE:
                    self._say(Op.INIT, self._init_complete())
            case Op.START | Op.INIT:
                self._say(found.op, Result.FAILED)
            case Op.RECEIPTS if len(found.argument) >= 2:
                (self._every,) = struct.unpack_from("<H", found.argument)
                self._until = self._every
            case Op.RECEIPTS:
                self._say(Op.RECEIPTS, Result.NOT_SUPPORTED)
            case Op.VALIDATE:
                self._say(Op.VALIDATE, self._validate())
            case Op.ACTIVATE:
                if self.state is State.VALID:
                    self.banks.activate(self._size)
                self.life.restart()
            case Op.RESET:
                self.life.restart()
            case Op.REPORT_SIZE:
                self.life.say(codec.response(Op.REPORT_SIZE, Result.SUCCESS, struct.pack("<I", self._taken)))
            case _:
                pass

    def packet(self, data: bytes) -> None:
        """Something was written to the packet characteristic; what it is, the last command says."""
        match self._mode:
            case Op.START:
                self._start(data)
            case Op.INIT:
                self._take_init(data)
            case Op.RECEIVE:
                self._take(data)
            case _:
                pass

    def _say(self, op: int, result: Result) -> None:
        self.life.say(codec.response(op, result))

    # Start

    def _start(self, data: bytes) -> None:
        sizes = codec.read_sizes(data)
        if sizes is None or self._kind != Kind.APPLICATION or not _only_whole_words(sizes):
            self._say(Op.START, Result.NOT_SUPPORTED)
        elif sizes.application > self.banks.size:
            self._say(Op.START, Result.DATA_SIZE)
        elif self.options.refuse == "start":
            self._say(Op.START, Result.FAILED)
        elif self.state is not State.IDLE:
            self._say(Op.START, Result.INVALID_STATE)
        else:
            self.counts.starts += 1
            self.state, self._size = State.PREPARING, sizes.application
            self._erase_on(self.banks.erase(self._size))

    def _erase_on(self, pages: Iterator[None]) -> None:
        for _ in pages:
            if self.options.erase_time:
                self.life.later(self.options.erase_time, lambda: self._erase_on(pages))
                return
        self.state = State.READY
        self._say(Op.START, Result.SUCCESS)

    # Init packet

    def _take_init(self, data: bytes) -> None:
        if self.state not in (State.READY, State.INIT):
            self._say(Op.INIT, Result.INVALID_STATE)
            return
        self.state = State.INIT
        padded = data + bytes(-len(data) % WORD)
        if len(self._init) + len(padded) > INIT_BYTES:
            self._say(Op.INIT, Result.FAILED)
            return
        self._init += padded

    def _init_complete(self) -> Result:
        if self.state is not State.INIT:
            return Result.INVALID_STATE
        said, self._init = bytes(self._init), bytearray()
        if len(said) < _HEAD.size or self.options.refuse == "init":
            return Result.FAILED
        kind, revision, version, count = _HEAD.unpack_from(said)
        end = _HEAD.size + 2 * count
        if len(said) < end + 2:
            return Result.FAILED
        wanted = struct.unpack_from(f"<{count}H", said, _HEAD.size)
        board = self.board
        if board.device_type not in (None, kind) or board.device_revision not in (None, revision):
            return Result.FAILED
        if board.softdevice is not None and not {board.softdevice, ANY_SOFTDEVICE} & set(wanted):
            return Result.FAILED
        if board.least_version is not None and version < board.least_version:
            return Result.FAILED
        (self._crc,) = struct.unpack_from("<H", said, end)
        self.state = State.DATA
        return Result.SUCCESS

    # The image

    def _take(self, data: bytes) -> None:
        if self.state is not State.DATA:
            self._say(Op.RECEIVE, Result.INVALID_STATE)
            return
        if len(data) % WORD:
            self._say(Op.RECEIVE, Result.NOT_SUPPORTED)
            return
        self.counts.packets += 1
        if self.counts.packets == self.options.lose:
            self.counts.dropped += 1
            return
        if len(self._queue) >= self.options.buffer:
            self.counts.dropped += 1
            if not self.options.silent_loss:
                self._say(Op.RECEIVE, Result.FAILED)
            return
        if self._taken + len(data) > self._size:
            self._taken = self._size + 1  # nothing more is taken until a reset
            self._say(Op.RECEIVE, Result.DATA_SIZE)
            return
        if "flip-bit" in self.faults_left:
            self.faults_left.discard("flip-bit")
            data = bytes((data[0] ^ 1,)) + data[1:]
        self._taken += len(data)
        self._queue.append(data)
        self._receipt()
        if not self._writing:
            self._write_on()

    def _receipt(self) -> None:
        if not self._every or self._taken == self._size:
            return
        self._until -= 1
        if self._until == 0:
            self._until = self._every
            self.life.say(codec.receipt(self._taken))

    def _write_on(self) -> None:
        self._writing = bool(self._queue)
        while self._queue:
            if self.options.write_time:
                self.life.later(self.options.write_time, self._written_one)
                return
            self._write_one()
        self._writing = False

    def _written_one(self) -> None:
        self._write_one()
        self._write_on()

    def _write_one(self) -> None:
        data = self._queue.popleft()
        self.banks.write(self._written, data)
        self._written += len(data)
        if self._written == self._size:
            self._say(Op.RECEIVE, Result.SUCCESS)

    def _validate(self) -> Result:
        if self.state is not State.DATA or not self._written == self._taken == self._size:
            return Result.INVALID_STATE
        right = crc16(self.banks.received(self._size)) == self._crc and self.options.refuse != "validate"
        self.state = State.VALID if right else State.INVALID
        return Result.SUCCESS if right else Result.CRC_ERROR


def _only_whole_words(sizes: codec.Sizes) -> bool:
    """Whether an application alone is to come, in whole words."""
    return 0 < sizes.application == sizes.total and sizes.application % WORD == 0
