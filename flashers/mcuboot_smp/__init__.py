"""MCUboot images over MCUmgr's SMP: update, prove, confirm, and take back.

The codec is in ``codec``, images in ``image``, the procedures in ``requests``,
``upload`` and ``flasher``, the virtual node in ``virtual``; the README tells an
integrator what to write into a profile.
"""

from collections.abc import Mapping

from flashers.api import Describe, FlasherPlugin, Session, VirtualSetup
from flashers.api import Flasher as FlasherContract
from flashers.api import VirtualNode as VirtualNodeContract
from flashers.mcuboot_smp.declare import declare
from flashers.mcuboot_smp.image import parse
from flashers.mcuboot_smp.params import SmpParams
from flashers.mcuboot_smp.virtual.options import FAULTS
from flashers.sim import SimApp

__all__ = ["PLUGIN"]


def _open(session: Session, params: SmpParams) -> FlasherContract:
    from flashers.mcuboot_smp.flasher import McubootFlasher

    return McubootFlasher(session, params)


def _virtual_node(setup: VirtualSetup) -> VirtualNodeContract:
    from flashers.mcuboot_smp.virtual.node import VirtualMcubootNode

    return VirtualMcubootNode(setup)


def _build(app: SimApp, size: int, options: Mapping[str, str]) -> bytes:
    from flashers.mcuboot_smp.build import build

    return build(app, size, options)


def _describe(params: SmpParams) -> Describe:
    from flashers.mcuboot_smp.describe import describer

    return describer(params)


PLUGIN = FlasherPlugin(
    name="mcuboot_smp",
    summary="MCUboot images over MCUmgr (SMP on a console or over BLE), in every mode of MCUboot",
    params=SmpParams,
    declare=declare,
    parse=parse,
    open=_open,
    virtual_node=_virtual_node,
    build=_build,
    faults=FAULTS,
    describe=_describe,
)
