"""The secure loader of a virtual node: objects into flash, and a package judged before its image.

Source: nRF5 SDK 17.1.0, ``nrf_dfu_req_handler.c`` (objects), ``nrf_dfu_validation.c`` and
``nrf_dfu_ver_validation.c`` (what is refused, and how it is said), ``nrf_dfu_ble.c`` (receipts),
``nrf_bootloader.c`` (what a disconnect does, and what keeps it awake).
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from flashers.api import BadImage
from flashers.nordic_dfu.package.errors import BadSignature, Unsigned
from flashers.nordic_dfu.package.secure_init import FwType, SecureInit, read_init
from flashers.nordic_dfu.params import Keeps
from flashers.nordic_dfu.secure import codec
from flashers.nordic_dfu.secure.codec import Place, Request
from flashers.nordic_dfu.secure.words import Extended, Object, Op, Result
from flashers.nordic_dfu.virtual.secure_flash import Store
from flashers.nordic_dfu.virtual.secure_options import SecureOptions
from flashers.nordic_dfu.virtual.secure_queue import FlashQueue, Later

_SIGNATURE_BYTES = 64
_NOT_QUEUED = Place(0, 0)


@dataclass(frozen=True, slots=True)
class Board:
    """What the loader was built for.

    ``rule`` is what it refuses by version, ``keeps`` what of an image outlives its link, and
    ``spares`` that what has no room beside the old application is refused, and not put over it.
    """

    key: EllipticCurvePublicKey | None
    hw_version: int
    softdevice: int
    rule: str
    keeps: Keeps
    spares: bool


@dataclass(slots=True)
class Faults:
    """What happens to the loader once, over all its lives."""

    lose: int | None
    drop_receipt: int | None
    flip_bit: bool
    packets: int = 0
    receipts: int = 0


class SecureLoader:
    """From its start to its end; ``say`` notifies, ``restart`` ends it, ``awake`` puts its going off."""

    def __init__(
        self,
        store: Store,
        board: Board,
        options: SecureOptions,
        faults: Faults,
        say: Callable[[bytes], None],
        restart: Callable[[], None],
        awake: Callable[[], None],
        later: Later,
    ) -> None:
        self._store = store
        self._board = board
        self._options = options
        self._faults = faults
        self._say = say
        self._restart = restart
        self._awake = awake
        self._flash = FlashQueue(options.queue, later)
        self._held = 0
        self._base = store.beside
        self._kind = Object.COMMAND
        self._every = self._left = 0
        self._command = bytearray()
        self._command_size = 0
        self._said: SecureInit | None = None
        self._offset = self._last = self._object = 0
        self._crc = self._last_crc = 0
        self._recall()
        if self._command:
            self._said = read_init(bytes(self._command))

    def _recall(self) -> None:
        """What its settings have: the init packet that it took, and of the image what is kept there."""
        settings = self._store.settings
        self._command = bytearray(bytes.fromhex(settings.init))
        self._command_size = len(self._command)
        self._offset = self._last = settings.offset
        self._crc = self._last_crc = settings.image_crc
        self._object = 0

    def disconnected(self) -> None:
        """The link is lost; whether it has agreed to receive something is known all the same."""
        if self._board.keeps is not Keeps.LINK:
            self._recall()

    def _forget(self) -> None:
        """Everything that it has received counts for nothing."""
        self._command.clear()
        self._command_size = self._offset = self._last = self._object = self._crc = self._last_crc = 0

    def _save(self, then: Callable[[], None] = lambda: None, /, **changes: object) -> bool:
        """Have settings written: two pages, each erased and written; False if there is no room for that."""
        erase = self._options.erase_time

        def written() -> None:
            self._store.save(**changes)
            then()

        steps = [(erase, _nothing), (0.0, _nothing), (erase, _nothing), (0.0, written)]
        return all(self._flash.put(takes, what) for takes, what in steps)

    # The control point

    def request(self, data: bytes) -> None:
        """Something was written to the control point."""
        request = codec.read_request(data)
        if request is None:
            self._say(codec.response(data[0] if data else 0, Result.NOT_SUPPORTED))
            return
        match request.op:
            case Op.SELECT | Op.CREATE if request.object not in set(Object):
                self._say(codec.response(request.op, Result.INVALID_OBJECT))
            case Op.SELECT:
                self._kind = Object(request.object)
                largest = self._options.init_size if self._kind is Object.COMMAND else self._store.page
                self._say(codec.response(Op.SELECT, place=self._place(), largest=largest))
            case Op.CREATE:
                self._left = self._every
                self._create(request)
            case Op.RECEIPTS:
                self._every = self._left = request.value
                self._say(codec.response(Op.RECEIPTS))
            case Op.CRC:
                self._say(codec.response(Op.CRC, place=self._place()))
            case Op.ABORT if self._options.no_abort:
                self._say(codec.response(Op.ABORT, Result.NOT_SUPPORTED))
            case Op.EXECUTE if self._kind is Object.COMMAND:
                self._execute_command()
            case Op.EXECUTE:
                self._execute_data()
            case Op.ABORT:
                self._restart()
            case _:
                self._say(codec.response(request.op, Result.NOT_SUPPORTED))

    def _place(self) -> Place:
        if self._kind is Object.COMMAND:
            return Place(len(self._command), zlib.crc32(self._command))
        return Place(self._offset, self._crc)

    def _create(self, request: Request) -> None:
        self._kind = Object(request.object)
        result = self._create_command(request.value)
        if self._kind is Object.DATA:
            result = self._create_data(request.value)
        self._say(codec.response(Op.CREATE, result))

    def _create_command(self, size: int) -> Result:
        if self._kind is not Object.COMMAND:
            return Result.INVALID_OBJECT
        self._awake()
        if not size:
            return Result.INVALID_PARAMETER
        if size > self._options.init_size:
            return Result.INSUFFICIENT_RESOURCES
        self._forget()
        self._said = None
        self._command_size = size
        return Result.SUCCESS

    def _create_data(self, size: int) -> Result:
        if self._said is None:
            return Result.NOT_PERMITTED
        end = self._last + size
        if not size or (size % self._store.page and end != self._said.size):
            return Result.INVALID_PARAMETER
        if size > self._store.page:
            return Result.INSUFFICIENT_RESOURCES
        if end > self._said.size:
            return Result.NOT_PERMITTED
        self._object, self._offset, self._crc = size, self._last, self._last_crc
        at = self._base + self._offset
        queued = self._flash.put(self._options.erase_time, lambda: self._store.flash.erase(at))
        return Result.SUCCESS if queued else Result.INVALID_OBJECT

    # Packets

    def packet(self, data: bytes) -> None:
        """Contents of the present object; a receipt follows after each so many."""
        if self._held >= self._options.buffers:
            return
        self._faults.packets += 1
        if self._faults.packets == self._faults.lose:
            return
        result, queued = (self._append(data), True) if self._kind is Object.COMMAND else self._write(data)
        self._left -= 1
        if not self._every or self._left:
            return
        self._left = self._every
        self._faults.receipts += 1
        if self._faults.receipts != self._faults.drop_receipt:
            place = (self._place() if queued else _NOT_QUEUED) if result is Result.SUCCESS else None
            self._say(codec.response(Op.CRC, result, place=place))

    def _append(self, data: bytes) -> Result:
        if len(self._command) + len(data) > self._command_size:
            return Result.INVALID_PARAMETER
        self._command += data
        return Result.SUCCESS

    def _write(self, data: bytes) -> tuple[Result, bool]:
        """How it went, and whether it was queued: without that it goes well, and is lost."""
        if self._said is None:
            return Result.NOT_PERMITTED, False
        if self._offset - self._last + len(data) > self._object:
            return Result.INVALID_PARAMETER, False
        stored, at = bytearray(data), self._base + self._offset
        if self._faults.flip_bit and self._offset == 0:
            stored[len(stored) // 2] ^= 0x04

        def written() -> None:
            self._held -= 1
            self._store.flash.program(at, bytes(stored))

        self._held += 1
        if not self._flash.put(self._options.write_time, written):
            self._held -= 1
            return Result.SUCCESS, False
        self._offset += len(data)
        self._crc = zlib.crc32(data, self._crc)
        return Result.SUCCESS, True

    # Executing

    def _execute_command(self) -> None:
        if not self._command or len(self._command) != self._command_size:
            self._say(codec.response(Op.EXECUTE, Result.NOT_PERMITTED))
            return
        if self._said is None:
            refusal = self._judge()
            if refusal is not None:
                self._forget()
                self._say(refusal)
                return
            # What has its place at the beginning takes that of the application.
            gone = {} if self._base else {"size": 0, "crc": 0}
            if not self._save(init=self._command.hex(), offset=0, image_crc=0, **gone):
                self._say(codec.response(Op.EXECUTE, Result.FAILED))
                return
        self._say(codec.response(Op.EXECUTE))

    def _judge(self) -> bytes | None:
        """What is said against an init packet; None takes it."""
        try:
            said = read_init(bytes(self._command))
        except BadImage:
            return codec.response(Op.EXECUTE, Result.INVALID_OBJECT)
        if self._options.refuse == "init":
            return _refusal(Extended.INIT_COMMAND_INVALID)
        if self._board.key is not None:
            if said.signature is not None and said.signature_type:
                return _refusal(Extended.WRONG_SIGNATURE_TYPE)
            if said.signature is not None and len(said.signature) != _SIGNATURE_BYTES:
                return codec.response(Op.EXECUTE, Result.FAILED)
            try:
                said.check_signature(self._board.key)
            except Unsigned:
                return _refusal(Extended.SIGNATURE_MISSING)
            except BadSignature:
                return codec.response(Op.EXECUTE, Result.INVALID_OBJECT)
        wrong = self._wrong(said)
        if wrong is not None:
            return _refusal(wrong)
        place = self._store.place_for(said.size, spares=self._board.spares)
        if place is None:
            return codec.response(Op.EXECUTE, Result.INSUFFICIENT_RESOURCES)
        self._said, self._base = said, place
        return None

    def _wrong(self, said: SecureInit) -> Extended | None:
        board, installed = self._board, self._store.settings.version
        if said.type is not FwType.APPLICATION or said.hw_version is None:
            return Extended.INIT_COMMAND_INVALID
        if said.hw_version != board.hw_version:
            return Extended.HW_VERSION_FAILURE
        if not self._has_softdevice(said.sd_req):
            return Extended.SD_VERSION_FAILURE
        if board.rule == "off":
            return None
        if said.fw_version is None:
            return Extended.INIT_COMMAND_INVALID
        if said.fw_version < installed or (board.rule == "equal" and said.fw_version == installed):
            return Extended.FW_VERSION_FAILURE
        return None

    def _has_softdevice(self, wanted: tuple[int, ...]) -> bool:
        """``sd_req_ok``, of a loader that needs a SoftDevice itself, where one is."""
        overwrites = bool(wanted) and wanted[0] == 0
        if not self._board.softdevice:
            return overwrites or not wanted
        if overwrites:
            return self._board.rule == "off" or len(wanted) == 1
        return self._board.softdevice in wanted

    def _execute_data(self) -> None:
        if self._offset - self._last != self._object or self._said is None:
            self._say(codec.response(Op.EXECUTE, Result.NOT_PERMITTED))
            return
        if self._options.strict and not self._object:
            self._say(codec.response(Op.EXECUTE, Result.NOT_PERMITTED))
            return
        self._object, self._last, self._last_crc = 0, self._offset, self._crc
        self._awake()
        self._flash.when_idle(self._executed)

    def _executed(self) -> None:
        """All of the object is written."""
        if self._said is None:
            return
        if self._offset == self._said.size:
            self._complete(self._said)
            return
        self._say(codec.response(Op.EXECUTE))
        if self._board.keeps is Keeps.PROGRESS:
            self._save(offset=self._offset, image_crc=self._crc)

    def _complete(self, said: SecureInit) -> None:
        """The whole image is there: is it the one that was announced?  It restarts, whatever it says."""
        image = self._store.flash.read(self._base, said.size)
        bent = hashlib.sha256(image).digest()[::-1] != said.hash
        self._forget()
        if bent or self._options.refuse == "execute":
            self._faults.flip_bit = False
            self._say(_refusal(Extended.VERIFICATION_FAILED))
            self._save(self._restart, init="", offset=0, image_crc=0)
            return
        self._say(codec.response(Op.EXECUTE))
        # From here on the old application counts no more; the new one is put in its place by the next start.
        self._save(
            self._restart,
            init="",
            offset=0,
            image_crc=0,
            size=0,
            crc=0,
            version=said.fw_version or 0,
            waits=said.size,
            source=self._base,
            copied=0,
        )


def _nothing() -> None:
    """The erase, or the other page, of which nothing is to be seen here."""


def _refusal(why: Extended) -> bytes:
    return codec.response(Op.EXECUTE, Result.EXTENDED, extended=why)
