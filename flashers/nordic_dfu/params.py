"""The settings of a node with one of Nordic's loaders: the ``[params]`` of its profile.

Nothing of this can be asked of a node: neither which package its loader would refuse nor
how its application writes its version.  So the profile says it, and what is said is
checked before a node is sent into its loader.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator

from flashers.api import Params
from transports.gatt import uuid16

Seconds = Annotated[float, Field(gt=0, le=600)]

FIRMWARE_REVISION = uuid16(0x2A26)
"""Firmware Revision String of the Device Information Service (Assigned Numbers, 3.8.1)."""


class Protocol(StrEnum):
    """Which of the two DFU protocols the loader speaks."""

    SECURE = "secure"
    """nRF5 SDK 12 and later: signed packages, objects, resumption."""
    LEGACY = "legacy"
    """nRF5 SDK 4 to 11."""


class Entry(StrEnum):
    """How the application is asked to go into its loader."""

    UNBONDED = "unbonded"
    """Buttonless service without bonds: the loader is found at the next address."""
    NAMED = "named"
    """The same, and the loader is given a name of its own before, by which it is found."""
    BONDED = "bonded"
    """Buttonless service with bonds: the same address, and an encrypted link."""
    NONE = "none"
    """Not at all: somebody presses a button, and the loader is found where ``bonded`` would be."""
    MICROBIT = "microbit"
    """By the micro:bit's own service (legacy)."""


class VersionRule(StrEnum):
    """Which packages the loader refuses by their version (``NRF_DFU_APP_DOWNGRADE_PREVENTION``)."""

    LOWER = "lower"
    """A lower version than the one that it installed last; the SDK's default."""
    EQUAL = "equal"
    """The same version as well (``NRF_DFU_APP_ACCEPT_SAME_VERSION`` 0)."""
    OFF = "off"
    """None."""


class VersionText(StrEnum):
    """How the application writes the number that its package has as version."""

    NUMBER = "number"
    """As it is: 10203 is ``10203``."""
    DECIMAL = "decimal"
    """Two digits each: 10203 is ``1.2.3`` (``nrfutil pkg generate --application-version-string``)."""
    BYTES = "bytes"
    """A byte each: 0x010203 is ``1.2.3``."""


class Banks(StrEnum):
    """Where a new application is put while it comes."""

    DUAL = "dual"
    """Beside the old one, which is replaced once the new one is complete and valid."""
    SINGLE = "single"
    """Over the old one."""


class NordicParams(Params):
    """Settings for one type of node; times in seconds."""

    protocol: Protocol = Protocol.SECURE
    banks: Banks = Banks.DUAL
    """Where the loader puts what comes."""
    entry: Entry = Entry.UNBONDED
    """The way into the loader; legacy: ``unbonded``, ``bonded``, ``microbit`` or ``none``."""
    loader_name: Annotated[str, Field(min_length=1, max_length=20)] = "DfuTarg"
    """What the loader calls itself, where its address cannot be known (legacy)."""
    public_key: str | None = None
    """The loader's public key (PEM, P-256); packages that it did not sign are refused."""
    hw_version: Annotated[int, Field(ge=0, lt=1 << 32)] | None = None
    """The hardware version that the loader was built for."""
    device_type: Annotated[int, Field(ge=0, lt=1 << 16)] | None = None
    """The device type that the loader was built for (legacy)."""
    device_revision: Annotated[int, Field(ge=0, lt=1 << 16)] | None = None
    """The device revision that the loader was built for (legacy)."""
    softdevice: Annotated[int, Field(ge=0, lt=1 << 16)] | None = None
    """The firmware id of the node's SoftDevice; 0 says that it has none."""
    version_rule: VersionRule = VersionRule.LOWER
    """What the loader refuses."""
    version_text: VersionText = VersionText.DECIMAL
    """How the application's own version is compared with that of a package."""
    version_characteristic: str | None = FIRMWARE_REVISION
    """Where the application tells its version; an empty text says that it does not."""
    max_size: Annotated[int, Field(gt=0)] | None = None
    """Room for an application, in bytes."""
    receipts: Annotated[int, Field(ge=1, le=1000)] = 12
    """Packets for which a receipt is asked (legacy); the secure loader gives one for each object."""
    window: Annotated[int, Field(ge=1, le=1000)] = 17
    """Packets that the loader can hold; more are never under way at once.

    The SDK's loader has 18 buffers (``nrf_dfu_ble.c``: a page's worth of the longest, and two), and
    a page takes 17 packets of 244 bytes.
    """
    reply_timeout: Seconds = 5.0
    """For an answer of the loader, the erase of an object included."""
    boot_deadline: Seconds = 30.0
    """From the restart until the application must have answered."""
    loader_deadline: Seconds = 20.0
    """From the request until the loader must have been heard."""

    @field_validator("version_characteristic")
    @classmethod
    def _told_nowhere(cls, value: str | None) -> str | None:
        return value.lower() if value else None

    @field_validator("public_key")
    @classmethod
    def _is_key(cls, value: str | None) -> str | None:
        if value is not None:
            from flashers.nordic_dfu.package.signature import load_public_key

            load_public_key(value)
        return value

    def version_of(self, number: int) -> str:
        """The text under which the application tells this version."""
        match self.version_text:
            case VersionText.DECIMAL:
                return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
            case VersionText.BYTES:
                return f"{number >> 16}.{number >> 8 & 0xFF}.{number & 0xFF}"
            case VersionText.NUMBER:
                return str(number)
