"""The oracle notices: for each promise a world, or a stream of events, in which it is broken."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.years.clock import DAY, HOUR
from tests.years.diary import Diary
from tests.years.oracle import NodeFacts, Oracle
from tests.years.plain import Holds

OLD, NEW, SICK = "relay 1.0.0", "relay 1.1.0", "relay 1.2.0 unhealthy"
DIGESTS = {"sha256:0": OLD, "sha256:1": NEW, "sha256:2": SICK}


class Scene:
    """Two nodes, a gateway that says what a test makes it say, and the oracle."""

    def __init__(self) -> None:
        self.now = 0.0
        self.holds = {name: Holds(OLD, OLD, True, True) for name in ("one", "two")}
        facts = {"one": NodeFacts("relay", False, False), "two": NodeFacts("relay", True, False)}
        self.oracle = Oracle(
            facts,
            lambda name: self.holds[name],
            lambda _, told: DIGESTS.get(told, "(unknown)"),
            Diary(),
            lambda: self.now,
        )
        self.oracle.gateway_trouble("not started", on=False)
        self.sequence = 0
        self.operations = 0

    def says(self, kind: str, *, heard: bool = True, **more: Any) -> dict[str, Any]:
        """The gateway writes an event, and upstream hears it."""
        self.sequence += 1
        event: dict[str, Any] = {"kind": kind, "at": None, "node": None, "attempt": None, **more}
        identity = {"gateway": "gw", "epoch": 1, "sequence": self.sequence}
        self.oracle.committed(json.dumps({"id": identity, **event}))
        message = {"epoch": 1, "sequence": self.sequence, **event}
        if heard:
            self.oracle.heard("event", message, False)
        return message

    def phase(self, phase: str, node: str = "one", attempt: int = 1, deployment: str = "d") -> None:
        """An attempt enters a phase."""
        self.says("attempt.phase", node=node, attempt=attempt, deployment=deployment, data={"phase": phase})

    def done(self, outcome: str, node: str = "one", attempt: int = 1, want: int = 1, **data: Any) -> None:
        """An attempt ends."""
        said = {
            "outcome": outcome,
            "before": _app(0),
            "want": _app(want),
            "after": data.pop("after", _app(want)),
            "bytes_sent": data.pop("bytes_sent", 300),
            "evidence": data.pop("evidence", [{"of": "boot", "kind": "version"}]),
            "rollback": data.pop("rollback", "none"),
            **data,
        }
        self.says("attempt.done", node=node, attempt=attempt, deployment="d", data=said)

    def runs(self, image: str | None, node: str = "one", *, stays: bool = True) -> None:
        """The node really runs that."""
        self.operations += 1
        self.holds[node] = Holds(image, image, stays, True)

    def later(self, seconds: float) -> None:
        """Time passes, and everybody is looked at."""
        self.now += seconds
        self.oracle.sweep(lambda _: self.operations)


def _app(number: int) -> dict[str, Any]:
    return {"app": {"version": "1", "digest": f"sha256:{number}"}}


def _honest(scene: Scene) -> None:
    scene.phase("preparing")
    scene.phase("transferring")
    scene.runs(NEW)
    scene.done("succeeded")
    scene.oracle.heard("node/one", {"node": "one", "state": "ok"}, True)
    scene.later(5 * DAY)


def test_nothing_is_said_against_a_gateway_that_is_honest() -> None:
    scene = Scene()
    _honest(scene)
    assert scene.oracle.wrong == []


def _says_succeeded_too_early(scene: Scene) -> None:
    scene.phase("transferring")
    scene.done("succeeded")


def _says_succeeded_without_evidence(scene: Scene) -> None:
    scene.runs(NEW)
    scene.done("succeeded", evidence=[])


def _says_succeeded_of_what_will_not_stay(scene: Scene) -> None:
    scene.runs(NEW, stays=False)
    scene.done("succeeded")


def _says_succeeded_of_a_sick_image(scene: Scene) -> None:
    scene.runs(SICK)
    scene.done("succeeded", want=2)


def _invents_an_outcome(scene: Scene) -> None:
    scene.done("nearly")


def _says_flashed_of_other_bytes(scene: Scene) -> None:
    scene.done("flashed")


def _says_already_there_after_sending(scene: Scene) -> None:
    scene.runs(NEW)
    scene.done("already-there", bytes_sent=7)


def _says_untouched_of_a_changed_node(scene: Scene) -> None:
    scene.phase("queued")
    scene.runs(NEW)
    scene.done("refused", bytes_sent=0)


def _says_rolled_back_and_is_not(scene: Scene) -> None:
    scene.phase("transferring")
    scene.runs(NEW)
    scene.done("rolled-back", after=_app(0), rollback="reflash")


def _says_rolled_back_to_another(scene: Scene) -> None:
    scene.phase("transferring")
    scene.done("rolled-back", after=_app(1), rollback="reflash")


def _leaves_a_node_half_written(scene: Scene) -> None:
    scene.phase("transferring")
    scene.runs(None)
    scene.done("failed")


def _empties_a_node_with_two_slots(scene: Scene) -> None:
    scene.phase("transferring", node="two")
    scene.holds["two"] = Holds(None, None, False, True)
    scene.oracle.wrote("two", 0, b"anything")


def _writes_without_an_attempt(scene: Scene) -> None:
    scene.oracle.wrote("one", 0, b"anything")


def _changes_a_node_behind_its_claim(scene: Scene) -> None:
    _honest(scene)
    scene.runs(OLD)
    scene.later(5 * DAY)


def _forgets_a_wounded_node(scene: Scene) -> None:
    scene.phase("transferring")
    scene.runs(None)
    scene.done("wounded")
    scene.oracle.heard("node/one", {"node": "one", "state": "wounded"}, True)
    scene.later(5 * DAY)


def _writes_what_is_not_signed(scene: Scene) -> None:
    scene.phase("transferring")
    body = bytes(range(200))
    scene.oracle.forbid("relay", body, "an unsigned image", b"")
    scene.oracle.wrote("one", 0, body[40:72])


def _takes_a_release_without_trust(scene: Scene) -> None:
    data = {"release": "x:1", "nodes": ["one"], "trust": "unsigned, allowed by configuration"}
    scene.says("deployment.accepted", deployment="d", data=data)


def _never_ends(scene: Scene) -> None:
    scene.phase("queued")
    scene.later(3 * DAY)


def _drops_nodes_of_a_deployment(scene: Scene) -> None:
    data = {"release": "x:1", "nodes": ["one", "two"], "trust": "signed by owner"}
    scene.says("deployment.accepted", deployment="d", data=data)
    scene.says("deployment.done", deployment="d", data={"outcomes": {"succeeded": 1}})


def _loses_an_event(scene: Scene) -> None:
    scene.says("release.added", heard=False, data={})
    scene.later(1 * HOUR)
    scene.later(4 * HOUR)


def _leaves_a_number_out(scene: Scene) -> None:
    scene.says("release.added", data={})
    scene.sequence += 1
    scene.says("release.added", data={})


def _uses_a_number_twice(scene: Scene) -> None:
    scene.says("release.added", data={})
    scene.sequence -= 1
    scene.says("release.added", data={})


def _tells_in_another_order(scene: Scene) -> None:
    first = scene.says("release.added", heard=False, data={})
    scene.says("release.added", data={})
    scene.oracle.heard("event", first, False)


def _tells_another_story(scene: Scene) -> None:
    told = scene.says("attempt.phase", heard=False, node="one", attempt=1, data={"phase": "queued"})
    scene.oracle.heard("event", {**told, "data": {"phase": "proving"}}, False)


def _tells_what_never_was(scene: Scene) -> None:
    scene.oracle.heard("event", {"epoch": 1, "sequence": 9, "kind": "release.added"}, False)


def _keeps_a_state_old(scene: Scene) -> None:
    scene.oracle.heard("node/one", {"node": "one", "state": "ok"}, True)
    scene.phase("transferring")
    scene.runs(None)
    scene.oracle.trouble("one", "unplugged", on=True)
    scene.done("wounded")
    scene.later(5 * DAY)


def _spreads_a_bad_release(scene: Scene) -> None:
    for number, node in enumerate(("one", "two", "three"), 1):
        scene.oracle.nodes.setdefault(node, NodeFacts("relay", False, False))
        scene.holds.setdefault(node, Holds(OLD, OLD, True, True))
        scene.done("rolled-back", node=node, attempt=number, want=2, after=_app(0), rollback="reflash")


def _begins_while_it_is_paused(scene: Scene) -> None:
    scene.phase("queued")
    scene.says("rollout.paused", deployment=None, data={"by": "somebody"})
    scene.phase("preparing")
    scene.phase("transferring")


BROKEN: list[tuple[str, Callable[[Scene], None]]] = [
    ("P2", _says_succeeded_too_early),
    ("P2", _says_succeeded_without_evidence),
    ("P2", _says_succeeded_of_what_will_not_stay),
    ("P2", _says_succeeded_of_a_sick_image),
    ("P2", _invents_an_outcome),
    ("P2", _says_flashed_of_other_bytes),
    ("P2", _says_already_there_after_sending),
    ("P2", _says_untouched_of_a_changed_node),
    ("P3", _says_rolled_back_and_is_not),
    ("P3", _says_rolled_back_to_another),
    ("P1", _leaves_a_node_half_written),
    ("P1", _empties_a_node_with_two_slots),
    ("P1", _writes_without_an_attempt),
    ("P1", _changes_a_node_behind_its_claim),
    ("P1", _forgets_a_wounded_node),
    ("P4", _writes_what_is_not_signed),
    ("P4", _takes_a_release_without_trust),
    ("P5", _never_ends),
    ("P5", _drops_nodes_of_a_deployment),
    ("P6", _loses_an_event),
    ("P6", _leaves_a_number_out),
    ("P6", _uses_a_number_twice),
    ("P6", _tells_in_another_order),
    ("P6", _tells_another_story),
    ("P6", _tells_what_never_was),
    ("P6", _keeps_a_state_old),
    ("P7", _spreads_a_bad_release),
    ("P7", _begins_while_it_is_paused),
]


@pytest.mark.parametrize(("promise", "breaks"), BROKEN, ids=lambda each: getattr(each, "__name__", each))
def test_a_broken_promise_is_noticed(promise: str, breaks: Callable[[Scene], None]) -> None:
    scene = Scene()
    breaks(scene)
    assert [line for line in scene.oracle.wrong if line.startswith(promise)], scene.oracle.wrong
