"""The plugin's value: what a list of flashers shows.  zigpy is imported when a file is parsed, not before."""

from collections.abc import Mapping

from flashers.api import (
    Component,
    Describe,
    FirmwareImage,
    FlasherPlugin,
    Session,
    Unattended,
    VirtualSetup,
)
from flashers.api import Flasher as FlasherContract
from flashers.api import VirtualNode as VirtualNodeContract
from flashers.sim import SimApp
from flashers.zigbee_ota.declare import FORMAT, declare
from flashers.zigbee_ota.fits import fits
from flashers.zigbee_ota.params import OtaParams, Owner
from flashers.zigbee_ota.virtual.options import FAULTS
from transports.zcl import Zcl

__all__ = ["FORMAT", "PLUGIN"]


def _parse(data: bytes, format: str, component: Component, params: OtaParams) -> FirmwareImage:  # noqa: A002
    from flashers.zigbee_ota.image import parse

    return parse(data, format, component, params)


def _open(session: Session, params: OtaParams) -> FlasherContract:
    if params.owner is Owner.ZIGBEE2MQTT:
        from flashers.zigbee_ota.guest import GuestFlasher

        return GuestFlasher(session, params)
    from flashers.zigbee_ota.flasher import ZigbeeFlasher

    return ZigbeeFlasher(session, params)


def _describe(params: OtaParams) -> Describe:
    from flashers.zigbee_ota.describe import describer

    return describer(params)


def _unattended(request: Zcl, open: bool) -> Unattended:  # noqa: A002 - as the contract has it
    from flashers.zigbee_ota.unattended import unattended

    return unattended(request, open)


def _virtual_node(setup: VirtualSetup) -> VirtualNodeContract:
    from flashers.zigbee_ota.virtual.node import VirtualZigbeeNode

    return VirtualZigbeeNode(setup)


def _build(app: SimApp, size: int, options: Mapping[str, str]) -> bytes:
    from flashers.zigbee_ota.build import build

    return build(app, size, options)


PLUGIN = FlasherPlugin(
    name="zigbee_ota",
    summary="Zigbee over-the-air upgrades (the OTA cluster): blocks, pages, resumed, staged activation",
    params=OtaParams,
    declare=declare,
    parse=_parse,
    open=_open,
    virtual_node=_virtual_node,
    build=_build,
    faults=FAULTS,
    describe=_describe,
    unattended=_unattended,
    fits=fits,
)
