"""A connection to one node, as flashers use it: bleak's client behind the contract of ``GattLink``."""

import asyncio
import contextlib
import logging
import re
from collections import deque
from collections.abc import Callable

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakError, BleakGATTProtocolError

from transports.ble.errors import GattRefused
from transports.errors import LinkLost

log = logging.getLogger(__name__)

_ATT_ERROR = re.compile(r"ATT error: 0x([0-9a-f]{2})", re.IGNORECASE)
_DISCONNECT_S = 10.0
"""bluetoothd takes two to three seconds to end a connection; more means that it hangs."""


class BleakLink:
    """Implements :class:`~transports.gatt.GattLink`.

    Args:
        client: connected.
        ended: called once when the link has ended, whoever ended it.
    """

    def __init__(self, client: BleakClient, ended: Callable[["BleakLink"], None] = lambda _: None) -> None:
        self._client = client
        self._ended = ended
        self._heard: deque[tuple[str, bytes]] = deque()
        self._news = asyncio.Event()
        self._lost = False
        self._closed = False

    # For whoever made the client

    def gone(self) -> None:
        """The connection ended by itself; bleak's callback comes here."""
        if not self._lost:
            self._lost = True
            self._news.set()
            self._end()

    # The contract

    @property
    def address(self) -> str:
        """As in the contract."""
        return str(self._client.address)

    @property
    def lost(self) -> bool:
        """As in the contract."""
        return self._lost or self._closed

    def has(self, characteristic: str) -> bool:
        """As in the contract."""
        return self._client.services.get_characteristic(characteristic) is not None

    def room(self, characteristic: str) -> int:
        """As in the contract; BlueZ's own figure for the MTU is wrong, the characteristic's is not."""
        return int(self._found(characteristic).max_write_without_response_size)

    async def write(self, characteristic: str, data: bytes, *, response: bool) -> None:
        """As in the contract."""
        found = self._found(characteristic)
        await self._do(self._client.write_gatt_char(found, data, response=response), "written")

    async def read(self, characteristic: str) -> bytes:
        """As in the contract."""
        return bytes(await self._do(self._client.read_gatt_char(self._found(characteristic)), "read"))

    async def subscribe(self, characteristic: str) -> None:
        """As in the contract."""

        def came(_: BleakGATTCharacteristic, data: bytearray) -> None:
            self._heard.append((characteristic, bytes(data)))
            self._news.set()

        await self._do(self._client.start_notify(self._found(characteristic), came), "listened to")

    async def heard(self) -> tuple[str, bytes]:
        """As in the contract."""
        while not self._heard:
            if self._lost or self._closed:
                raise LinkLost(f"{self.address} is not connected any more")
            self._news.clear()
            await self._news.wait()
        return self._heard.popleft()

    def discard_heard(self) -> int:
        """As in the contract."""
        count = len(self._heard)
        self._heard.clear()
        return count

    async def aclose(self) -> None:
        """As in the contract."""
        if self._closed:
            return
        self._closed = True
        self._news.set()
        try:
            async with asyncio.timeout(_DISCONNECT_S):
                await self._client.disconnect()
        except (TimeoutError, BleakError, EOFError, OSError) as error:
            log.info("%s: disconnecting: %r", self.address, error)
        finally:
            self._end()

    def _end(self) -> None:
        ended, self._ended = self._ended, lambda _: None
        ended(self)

    def _found(self, characteristic: str) -> BleakGATTCharacteristic:
        if self._lost or self._closed:
            raise LinkLost(f"{self.address} is not connected any more")
        found = None
        with contextlib.suppress(BleakError):  # before the services were read, or after they were lost
            found = self._client.services.get_characteristic(characteristic)
        if found is None:
            raise GattRefused(f"{self.address} has no characteristic {characteristic}")
        return found

    async def _do(self, work: "asyncio.Future[bytearray] | object", what: str) -> bytearray:
        try:
            return await work  # type: ignore[misc, no-any-return]
        except (EOFError, OSError) as error:
            self.gone()
            raise LinkLost(f"{self.address}: the value could not be {what}: {error!r}") from error
        except BleakError as error:
            number = _att_error(error)
            if number is not None:
                text = f"{self.address}: the value could not be {what}: ATT error 0x{number:02x}"
                raise GattRefused(text, att_error=number) from error
            if not self._client.is_connected:
                self.gone()
                raise LinkLost(f"{self.address} went away") from error
            raise GattRefused(f"{self.address}: the value could not be {what}: {error}") from error


def _att_error(error: BleakError) -> int | None:
    """The ATT error that the node answered with, if it did (Core Specification, Vol 3, Part F, 3.4.1.1)."""
    if isinstance(error, BleakGATTProtocolError):
        return int(error.args[0])
    words = _ATT_ERROR.search(str(error))  # what bleak has no number for, in BlueZ's words
    return None if words is None else int(words[1], 16)
