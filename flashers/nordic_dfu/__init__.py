"""Nordic's DFU over Bluetooth LE: the secure protocol (nRF5 SDK 12 and later) and the legacy one.

One plugin, since packages, loaders' manners and versions are of one family; the profile's
``protocol`` says which of the two its nodes speak.  See this folder's README.
"""

from collections.abc import Mapping

from flashers.api import (
    Component,
    Declaration,
    Describe,
    FirmwareImage,
    FlasherPlugin,
    Session,
    VirtualSetup,
)
from flashers.api import Flasher as FlasherContract
from flashers.api import VirtualNode as VirtualNodeContract
from flashers.nordic_dfu.params import NordicParams, Protocol
from flashers.nordic_dfu.virtual.options import FAULTS
from flashers.sim import SimApp

__all__ = ["FORMAT", "PLUGIN"]

FORMAT = "nordic-dfu-zip"
"""A zip with a manifest, init packets and images, as Nordic's own tools make it."""


def _declare(params: NordicParams) -> Declaration:
    if params.protocol is Protocol.LEGACY:
        from flashers.nordic_dfu.legacy.declare import declare as legacy

        return legacy(params)
    from flashers.nordic_dfu.secure.declare import declare as secure

    return secure(params)


def _parse(data: bytes, format: str, component: Component, params: NordicParams) -> FirmwareImage:  # noqa: A002
    from flashers.nordic_dfu.package.errors import WrongFormat

    if format != FORMAT:
        raise WrongFormat(f"{format!r} is no format for Nordic's DFU; there is {FORMAT}")
    if params.protocol is Protocol.LEGACY:
        from flashers.nordic_dfu.legacy.image import parse as legacy

        return legacy(data, component, params)
    from flashers.nordic_dfu.secure.image import parse as secure

    return secure(data, component, params)


def _open(session: Session, params: NordicParams) -> FlasherContract:
    if params.protocol is Protocol.LEGACY:
        from flashers.nordic_dfu.legacy.flasher import LegacyFlasher

        return LegacyFlasher(session, params)
    from flashers.nordic_dfu.secure.flasher import SecureFlasher

    return SecureFlasher(session, params)


def _virtual_node(setup: VirtualSetup) -> VirtualNodeContract:
    if isinstance(setup.params, NordicParams) and setup.params.protocol is Protocol.LEGACY:
        from flashers.nordic_dfu.virtual.legacy import VirtualLegacyNode

        return VirtualLegacyNode(setup)
    from flashers.nordic_dfu.virtual.secure import VirtualSecureNode

    return VirtualSecureNode(setup)


def _build(app: SimApp, size: int, options: Mapping[str, str]) -> bytes:
    rest = dict(options)
    match rest.pop("protocol", Protocol.SECURE):
        case Protocol.SECURE:
            from flashers.nordic_dfu.secure.build import build as secure

            return secure(app, size, rest)
        case Protocol.LEGACY:
            from flashers.nordic_dfu.legacy.build import build as legacy

            return legacy(app, size, rest)
        case other:
            raise ValueError(f"protocol is secure or legacy, not {other!r}")


def _describe(params: NordicParams) -> Describe:
    if params.protocol is Protocol.LEGACY:
        from flashers.nordic_dfu.legacy.describe import describer as legacy

        return legacy(params)
    from flashers.nordic_dfu.secure.describe import describer as secure

    return secure(params)


PLUGIN = FlasherPlugin(
    name="nordic_dfu",
    summary="Nordic's DFU over Bluetooth LE: secure (nRF5 SDK 12 and later) and legacy",
    params=NordicParams,
    declare=_declare,
    parse=_parse,
    open=_open,
    virtual_node=_virtual_node,
    build=_build,
    faults=FAULTS,
    describe=_describe,
)
