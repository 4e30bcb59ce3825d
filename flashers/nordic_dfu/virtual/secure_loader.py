"""The secure loader of a virtual node: objects into flash, and a package judged before its image.

Source: nRF5 SDK 17.1.0, ``nrf_dfu_req_handler.c`` (objects), ``nrf_dfu_validation.c`` and
``nrf_dfu_ver_validation.c`` (what is refused, and how it is said), ``nrf_dfu_ble.c`` (receipts).
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from flashers.api import BadImage
from flashers.nordic_dfu.package.errors import BadSignature, Unsigned
from flashers.nordic_dfu.package.secure_init import FwType, SecureInit, read_init
from flashers.nordic_dfu.secure import codec
from flashers.nordic_dfu.secure.codec import Place, Request
from flashers.nordic_dfu.secure.words import Extended, Object, Op, Result
from flashers.nordic_dfu.virtual.secure_flash import Store
from flashers.nordic_dfu.virtual.secure_options import SecureOptions

LARGEST_INIT = 512


@dataclass(frozen=True, slots=True)
class Board:
    """What the loader was built for; ``rule`` is what it refuses by version."""

    key: EllipticCurvePublicKey | None
    hw_version: int
    softdevice: int
    rule: str


@dataclass(slots=True)
class Faults:
    """What happens to the loader once, over all its lives."""

    lose: int | None
    drop_receipt: int | None
    flip_bit: bool
    packets: int = 0
    receipts: int = 0


class SecureLoader:
    """From its start to its end; ``say`` notifies, ``restart`` ends it."""

    def __init__(
        self,
        store: Store,
        board: Board,
        options: SecureOptions,
        faults: Faults,
        say: Callable[[bytes], None],
        restart: Callable[[], None],
    ) -> None:
        self._store = store
        self._board = board
        self._options = options
        self._faults = faults
        self._say = say
        self._restart = restart
        self._kind = Object.COMMAND
        self._every = self._left = 0
        self._command = bytearray()
        self._command_size = 0
        self._said: SecureInit | None = None
        self._offset = self._last = self._object = 0
        self._crc = self._last_crc = 0
        self._recall()

    def _recall(self) -> None:
        """What it knew before a restart: the init packet, and the image if that is kept."""
        settings = self._store.settings
        if not settings.init:
            return
        self._command = bytearray(bytes.fromhex(settings.init))
        self._command_size = len(self._command)
        self._said = read_init(bytes(self._command))
        if self._options.saves_progress:
            self._offset = self._last = settings.offset
            self._crc = self._last_crc = settings.image_crc

    def forget(self) -> None:
        """Everything that it has received counts for nothing."""
        self._command.clear()
        self._command_size = self._offset = self._last = self._object = self._crc = self._last_crc = 0
        self._said = None

    # The control point

    def erases(self, data: bytes) -> bool:
        """Whether this request takes the time of an erase."""
        request = codec.read_request(data)
        return request is not None and request.op is Op.CREATE and request.object == Object.DATA

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
                largest = LARGEST_INIT if self._kind is Object.COMMAND else self._store.page
                self._say(codec.response(Op.SELECT, place=self._place(), largest=largest))
            case Op.CREATE:
                self._left = self._every
                self._create(request)
            case Op.RECEIPTS:
                self._every = self._left = request.value
                self._say(codec.response(Op.RECEIPTS))
            case Op.CRC:
                self._say(codec.response(Op.CRC, place=self._place()))
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
        if not size:
            return Result.INVALID_PARAMETER
        if size > LARGEST_INIT:
            return Result.INSUFFICIENT_RESOURCES
        self.forget()
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
        self._store.flash.erase(self._store.target + self._offset)
        return Result.SUCCESS

    # Packets

    def packet(self, data: bytes) -> None:
        """Contents of the present object; a receipt follows after each so many."""
        self._faults.packets += 1
        if self._faults.packets == self._faults.lose:
            return
        result = self._append(data) if self._kind is Object.COMMAND else self._write(data)
        self._left -= 1
        if not self._every or self._left:
            return
        self._left = self._every
        self._faults.receipts += 1
        if self._faults.receipts != self._faults.drop_receipt:
            ok = result is Result.SUCCESS
            self._say(codec.response(Op.CRC, result, place=self._place() if ok else None))

    def _append(self, data: bytes) -> Result:
        if len(self._command) + len(data) > self._command_size:
            return Result.INVALID_PARAMETER
        self._command += data
        return Result.SUCCESS

    def _write(self, data: bytes) -> Result:
        if self._said is None:
            return Result.NOT_PERMITTED
        if self._offset - self._last + len(data) > self._object:
            return Result.INVALID_PARAMETER
        stored = bytearray(data)
        if self._faults.flip_bit and self._offset == 0:
            stored[len(stored) // 2] ^= 0x04
        self._store.flash.program(self._store.target + self._offset, bytes(stored))
        self._offset += len(data)
        self._crc = zlib.crc32(data, self._crc)
        return Result.SUCCESS

    # Executing

    def _execute_command(self) -> None:
        if not self._command or len(self._command) != self._command_size:
            self._say(codec.response(Op.EXECUTE, Result.NOT_PERMITTED))
            return
        if self._said is None:
            refusal = self._judge()
            if refusal is not None:
                self._say(refusal)
                return
            gone = {} if self._store.two else {"size": 0, "crc": 0}
            self._store.save(init=self._command.hex(), offset=0, image_crc=0, **gone)
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
            try:
                said.check_signature(self._board.key)
            except Unsigned:
                return _refusal(Extended.SIGNATURE_MISSING)
            except BadSignature:
                return codec.response(Op.EXECUTE, Result.INVALID_OBJECT)
        wrong = self._wrong(said)
        if wrong is not None:
            return _refusal(wrong)
        if said.size > self._store.room:
            return codec.response(Op.EXECUTE, Result.INSUFFICIENT_RESOURCES)
        self._said = said
        return None

    def _wrong(self, said: SecureInit) -> Extended | None:
        board, installed = self._board, self._store.settings.version
        if said.type is not FwType.APPLICATION or said.hw_version is None:
            return Extended.INIT_COMMAND_INVALID
        if said.hw_version != board.hw_version:
            return Extended.HW_VERSION_FAILURE
        without = not said.sd_req or said.sd_req[0] == 0
        if board.softdevice not in said.sd_req and not (board.softdevice == 0 and without):
            return Extended.SD_VERSION_FAILURE
        if board.rule == "off":
            return None
        if said.fw_version is None:
            return Extended.INIT_COMMAND_INVALID
        if said.fw_version < installed or (board.rule == "equal" and said.fw_version == installed):
            return Extended.FW_VERSION_FAILURE
        return None

    def _execute_data(self) -> None:
        if self._offset - self._last != self._object or self._said is None:
            self._say(codec.response(Op.EXECUTE, Result.NOT_PERMITTED))
            return
        if self._options.strict and not self._object:
            self._say(codec.response(Op.EXECUTE, Result.NOT_PERMITTED))
            return
        self._object, self._last, self._last_crc = 0, self._offset, self._crc
        if self._offset == self._said.size:
            self._complete(self._said)
            return
        if self._options.saves_progress:
            self._store.save(offset=self._offset, image_crc=self._crc)
        self._say(codec.response(Op.EXECUTE))

    def _complete(self, said: SecureInit) -> None:
        """The whole image is there: is it the one that was announced?"""
        image = self._store.flash.read(self._store.target, said.size)
        bent = hashlib.sha256(image).digest()[::-1] != said.hash
        if bent or self._options.refuse == "execute":
            self._faults.flip_bit = False
            self.forget()
            self._store.save(init="", offset=0, image_crc=0)
            self._say(_refusal(Extended.VERIFICATION_FAILED))
            return
        version = said.fw_version or 0
        if self._store.two:
            self._store.save(init="", waits=said.size, version=version, offset=0, image_crc=0)
        else:
            crc = zlib.crc32(image)
            self._store.save(init="", size=said.size, crc=crc, version=version, offset=0, image_crc=0)
        self._say(codec.response(Op.EXECUTE))
        self._restart()


def _refusal(why: Extended) -> bytes:
    return codec.response(Op.EXECUTE, Result.EXTENDED, extended=why)
