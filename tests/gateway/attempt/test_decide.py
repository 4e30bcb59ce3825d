"""What comes next, case by case: what the node's owner knows of it, and the step that follows.

The walks prove that no case is missing; these say what each is for.
"""

from dataclasses import replace

import pytest

from flashers.api import Firmware, Role, Seen
from gateway.attempt.decide import decide
from gateway.model.outcomes import CancelReason, Verdict
from gateway.model.records import Bounds, Observation, Record
from tests.gateway.attempt.cases import (
    BACK,
    BUSY,
    CANCEL,
    FRESH,
    GOOD,
    LATE,
    LOST,
    NAMELESS,
    NEW,
    NO,
    NO_WAY,
    OLD,
    OLDER,
    OTHER,
    PASSED,
    REFUSED,
    RESENT,
    RESTARTABLE,
    REVERTED,
    SICK,
    STARTED,
    STARTED_BEFORE,
    SWITCHED,
    TOUCHED,
    both,
    dual,
    hears,
    loader,
    look,
    mute,
    overwrite,
    pulled,
    silence,
    single,
    swap,
    thrice,
    told,
)
from tests.gateway.attempt.world import LINE, NAME, K

C = CancelReason

OLD_RUNS = look(OLD)
STAGED = look(OLD, NEW)
ARMED = look(OLD, NEW, pending=True)
TRIAL = look(NEW, OLD, confirmed=False)
KEPT = look(NEW, OLD)
OLD_ON_TRIAL = look(OLD, NEW, confirmed=False)
HALF = loader(None)

Case = tuple[str, Record, Seen | Observation, str]

# fmt: off
# A case is a line.

BEFORE_THE_START: list[Case] = [
    ("it runs the old firmware", swap(FRESH), OLD_RUNS, "prepare"),
    ("it runs the target already", swap(FRESH), look(NEW), "already-there"),
    ("it has the target, and does not run it", swap(FRESH), loader(NEW), "prepare"),
    ("its target is on trial since before us", swap(FRESH), TRIAL, "prepare"),
    ("it tries somebody else's image", swap(FRESH), look(OTHER, OLD, confirmed=False), "refused: on-trial"),
    ("one that knows no trial is just unconfirmed", overwrite(FRESH),
     look(OTHER, confirmed=False), "prepare"),
    ("a loader says nothing of trials", swap(FRESH), loader(OTHER, OLD, confirmed=False), "prepare"),
    ("half of two components are there", dual(FRESH), both(look(NEW), OLD_RUNS), "prepare"),
    ("both components are there", dual(FRESH), both(look(NEW), look(NEW)), "already-there"),
    ("it holds the target and can never say so", mute(FRESH), loader(NEW), "flashed: boot-not-provable"),
    ("it holds the target and could say so", single(FRESH), loader(NEW), "prepare"),
    ("somebody cancels", swap(FRESH, CANCEL), OLD_RUNS, "cancelled"),
    ("something newer comes", swap(FRESH, cancel=C.SUPERSEDED), OLD_RUNS, "superseded"),
    ("it was not begun in time", swap(FRESH, cancel=C.DEADLINE), OLD_RUNS, "not-reached"),
    ("cancelling beats being there", swap(FRESH, CANCEL), look(NEW), "cancelled"),
    ("preparing failed for now", swap(FRESH, LOST, starts={"prepare": 2}), OLD_RUNS, "prepare"),
    ("preparing failed for good", swap(FRESH, REFUSED), OLD_RUNS, "failed: node-refused"),
    ("and the old one is not proved", swap(FRESH, REFUSED), loader(OLD), "refused: node-refused"),
    ("preparing failed thrice", swap(FRESH, LOST, thrice("prepare")), OLD_RUNS, "failed: link-lost"),
    ("preparing died thrice", swap(FRESH, thrice("prepare")), OLD_RUNS, "failed: no-progress"),
]

IT_DOES_NOT_ANSWER: list[Case] = [
    ("nobody can tell what it is", swap(), silence(role=Role.UNKNOWN), "probe"),
    ("untouched, for a moment", swap(), silence(59.9), "await"),
    ("untouched, for too long", swap(), silence(60.0), "not-reached: node-silent"),
    ("untouched, and the link says why", swap(), silence(60.0, BUSY), "not-reached: link-lost"),
    ("untouched, and it is another node", swap(), silence(0.0, NO), "refused: node-refused"),
    ("untouched, and trouble may pass", swap(), silence(0.0, BUSY), "await"),
    ("untouched and cancelled", swap(CANCEL), silence(), "cancelled"),
    ("untouched and asleep", swap(), silence(1000000.0, role=Role.ASLEEP), "await"),
    ("touched, for a moment", swap(TOUCHED), silence(29.9), "await"),
    ("touched, for too long", swap(TOUCHED), silence(30.0), "wounded: node-silent"),
    ("touched, and the link says why", swap(TOUCHED), silence(30.0, BUSY), "wounded: link-lost"),
    ("touched and asleep", swap(TOUCHED), silence(1000000.0, role=Role.ASLEEP), "await"),
    ("touched, trouble that does not pass", swap(TOUCHED), silence(29.9, NO), "await"),
    ("touched and cancelled", swap(TOUCHED, CANCEL), silence(29.9), "await"),
    ("touched, and we can restart it", swap(TOUCHED, RESTARTABLE), silence(30.0), "restart"),
    ("not yet", swap(TOUCHED, RESTARTABLE), silence(29.9), "await"),
    ("we did restart it", swap(TOUCHED, RESTARTABLE, resets=1), silence(30.0), "wounded: node-silent"),
    ("untouched nodes are not restarted", swap(RESTARTABLE), silence(60.0), "not-reached: node-silent"),
]

TWO_SLOTS: list[Case] = [
    ("nothing of it is there", swap(), OLD_RUNS, "transfer app"),
    ("something else is in its place", swap(), look(OLD, OTHER), "transfer app"),
    ("it is there", swap(), STAGED, "start app"),
    ("it is there, and one start is all it has", swap(bounds=Bounds(starts=1)), STAGED, "start app"),
    ("it is half there", swap(LOST, starts={"transfer:app": 2}), OLD_RUNS, "transfer app"),
    ("sending it failed thrice", swap(thrice("transfer:app"), LOST), OLD_RUNS, "back: link-lost"),
    ("sending it died thrice", swap(thrice("transfer:app")), OLD_RUNS, "back: no-progress"),
    ("another component's sending is its own", dual(thrice("transfer:net")),
     both(OLD_RUNS, OLD_RUNS), "transfer app"),
    ("the node will not have it", swap(REFUSED), OLD_RUNS, "back: node-refused"),
    ("the node will not have it started", swap(REFUSED, STARTED), STAGED, "back: node-refused"),
    ("both images go before either starts", dual(), both(STAGED, OLD_RUNS), "transfer net"),
    ("both are started at once", dual(), both(STAGED, STAGED), "start app+net"),
    ("one is there already", dual(), both(look(NEW), STAGED), "start net"),
    ("one started without the other", dual(STARTED), both(TRIAL, STAGED), "revert"),
    ("and cannot be taken back for it", dual(STARTED, thrice("revert")), both(TRIAL, STAGED), "start net"),
    ("it is armed, and was not started", swap(STARTED), ARMED, "start app again"),
    ("it was armed before we began", swap(), ARMED, "start app"),
    ("it is armed, however often that was tried", swap(TOUCHED, activations=2, starts={"activate": 2}),
     ARMED, "start app again"),
    ("starting it failed thrice", swap(TOUCHED, thrice("activate"), LOST, activations=1),
     ARMED, "back: link-lost"),
    ("it was started and is not running", swap(STARTED), STAGED, "start app"),
    ("it fell silent, and a restart took it back", swap(STARTED, resets=1), STAGED, "back: went-silent"),
    ("it was seen running before that", swap(STARTED, resets=1, tried=True), STAGED, "start app"),
    ("it fell silent before it was ever started", swap(TOUCHED, resets=1), STAGED, "start app"),
    ("no loader takes anything back at a restart", overwrite(STARTED, resets=1), STAGED, "start app"),
    ("that happened twice", swap(TOUCHED, activations=2), STAGED, "back: did-not-stay"),
    ("it was seen running before", swap(TOUCHED, activations=2, tried=True),
     STAGED, "back: reverted-by-reset"),
    ("no loader takes anything back here", overwrite(TOUCHED, activations=2), STAGED, "back: no-progress"),
    ("its slot is empty since it was started", swap(STARTED), OLD_RUNS, "back: image-rejected"),
    ("its slot is empty since we restarted it", swap(STARTED, resets=1), OLD_RUNS, "back: went-silent"),
    ("its slot is empty since it ran", swap(STARTED, tried=True), OLD_RUNS, "transfer app"),
    ("again", swap(TOUCHED, activations=2, tried=True), OLD_RUNS, "back: reverted-by-reset"),
    ("it hung, and was taken back by a recovery", swap(STARTED_BEFORE),
     STAGED, "back: did-not-stay"),
    ("a recovery that started it knows better", swap(STARTED, recovers=1), STAGED, "start app"),
    ("what lies there is known not to run", overwrite(TOUCHED), look(OLD, NEW, sound=False), "transfer app"),
    ("it lies there by a weaker proof", overwrite(TOUCHED),
     look(NEW, kinds=NAME), "flashed: evidence-too-weak"),
    ("and is on trial", swap(TOUCHED, activations=1),
     look(NEW, OLD, kinds=NAME, confirmed=False), "back: evidence-too-weak"),
    ("it lies there, and the loader has it", overwrite(STARTED), loader(NEW), "start app again"),
    ("on trial under another name", swap(STARTED),
     look(OTHER, OLD, confirmed=False), "judge failed: names-another-image"),
    ("on trial under the old name", swap(STARTED),
     look(OLD, OLD, confirmed=False), "judge failed: names-another-image"),
    ("on trial, and somebody took its way back", swap(STARTED),
     look(OTHER, OTHER, confirmed=False), "changed-by-others"),
    ("tried by somebody, under the old name", swap(), OLD_ON_TRIAL, "revert"),
    ("it says the target's digest and another version", swap(TOUCHED, boot=NAME),
     look(replace(NEW, version="7"), kinds=NAME), "flashed: evidence-too-weak"),
]

ONE_SLOT: list[Case] = [
    ("the old one runs", single(), hears(OLD), "transfer app"),
    ("it is half written", single(TOUCHED), HALF, "transfer app"),
    ("sending failed thrice", single(TOUCHED, thrice("transfer:app"), LOST), HALF, "back: link-lost"),
    ("and nothing leads back", single(TOUCHED, thrice("transfer:app"), LOST, known_good=None),
     HALF, "wounded: link-lost"),
    ("a rule forbids the way back", single(TOUCHED, thrice("transfer:app"), NO_WAY),
     HALF, "wounded: no-progress"),
    ("nothing was erased yet", single(TOUCHED, REFUSED, NO_WAY, known_good=None),
     hears(OLD), "back: node-refused"),
    ("the target is in place", single(TOUCHED), loader(NEW), "start app"),
    ("started once", single(TOUCHED, activations=1), loader(NEW), "start app"),
    ("started twice", single(TOUCHED, activations=2), loader(NEW), "judge failed: did-not-boot"),
    ("started, and restarted for its silence", single(TOUCHED, activations=1, resets=1),
     loader(NEW), "judge failed: did-not-boot"),
    ("starts that died", single(TOUCHED, thrice("activate")), loader(NEW), "judge failed: did-not-boot"),
    ("and nothing leads back", single(TOUCHED, NO_WAY, activations=2), loader(NEW), "wounded: did-not-boot"),
    ("the loader knows that it cannot run", single(TOUCHED),
     look(NEW, role=Role.LOADER, bootable=False), "transfer app"),
    ("nobody can know whether it boots", mute(TOUCHED), loader(NEW), "flashed: boot-not-provable"),
    ("what is in the standby slot does not count", single(TOUCHED), loader(None, NEW), "transfer app"),
]

IT_RUNS: list[Case] = [
    ("on trial", swap(STARTED), TRIAL, "check health"),
    ("in place", single(STARTED), hears(NEW), "check health"),
    ("it says its digest, and no version", overwrite(STARTED, boot=NAME),
     look(replace(NEW, version=None), kinds=NAME), "check health"),
    ("it says another version, and its line", overwrite(STARTED, boot=NAME | LINE),
     look(replace(NEW, version="7"), kinds=LINE), "check health"),
    ("asked thrice in vain", swap(TOUCHED, thrice("health"), activations=1),
     TRIAL, "judge failed: no-verdict"),
    ("and nothing leads back", overwrite(TOUCHED, thrice("health"), NO_WAY),
     look(NEW), "wounded: no-verdict"),
    ("well", swap(PASSED), TRIAL, "confirm app"),
    ("well, and kept", swap(PASSED), KEPT, "succeeded"),
    ("one kept, one not", dual(PASSED), both(KEPT, TRIAL), "confirm net"),
    ("keeping it failed thrice", swap(PASSED, thrice("confirm:app"), LOST), TRIAL, "back: link-lost"),
    ("keeping another failed thrice", dual(PASSED, thrice("confirm:net")), both(TRIAL, TRIAL), "confirm app"),
    ("kept, and watched for longer", swap(LATE), KEPT, "check health late"),
    ("watched in vain thrice", swap(LATE, thrice("late-health")), KEPT, "judge failed: no-verdict"),
    ("early checks are not late ones", swap(LATE, thrice("health")), KEPT, "check health late"),
    ("well to the end", swap(LATE, late_verdict=Verdict.PASSED), KEPT, "succeeded"),
    ("sick", swap(STARTED, verdict=Verdict.FAILED, verdict_why=SICK), TRIAL, "back: health-failed"),
    ("sick, and nobody said why", swap(STARTED, verdict=Verdict.FAILED), TRIAL, "back: health-failed"),
    ("sick in the end", swap(LATE, late_verdict=Verdict.FAILED, verdict_why=SICK),
     KEPT, "back: health-failed"),
    ("sick, with no way back", overwrite(STARTED, NO_WAY, verdict=Verdict.FAILED),
     look(NEW), "wounded: no-way-back"),
    ("sick, and gone by itself", swap(STARTED, verdict=Verdict.FAILED, verdict_why=SICK),
     STAGED, "back: health-failed"),
    ("an error from before is forgotten", swap(PASSED, REFUSED), KEPT, "succeeded"),
    ("well, and reverted before it was kept", swap(PASSED, tried=True), STAGED, "start app"),
]

SOMEBODY_ELSE: list[Case] = [
    ("flashed it", swap(), look(OTHER), "changed-by-others"),
    ("flashed it on our way back", swap(BACK), look(OTHER), "changed-by-others"),
    ("flashed one of two", dual(), both(OLD_RUNS, look(OTHER)), "changed-by-others"),
    ("put an image beside", swap(), look(OLD, OTHER), "transfer app"),
    ("flashed what cannot be proved to run", swap(), loader(OTHER), "transfer app"),
    ("flashed what has no name", swap(), look(NAMELESS), "changed-by-others"),
    ("or only names the old version", single(), hears(replace(OLD, identity=None)), "changed-by-others"),
    ("or that is half of ours", swap(TOUCHED), look(NAMELESS), "transfer app"),
    ("or never had one", swap(before=Firmware(version="1")), look(NAMELESS), "transfer app"),
    ("found an empty node before us", swap(before=None), look(OTHER), "transfer app"),
    ("put the known-good there", overwrite(), look(GOOD), "transfer app"),
]

THE_END_IS_ASKED_FOR: list[Case] = [
    ("before anything was sent", swap(CANCEL), OLD_RUNS, "cancelled"),
    ("by something newer", swap(cancel=C.SUPERSEDED), OLD_RUNS, "superseded"),
    ("before anything was sent, in the loader", single(CANCEL), loader(OLD), "cancelled"),
    ("the old one still runs", swap(TOUCHED, CANCEL), STAGED, "cancelled"),
    ("the target is armed", swap(CANCEL, STARTED), ARMED, "back: cancelled"),
    ("the target is on trial", swap(CANCEL, STARTED), TRIAL, "back: cancelled"),
    ("the old one is not kept yet", swap(TOUCHED, CANCEL, SWITCHED), OLD_ON_TRIAL, "back: cancelled"),
    ("half is written", single(TOUCHED, CANCEL), HALF, "back: cancelled"),
    ("half is written and nothing leads back", single(TOUCHED, CANCEL, NO_WAY), HALF, "transfer app"),
    ("nothing is written, and it boots unheard", mute(TOUCHED, CANCEL), loader(OLD), "cancelled"),
    ("it passed already", swap(CANCEL, PASSED), TRIAL, "confirm app"),
    ("one of two is not back", dual(TOUCHED, CANCEL), both(OLD_RUNS, TRIAL), "back: cancelled"),
]

THE_WAY_BACK: list[Case] = [
    ("the target is on trial", swap(BACK), TRIAL, "revert"),
    ("and does not go", swap(BACK, thrice("revert")), TRIAL, "start app back"),
    ("one of two is on trial", dual(BACK), both(STAGED, TRIAL), "revert"),
    ("it calls itself the old one", swap(BACK), look(OLD, OLD, confirmed=False), "revert"),
    ("the target was kept", swap(BACK), KEPT, "start app back"),
    ("both were kept", dual(BACK), both(KEPT, KEPT), "start app+net back"),
    ("one was kept", dual(BACK), both(STAGED, KEPT), "start net back"),
    ("one waits, one has to be sent", dual(BACK, known_good=K), both(KEPT, look(NEW)), "transfer net back"),
    ("starting the old one failed thrice", swap(BACK, thrice("back-activate")), KEPT, "wounded: no-way-back"),
    ("the old one is nowhere", swap(BACK), look(NEW), "wounded: no-way-back"),
    ("the old one is nowhere, nor the target", swap(BACK), HALF, "wounded: half-written"),
    ("the known-good is at hand", overwrite(BACK), look(NEW), "transfer app back"),
    ("sending it failed thrice", overwrite(BACK, thrice("back-transfer:app")),
     look(NEW), "wounded: no-way-back"),
    ("half of it is there", single(BACK, starts={"back-transfer:app": 2}), HALF, "transfer app back"),
    ("half of it, thrice", single(BACK, thrice("back-transfer:app")), HALF, "wounded: half-written"),
    ("it waits in the other slot", overwrite(BACK), look(NEW, GOOD), "start app back"),
    ("with one slot that is no place to wait", single(BACK), loader(NEW, GOOD), "transfer app back"),
    ("the target is armed", swap(BACK), ARMED, "start app back again"),
    ("arming cannot be undone", swap(BACK, thrice("back-activate")), ARMED, "wounded: no-way-back"),
    ("the old one is armed", overwrite(BACK), look(NEW, GOOD, pending=True), "start app back"),
    ("it is there, and does not run", single(BACK), loader(GOOD), "start app back again"),
    ("whatever we do", single(BACK, thrice("back-activate")), loader(GOOD), "wounded: did-not-boot"),
    ("it runs by a weaker proof", overwrite(BACK, thrice("back-activate"), RESENT),
     look(GOOD, kinds=NAME), "flashed: evidence-too-weak by reflash"),
    ("by a weaker proof, and not kept", swap(BACK, thrice("back-activate"), SWITCHED),
     look(OLD, NEW, kinds=NAME, confirmed=False), "wounded: did-not-boot"),
    ("nobody can know whether it boots", mute(BACK, RESENT),
     loader(GOOD), "flashed: health-failed by reflash"),
    ("it runs, and is not kept yet", swap(BACK, SWITCHED), OLD_ON_TRIAL, "confirm app back"),
    ("keeping it failed thrice", swap(BACK, SWITCHED, thrice("back-confirm:app")),
     OLD_ON_TRIAL, "wounded: no-progress"),
    ("it runs", swap(BACK, REVERTED), STAGED, "rolled-back: health-failed by bootloader"),
    ("it says the old digest and another version", swap(BACK, boot=NAME),
     look(replace(OLD, version="7"), kinds=NAME), "start app back again"),
    ("it was sent again", overwrite(BACK, RESENT), look(GOOD), "rolled-back: health-failed by reflash"),
    ("it never left", swap(BACK), STAGED, "failed: health-failed"),
    ("it never left, and nobody can know whether it boots", mute(BACK), loader(OLD), "failed: health-failed"),
    ("it went, and the loader took it back", swap(BACK, tried=True),
     STAGED, "rolled-back: health-failed by bootloader"),
    ("here no loader takes anything back", overwrite(BACK, tried=True), OLD_RUNS, "failed: health-failed"),
    ("somebody put the known-good there", overwrite(BACK), look(GOOD), "rolled-back: health-failed"),
    ("cancelled", swap(BACK, CANCEL, REVERTED), STAGED, "cancelled: health-failed by bootloader"),
    ("something newer came", swap(BACK, REVERTED, cancel=C.SUPERSEDED),
     STAGED, "superseded: health-failed by bootloader"),
    ("cancelled, and it had failed by then", swap(BACK, CANCEL, REVERTED, verdict=Verdict.FAILED),
     STAGED, "rolled-back: health-failed by bootloader"),
]

IT_PULLS: list[Case] = [
    ("it was started, and came back old", pulled(STARTED, activated=True),
     look(OLD, kinds=NAME), "back: did-not-stay"),
    ("and that is its loader's doing", pulled(BACK, tried=True),
     look(OLD, kinds=NAME), "rolled-back: health-failed by bootloader"),
    ("it may never have been told to start", pulled(STARTED), look(OLD, kinds=NAME), "transfer app"),
    ("it waits with it, so it was not started", pulled(STARTED, activated=True),
     look(OLD, NEW, kinds=NAME), "start app"),
    ("and so once more", pulled(STARTED, activated=True, activations=2),
     look(OLD, NEW, kinds=NAME), "back: did-not-stay"),
    ("it counts down", pulled(STARTED, activated=True),
     look(OLD, NEW, kinds=NAME, pending=True), "start app again"),
    ("it ran, and a reset took it back", pulled(STARTED, activated=True, tried=True),
     look(OLD, kinds=NAME), "transfer app"),
    ("its loader takes nothing back", pulled(STARTED, activated=True, reverts=False),
     look(OLD, kinds=NAME), "transfer app"),
    ("again", pulled(TOUCHED, activated=True, reverts=False, activations=2),
     look(OLD, kinds=NAME), "back: did-not-start"),
    ("and it has what it had", pulled(BACK, reverts=False, activations=2),
     look(OLD, kinds=NAME), "failed: health-failed"),
    ("it took the old one, and only says the number that it was offered under", pulled(BACK, RESENT),
     look(GOOD, kinds=frozenset()), "flashed: evidence-too-weak by reflash"),
    ("the same of a target that is older", pulled(STARTED, activated=True),
     look(NEW, kinds=frozenset()), "flashed: evidence-too-weak"),
    ("it will not take the old one", pulled(BACK, error=OLDER),
     look(NEW, kinds=NAME), "wounded: downgrade-refused"),
    ("it will not take a target that is older", pulled(TOUCHED, error=OLDER),
     look(OLD, kinds=NAME), "back: downgrade-refused"),
]

ALL_TURNS_ARE_TAKEN: list[Case] = [
    ("untouched", swap(turns=40), OLD_RUNS, "failed: no-progress"),
    ("one turn is left", swap(turns=39), OLD_RUNS, "transfer app"),
    ("untouched, and nothing proved", swap(turns=40), loader(OLD), "refused: no-progress"),
    ("the old one runs", swap(TOUCHED, turns=40), OLD_RUNS, "failed: no-progress"),
    ("the old one runs again", swap(BACK, REVERTED, turns=40, starts={"back-activate": 1}),
     OLD_RUNS, "rolled-back: health-failed by bootloader"),
    ("nobody can know whether the old one runs", mute(TOUCHED, turns=40), loader(OLD), "failed: no-progress"),
    ("the old one is not kept", swap(BACK, SWITCHED, turns=40), OLD_ON_TRIAL, "wounded: no-progress"),
    ("the target is armed", swap(STARTED, turns=40), ARMED, "wounded: no-progress"),
    ("the target is on trial", swap(STARTED, turns=40), TRIAL, "wounded: no-progress"),
    ("half is written", single(TOUCHED, turns=40), HALF, "wounded: no-progress"),
    ("it is done", swap(PASSED, turns=40), KEPT, "succeeded"),
    ("it is only silent for a moment", swap(TOUCHED, turns=40), silence(1.0), "await"),
    ("it cannot be told", swap(TOUCHED, turns=40), silence(role=Role.UNKNOWN), "probe"),
]
# fmt: on

TABLES = {
    "before the start": BEFORE_THE_START,
    "it does not answer": IT_DOES_NOT_ANSWER,
    "two slots": TWO_SLOTS,
    "one slot": ONE_SLOT,
    "the target runs": IT_RUNS,
    "somebody else": SOMEBODY_ELSE,
    "the end is asked for": THE_END_IS_ASKED_FOR,
    "the way back": THE_WAY_BACK,
    "it pulls": IT_PULLS,
    "all turns are taken": ALL_TURNS_ARE_TAKEN,
}


@pytest.mark.parametrize(
    ("record", "seen", "step"),
    [
        pytest.param(record, seen, step, id=f"{table}: {name}, so: {step}")
        for table, cases in TABLES.items()
        for name, record, seen, step in cases
    ],
)
def test_the_next_step_follows_from_what_is_meant_and_what_is_seen(
    record: Record, seen: Seen | Observation, step: str
) -> None:
    observed = seen if isinstance(seen, Observation) else Observation(seen)
    assert told(decide(record, observed)) == step
