"""The attributes that a virtual node tells, each from what is really the case in it."""

from typing import Protocol

from flashers.sim import Behaviour
from flashers.zigbee_ota.build import file_version
from flashers.zigbee_ota.codec import general
from flashers.zigbee_ota.codec.words import (
    ANY,
    BASIC,
    IDENTIFY,
    OTA,
    POLL_CONTROL,
    POWER,
    TEMPERATURE,
    BasicAttribute,
    OtaAttribute,
    PollAttribute,
    PowerAttribute,
)
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.virtual.board import Board
from flashers.zigbee_ota.virtual.clusters import Table, Told
from flashers.zigbee_ota.virtual.sleeping import FAST_POLL_TIMEOUT

_MAINS, _BATTERY = 0x01, 0x03
"""PowerSource (ZCL revision 8, 3.2.2.2.8)."""
_STACK = 0x0002
_ZCL = 8
_EMPTY, _FULL = 20, 30
"""Tenths of a volt of an empty and a full battery: two cells."""


class Speaking(Board, Protocol):
    """A node as its attributes see it."""

    params: OtaParams

    @property
    def client(self) -> "Downloading":
        """Its OTA client."""
        ...

    @property
    def true_version(self) -> int:
        """The version in the header of what runs."""
        ...


class Downloading(Protocol):
    """An OTA client as its attributes see it."""

    @property
    def status(self) -> int:
        """ImageUpgradeStatus."""
        ...

    @property
    def downloaded(self) -> int:
        """DownloadedFileVersion."""
        ...

    @property
    def period(self) -> int:
        """MinimumBlockPeriod."""
        ...


def table(node: Speaking) -> Table:
    """All of them."""
    options = node.options
    model = options.model or next(iter(node.params.model), "virtual-node")
    power = _BATTERY if options.sleepy else _MAINS

    def build_id() -> str:
        runs = node.running
        if runs is None or runs.app is None:
            return ""
        return node.params.build_id_of(_told(node), runs.header.text) or runs.app.spoken_version

    basic = {
        BasicAttribute.ZCL_VERSION: Told(general.U8, lambda: _ZCL),
        BasicAttribute.APPLICATION_VERSION: Told(
            general.U8, lambda: node.params.application_version_of(_told(node))
        ),
        BasicAttribute.STACK_VERSION: Told(general.U8, lambda: _STACK),
        BasicAttribute.HARDWARE_VERSION: Told(general.U8, lambda: node.own.hardware & 0xFF),
        BasicAttribute.MANUFACTURER_NAME: Told(general.TEXT, lambda: options.vendor),
        BasicAttribute.MODEL_IDENTIFIER: Told(general.TEXT, lambda: model),
        BasicAttribute.POWER_SOURCE: Told(general.ENUM8, lambda: power),
        BasicAttribute.SW_BUILD_ID: Told(general.TEXT, build_id),
    }
    found: dict[tuple[int, bool], dict[int, Told]] = {
        (BASIC, False): dict(basic.items()),
        (IDENTIFY, False): {0x0000: Told(general.U16, lambda: 0)},
        (TEMPERATURE, False): {
            0x0000: Told(general.I16, lambda: 2000 + node.counts.reports % 50),
            0x0001: Told(general.I16, lambda: -4000),
            0x0002: Told(general.I16, lambda: 12500),
        },
        (OTA, True): dict(_upgrade(node)),
    }
    if options.sleepy:
        found[POWER, False] = {
            PowerAttribute.BATTERY_VOLTAGE: Told(general.U8, lambda: options.battery),
            PowerAttribute.BATTERY_PERCENTAGE: Told(general.U8, lambda: _percentage(options.battery)),
        }
        found[POLL_CONTROL, False] = {
            PollAttribute.CHECK_IN_INTERVAL: Told(general.U32, lambda: _quarters(options.check_in)),
            PollAttribute.LONG_POLL_INTERVAL: Told(general.U32, lambda: _quarters(options.long_poll)),
            PollAttribute.SHORT_POLL_INTERVAL: Told(general.U16, lambda: _quarters(options.fast_poll)),
            PollAttribute.FAST_POLL_TIMEOUT: Told(general.U16, lambda: FAST_POLL_TIMEOUT),
        }
    return found


def _upgrade(node: Speaking) -> dict[int, Told]:
    return {
        OtaAttribute.UPGRADE_SERVER_ID: Told(general.EUI64, lambda: 0xFFFFFFFFFFFFFFFF),
        OtaAttribute.FILE_OFFSET: Told(general.U32, lambda: _offset(node)),
        OtaAttribute.CURRENT_FILE_VERSION: Told(general.U32, lambda: node.version),
        OtaAttribute.CURRENT_STACK_VERSION: Told(general.U16, lambda: _STACK),
        OtaAttribute.DOWNLOADED_FILE_VERSION: Told(general.U32, lambda: node.client.downloaded),
        OtaAttribute.IMAGE_UPGRADE_STATUS: Told(general.ENUM8, lambda: int(node.client.status)),
        OtaAttribute.MANUFACTURER_ID: Told(general.U16, lambda: node.own.manufacturer),
        OtaAttribute.IMAGE_TYPE_ID: Told(general.U16, lambda: _image_type(node)),
        OtaAttribute.MINIMUM_BLOCK_PERIOD: Told(general.U16, lambda: node.client.period),
    }


def _offset(node: Speaking) -> int:
    """FileOffset; all ones while there is no file (11.10.2)."""
    return node.store.offset if node.store.download is not None else 0xFFFFFFFF


def _image_type(node: Speaking) -> int:
    """ImageTypeID; on many nodes it is only told while a file is being fetched."""
    hidden = node.options.hides_type and node.store.download is None
    return ANY if hidden else node.own.image_type


def _told(node: Speaking) -> int:
    """The version by which its application names itself: that of its file, whatever was advertised."""
    runs = node.running
    if runs is not None and runs.app is not None and runs.app.behaviour is Behaviour.LIES:
        return file_version(runs.app.spoken_version)
    return (node.true_version + (node.options.lies or 0)) & 0xFFFFFFFF


def _quarters(seconds: float) -> int:
    return round(seconds * 4)


def _percentage(tenths: int) -> int:
    """In half percents."""
    return max(0, min(200, (tenths - _EMPTY) * 200 // (_FULL - _EMPTY)))
