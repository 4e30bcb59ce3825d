"""The worlds that attempts are walked through."""

from flashers.api import RollbackKind
from gateway.model.records import Rules
from tests.gateway.attempt.model import Bytes, Chip, Life, Node, Place, Trait
from tests.gateway.attempt.world import HASH, LINE, NAME, READ, B, K, W, World


def _rules(chip: Chip, **more: object) -> Rules:
    kinds: dict[str, object] = {"transfer": HASH, "boot": HASH}
    if chip.slots == 1 and chip.probe_restarts:
        kinds = {"transfer": READ, "boot": LINE}
    kinds |= {"separate": chip.slots == 2, "trial_boot": chip.trial, "no_rollback": "allow"} | more
    return Rules(**kinds)  # type: ignore[arg-type]


SWAP = Chip(trial=True)
FORGETS = Chip(trial=True, forgets=True)
DUAL = Chip(trial=True, components=2)
OVERWRITE = Chip(overwrites=True)
CHOOSES = Chip()
XIP = Chip(highest=True)
XIP_REVERT = Chip(highest=True, trial=True, erases=True)
OPTIBOOT = Chip(slots=1, probe_restarts=True)
RECOVERY = Chip(slots=1)
PULLS = Chip(pulls=True)
BY_PIN = Chip(slots=1, loader_catches=True)

_NEW = (Node((Place(B),)),)
_DONE = Node((Place(W, B),))
_LEFT = Node((Place(B, W),))
_ARMED = Node((Place(B, W, pending=True),))
_STARTED = Node((Place(W, B, confirmed=False),))
_ONE = (*_NEW, Node((Place(W),)), Node((Place(Bytes.HALF),), Life.LOADER))

_TRIED = (
    Trait.HEALTHY,
    Trait.UNHEALTHY,
    Trait.STOPS,
    Trait.CRASHES,
    Trait.HANGS,
    Trait.REJECTED,
    Trait.EARLY,
    Trait.LIES,
    Trait.POSES,
    Trait.MUTE,
)
_KEPT = (
    Trait.HEALTHY,
    Trait.UNHEALTHY,
    Trait.STOPS,
    Trait.CRASHES,
    Trait.REJECTED,
    Trait.LIES,
    Trait.POSES,
    Trait.MUTE,
)
"""Without a trial an image that hangs is one that crashes, and none can confirm itself."""
_READ = (Trait.HEALTHY, Trait.UNHEALTHY, Trait.STOPS, Trait.CRASHES, Trait.REJECTED, Trait.MUTE)
"""Whoever has its flash read cannot lie."""
_LATE = (Trait.HEALTHY, Trait.FADES, Trait.STOPS)
_UNPROVABLE = (Trait.HEALTHY, Trait.REJECTED)

_PULLED = {"transfer": NAME, "boot": NAME, "keeps_staged": False, "startable": False}

R = RollbackKind

WORLDS = (
    World("swap", SWAP, R.BOOTLOADER, _rules(SWAP), None, (*_NEW, _DONE, _STARTED, _LEFT, _ARMED), _TRIED),
    World(
        "swap, restartable",
        SWAP,
        R.BOOTLOADER,
        _rules(SWAP, restartable=True),
        traits=(Trait.HEALTHY, Trait.UNHEALTHY, Trait.STOPS, Trait.HANGS, Trait.EARLY),
    ),
    World(
        "swap, boot proved by version",
        SWAP,
        R.BOOTLOADER,
        _rules(SWAP, boot=NAME),
        traits=(Trait.HEALTHY, Trait.LIES),
    ),
    World("swap, late soak", SWAP, R.BOOTLOADER, _rules(SWAP, soak_after=9.0), traits=_LATE),
    World("swap that forgets", FORGETS, R.BOOTLOADER, _rules(FORGETS, soak_after=9.0), traits=(Trait.FADES,)),
    World(
        "swap that forgets, known-good",
        FORGETS,
        R.BOOTLOADER,
        _rules(FORGETS, soak_after=9.0),
        K,
        traits=(Trait.FADES,),
    ),
    World("overwrite", OVERWRITE, R.REFLASH, _rules(OVERWRITE), K, (*_NEW, _DONE, _LEFT, _ARMED), _KEPT),
    World("overwrite, no way back", OVERWRITE, R.NONE, _rules(OVERWRITE, restartable=True), traits=_KEPT),
    World(
        "slot switch",
        CHOOSES,
        R.SLOT_SWITCH,
        _rules(CHOOSES, restartable=True),
        None,
        (*_NEW, _DONE, _LEFT, _ARMED),
        _KEPT,
    ),
    World("direct-xip, no way back", XIP, R.NONE, _rules(XIP), None, (*_NEW, _DONE, _ARMED), _KEPT),
    World(
        "direct-xip with revert", XIP_REVERT, R.BOOTLOADER, _rules(XIP_REVERT), None, (*_NEW, _DONE), _TRIED
    ),
    World("one slot", OPTIBOOT, R.REFLASH, _rules(OPTIBOOT), K, _ONE, _READ),
    World(
        "one slot, restored",
        OPTIBOOT,
        R.RESTORE,
        _rules(OPTIBOOT),
        traits=(Trait.HEALTHY, Trait.UNHEALTHY, Trait.CRASHES),
    ),
    World("one slot, no way back", OPTIBOOT, R.NONE, _rules(OPTIBOOT), None, _ONE, _READ),
    World(
        "one slot, no boot proof",
        OPTIBOOT,
        R.REFLASH,
        _rules(OPTIBOOT, boot=frozenset()),
        K,
        _ONE,
        _UNPROVABLE,
    ),
    World(
        "one slot, no boot proof, no way back",
        OPTIBOOT,
        R.NONE,
        _rules(OPTIBOOT, boot=frozenset()),
        None,
        _ONE,
        _UNPROVABLE,
    ),
    World(
        "one slot, named by version",
        OPTIBOOT,
        R.REFLASH,
        _rules(OPTIBOOT, transfer=NAME, boot=NAME),
        K,
        traits=(Trait.HEALTHY, Trait.CRASHES, Trait.LIES),
    ),
    World("serial recovery", RECOVERY, R.REFLASH, _rules(RECOVERY), K, _ONE[:2], _KEPT),
    World("serial recovery by pin", BY_PIN, R.REFLASH, _rules(BY_PIN, restartable=True), K, traits=_KEPT),
    World("serial recovery, no way back", RECOVERY, R.NONE, _rules(RECOVERY), traits=_KEPT),
    World(
        "pulled",
        PULLS,
        R.REFLASH,
        _rules(PULLS, **_PULLED, reverts=True),
        K,
        (*_NEW, Node((Place(W),)), _LEFT, _ARMED),
        _KEPT,
    ),
    World("pulled, reverts unsaid", PULLS, R.REFLASH, _rules(PULLS, **_PULLED), K, traits=_KEPT),
    World("pulled, no way back", PULLS, R.NONE, _rules(PULLS, **_PULLED, reverts=True), traits=_KEPT),
    World(
        "two components",
        DUAL,
        R.BOOTLOADER,
        _rules(DUAL),
        None,
        (Node((Place(B), Place(B))), Node((Place(W, B), Place(B)))),
        (Trait.HEALTHY, Trait.UNHEALTHY, Trait.CRASHES, Trait.REJECTED, Trait.EARLY),
    ),
)
