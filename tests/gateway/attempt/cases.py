"""Words for cases: records and looks that differ from a plain one in what a case is about."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flashers.api import Component, Evidence, EvidenceKind, Firmware, Of, Role, RollbackKind, Seen, Slot
from gateway.attempt.steps import (
    Activate,
    Await,
    CheckHealth,
    Confirm,
    Finish,
    Judge,
    Prepare,
    Probe,
    Restart,
    Revert,
    Step,
    Transfer,
    TurnBack,
)
from gateway.model.outcomes import CancelReason, Direction, Verdict
from gateway.model.records import Bounds, Observation, Part, Record, Rules, Trouble
from tests.gateway.attempt.model import Bytes
from tests.gateway.attempt.world import HASH, LINE, NAME, READ, B, K, T, W, named, target

OLD, NEW, GOOD, OTHER = (named(held, by_version=False) for held in (B, W, K, T))
NAMELESS = Firmware(version="9.9")
BUSY = Trouble("link-lost", "the line went dead", retryable=True)
NO = Trouble("node-refused", "the node said no", "ask it nicely")
SICK = Trouble("health-failed", "it fails")
OLDER = Trouble("downgrade-refused", "it takes nothing older")
CANCELLED = Trouble("cancelled", "somebody asked")

State = Mapping[str, Any]
FRESH: State = {"prepared": False}
TOUCHED: State = {"touched": True}
STARTED: State = {**TOUCHED, "activations": 1, "starts": {"activate": 1}}
STARTED_BEFORE: State = {**TOUCHED, "activations": 1, "recovers": 1}
PASSED: State = {**TOUCHED, "activations": 1, "verdict": Verdict.PASSED}
LATE: State = {**PASSED, "soak_after": 0.5}
BACK: State = {**TOUCHED, "activations": 1, "direction": Direction.BACK, "turned": SICK}
REVERTED: State = {"back_kind": RollbackKind.BOOTLOADER}
SWITCHED: State = {"back_kind": RollbackKind.SLOT_SWITCH}
RESENT: State = {"back_kind": RollbackKind.REFLASH}
NO_WAY: State = {"rollback": RollbackKind.NONE}
CANCEL: State = {"cancel": CancelReason.CANCELLED}
LOST: State = {"error": BUSY}
REFUSED: State = {"error": NO}
RESTARTABLE: State = {"restartable": True}


def thrice(counter: str) -> State:
    """A step that was begun as often as it may be."""
    return {"starts": {counter: 3}}


_RULES = Rules(
    transfer=HASH, boot=HASH, trial_boot=True, boot_deadline=30.0, patience=60.0, bounds=Bounds(turns=40)
)


def swap(*states: State, **changes: Any) -> Record:
    """A prepared attempt on a node with two slots whose loader tries an image before it keeps it."""
    return _record(_RULES, RollbackKind.BOOTLOADER, None, (*states, changes))


def overwrite(*states: State, **changes: Any) -> Record:
    """The same where the new image is copied over the old one, which is kept here."""
    return _record(replace(_RULES, trial_boot=False), RollbackKind.REFLASH, K, (*states, changes))


def single(*states: State, **changes: Any) -> Record:
    """The same with one slot, read back, and a line on the console that tells of a boot."""
    rules = replace(_RULES, transfer=READ, boot=LINE, separate=False, trial_boot=False)
    return _record(rules, RollbackKind.REFLASH, K, (*states, changes))


def pulled(*states: State, **changes: Any) -> Record:
    """The same with two slots, on a node that asks for its image, and whose loader takes a bad one back."""
    rules = replace(
        _RULES,
        transfer=frozenset({EvidenceKind.CHECKSUM}),
        boot=NAME,
        trial_boot=False,
        keeps_staged=False,
        startable=False,
        reverts=True,
    )
    return _record(rules, RollbackKind.REFLASH, K, (*states, changes))


def mute(*states: State, **changes: Any) -> Record:
    """The same with one slot, and no way to tell that anything boots."""
    return single(*states, boot=frozenset(), **changes)


def dual(*states: State, **changes: Any) -> Record:
    """The same as ``swap`` with two components, ``app`` and ``net``."""
    record = swap(*states, **changes)
    (app,) = record.parts
    return replace(record, parts=(app, replace(app, component=Component("net", image=1))))


def _record(
    rules: Rules, rollback: RollbackKind, known_good: Bytes | None, states: tuple[State, ...]
) -> Record:
    """Changes are fields of the record, of its only part or of its rules, whichever has them."""
    values: dict[str, Any] = {"rollback": rollback, "prepared": True, "known_good": known_good, "before": OLD}
    for state in states:
        values |= state
    for name in [name for name in values if name in Rules.__slots__]:
        rules = replace(rules, **{name: values.pop(name)})
    way = values.pop("known_good")
    part = Part(Component("app"), target(W), values.pop("before"), target(way) if way else None)
    return Record(id=1, node="n", profile="p", parts=(part,), rules=rules, **values)


def slot(firmware: Firmware | None, *, image: int = 0, standby: bool = False, **flags: bool) -> Slot:
    """A slot: the active one, confirmed, unless it is said otherwise."""
    plain = {"active": not standby, "confirmed": not standby}
    return Slot(image, int(standby), firmware, **{**plain, **flags})


def look(
    active: Firmware | None,
    standby: Firmware | None = None,
    *,
    kinds: frozenset[Any] = HASH,
    role: Role = Role.APP,
    pending: bool = False,
    sound: bool = True,
    **flags: Any,
) -> Seen:
    """A node that runs ``active`` and proves it; ``sound`` says that what waits beside it could run."""
    slots = [slot(active, **flags)]
    if standby is not None:
        slots.append(slot(standby, standby=True, pending=pending, bootable=sound))
    proofs = kinds if role is Role.APP else ()
    return Seen(role, tuple(slots), tuple(Evidence(Of.BOOT, kind) for kind in proofs))


def loader(active: Firmware | None, standby: Firmware | None = None, **flags: Any) -> Seen:
    """A node that was found in its loader."""
    return look(active, standby, role=Role.LOADER, **flags)


def both(app: Seen, net: Seen) -> Seen:
    """One look at two components."""
    others = tuple(replace(each, image=1) for each in net.slots)
    return replace(app, slots=(*app.slots, *others))


def hears(active: Firmware | None) -> Seen:
    """A node with one slot that said its line when it booted."""
    return look(active, kinds=LINE)


def silence(seconds: float = 0.0, trouble: Trouble | None = None, role: Role = Role.SILENT) -> Observation:
    """A node that has not answered for so long."""
    return Observation(Seen(role), seconds, trouble=trouble)


def told(step: Step) -> str:
    """A step in words."""
    match step:
        case Transfer(component=component, back=back):
            return f"transfer {component}{' back' if back else ''}"
        case Activate(components=components, back=back, again=again):
            return f"start {'+'.join(components)}{' back' if back else ''}{' again' if again else ''}"
        case CheckHealth(late=late):
            return "check health late" if late else "check health"
        case Confirm(component=component, back=back):
            return f"confirm {component}{' back' if back else ''}"
        case Judge(verdict=verdict, why=why):
            return f"judge {verdict}: {why.code}"
        case TurnBack(why=why):
            return f"back: {why.code}"
        case Finish(outcome=outcome, why=why, rollback=rollback):
            code = f": {why.code}" if why and why.code != outcome else ""
            return f"{outcome}{code}{'' if rollback is RollbackKind.NONE else f' by {rollback}'}"
        case Probe() | Await() | Prepare() | Revert() | Restart():
            return type(step).__name__.lower()
