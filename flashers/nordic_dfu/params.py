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
    """Not at all: somebody presses a button; secure loaders are found at the next address then, too."""
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
    """Beside the old one, which is replaced once the new one is complete and valid.

    Secure loaders put what does not fit there over the old one, unless ``force_dual`` is set.
    """
    SINGLE = "single"
    """Over the old one."""


class Keeps(StrEnum):
    """What of an image that has begun to come a secure loader still has when the link was lost."""

    NOTHING = "nothing"
    """It goes back to its settings in flash, which have the init packet alone (SDK 17.1.0 as it comes)."""
    LINK = "link"
    """All of it, as long as it has power (SDK 15.0)."""
    PROGRESS = "progress"
    """Each executed object, which outlives its power as well (``NRF_DFU_SAVE_PROGRESS_IN_FLASH``)."""


class NordicParams(Params):
    """Settings for one type of node; times in seconds."""

    protocol: Protocol = Protocol.SECURE
    banks: Banks = Banks.DUAL
    """Where the loader puts what comes."""
    force_dual: bool = False
    """It refuses what has no room beside the old (``NRF_DFU_FORCE_DUAL_BANK_APP_UPDATES``; secure)."""
    keeps: Keeps = Keeps.NOTHING
    """What it still has of an image after a lost link (secure)."""
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
    """Room for an application, in bytes; with two banks what is always beside the old one, so half of all."""
    receipts: Annotated[int, Field(ge=1, le=1000)] = 12
    """Packets for which a receipt is asked (legacy); the secure loader gives one for each object."""
    window: Annotated[int, Field(ge=1, le=1000)] = 15
    """Packets that the loader can hold while it erases; more are never under way at once (secure).

    The SDK's loader has 17 buffers (``nrf_dfu_ble.c``), and a queue of 16 operations on flash
    (``NRF_FSTORAGE_SD_QUEUE_SIZE``), of which an erase is one.
    """
    erase_time: Annotated[float, Field(ge=0, le=10)] = 0.09
    """Seconds that the loader takes at most to erase a page (secure).

    Product Specifications, tERASEPAGE: 85 ms (nRF52840), 89.7 ms (nRF52832).
    """
    reply_timeout: Seconds = 5.0
    """For an answer of the loader; an object's execute is answered when all of it is written."""
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

    @property
    def spares_the_old(self) -> bool:
        """Whether the old application surely is whole until a secure loader has executed the last object."""
        return self.banks is Banks.DUAL and (self.force_dual or self.max_size is not None)

    def version_of(self, number: int) -> str:
        """The text under which the application tells this version."""
        match self.version_text:
            case VersionText.DECIMAL:
                return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
            case VersionText.BYTES:
                return f"{number >> 16}.{number >> 8 & 0xFF}.{number & 0xFF}"
            case VersionText.NUMBER:
                return str(number)
