"""A flasher for tests of the host: it declares like a real one, and has no node to flash."""

from collections.abc import Mapping

from pydantic import Field

from flashers.api import (
    Activation,
    Component,
    ComponentKind,
    Declaration,
    EvidenceKind,
    Exposure,
    FirmwareImage,
    Flasher,
    FlasherPlugin,
    Initiative,
    NotSupported,
    Params,
    ProbeCost,
    Resume,
    RollbackKind,
    Session,
    VirtualNode,
    VirtualSetup,
)
from flashers.sim import SimApp
from transports.links import Medium


class GoodParams(Params):
    """Settings with every kind of check."""

    part: str
    speed: int = Field(default=1, ge=1, le=9)
    prints: bool = False


def _declare(params: GoodParams) -> Declaration:
    if params.part == "explosive":
        raise ZeroDivisionError("a bug")
    return Declaration(
        media=frozenset({Medium.UART}),
        components=frozenset({ComponentKind.FIRMWARE}),
        rollback=frozenset({RollbackKind.REFLASH}),
        transfer_evidence=frozenset({EvidenceKind.READBACK}),
        boot_evidence=frozenset({EvidenceKind.VERSION}) if params.prints else frozenset(),
        resume=Resume.NONE,
        activation=Activation.WITH_LAST_BYTE,
        initiative=Initiative.PUSH,
        probe_cost=ProbeCost.NONE,
        exposure=Exposure.WINDOW,
        in_loader="as always",
        formats=frozenset({"raw"}),
    )


def _parse(data: bytes, format: str, component: Component, params: GoodParams) -> FirmwareImage:  # noqa: A002
    raise NotSupported


def _open(session: Session, params: GoodParams) -> Flasher:
    raise NotSupported


def _virtual(setup: VirtualSetup) -> VirtualNode:
    raise NotSupported


def _build(app: SimApp, size: int, options: Mapping[str, str]) -> bytes:
    raise NotSupported


PLUGIN = FlasherPlugin(
    name="good",
    summary="For tests",
    params=GoodParams,
    declare=_declare,
    parse=_parse,
    open=_open,
    virtual_node=_virtual,
    build=_build,
)
