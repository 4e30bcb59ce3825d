"""Sees what is so, hears what is said, and says when the two part.

It knows the script, the nodes' own flashes, and every event as plain JSON: at the
moment that the journal holds it, and again when upstream gets it.  It shares no code
with the engine, and nothing of it is asked what happened: what an event has to mean
for the node is the table of outcomes in the architecture, written down here again.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.years.clock import DAY, HOUR
from tests.years.diary import Diary
from tests.years.plain import OTHER, Holds

ENDS_WITHIN = 30 * HOUR
"""A node that nothing is wrong with has come to the end of its attempt by then."""
BACK_WITHIN = 6 * HOUR
"""A wounded node that answers is being brought back by then."""
TOLD_WITHIN = 2 * HOUR
"""With a broker that takes messages, upstream has all that happened by then."""

BAD_NODES = 2
"""Nodes of a type on which a bad image is tried: the first, and one more if that one ended in doubt."""
TRIES = 3
"""Recoveries of a wounded node, before an operator has to ask."""

OUTCOMES = frozenset(
    (
        "succeeded",
        "already-there",
        "flashed",
        "rolled-back",
        "failed",
        "refused",
        "cancelled",
        "superseded",
        "not-reached",
        "wounded",
        "changed-by-others",
    )
)
UNTOUCHED = frozenset({"refused", "cancelled", "superseded", "not-reached", "failed"})


@dataclass
class NodeFacts:
    """What the oracle remembers of a node."""

    kind: str
    two_slots: bool
    mute: bool
    no_loader: bool = False
    """It can be reached through its own firmware only: where that is dead, nothing helps from here."""
    troubled: set[str] = field(default_factory=set)
    """What is wrong with it now, by the script."""
    calm_since: float = 0.0
    attempt: int | None = None
    deployment: str | None = None
    attempt_since: float = 0.0
    phase: str = ""
    at_begin: str | None = None
    """What it would have started when the attempt began."""
    outcome: str | None = None
    claimed: frozenset[str] = frozenset()
    """What it has to hold by the last that was said of it."""
    tampered: bool = False
    """Somebody else changed it since the last attempt's end."""
    recoveries: int = 0
    ended_at: float = 0.0
    operations: int = -1


@dataclass(frozen=True)
class _End:
    """An attempt that has ended: what is said of it, and what the node holds."""

    node: str
    facts: NodeFacts
    attempt: int
    outcome: str
    holds: Holds
    before: str | None
    want: str | None
    after: str | None
    data: Mapping[str, Any]

    def __str__(self) -> str:
        return f"attempt {self.attempt} ended {self.outcome}"


_FIRMWARES = ("before", "want", "after")


class Oracle:
    """Looks on.  ``look`` opens a node's case; ``named`` gives an image's name for what is told upstream."""

    def __init__(
        self,
        nodes: Mapping[str, NodeFacts],
        look: Callable[[str], Holds],
        named: Callable[[str, str], str],
        diary: Diary,
        clock: Callable[[], float],
    ) -> None:
        self.nodes = dict(nodes)
        self.look = look
        self.named = named
        self.diary = diary
        self.clock = clock
        self.wrong: list[str] = []
        self.checks = 0
        self.outcomes: Counter[str] = Counter()
        self.alarm: Callable[[], None] = lambda: None
        # What holds for the gateway as a whole.
        self.gateway_troubles: set[str] = {"not started"}
        self.gateway_calm_since = 0.0
        self.broker_troubles: set[str] = set()
        self.broker_calm_since = 0.0
        self.waits_for_people: set[str] = set()
        """Deployments that stopped by themselves, or are paused."""
        self.all_paused = False
        self.releases: dict[str, str] = {}
        self.recalled: set[str] = set()
        self.held: set[str] = set()
        # What was said.
        self._held: dict[tuple[int, int], int] = {}
        self._heard: set[tuple[int, int]] = set()
        self._gaps: list[tuple[int, int, int]] = []
        self._newest: tuple[int, int] = (0, 0)
        self._heard_newest: tuple[int, int] = (0, 0)
        self._committed_at: dict[tuple[int, int], float] = {}
        self._states: dict[str, dict[str, Any]] = {}
        self.deployments: dict[str, set[str]] = {}
        # What must not be in any flash: by kind, pieces of eight bytes.
        self._forbidden: dict[str, dict[bytes, str]] = {}
        self.tried_bad: dict[str, set[str]] = {}

    # What the script tells

    def trouble(self, node: str, what: str, *, on: bool) -> None:
        """Something is wrong with a node from now on, or is not any more."""
        facts = self.nodes[node]
        (facts.troubled.add if on else facts.troubled.discard)(what)
        facts.calm_since = self.clock()
        self.diary.note(self.clock(), node, f"{what}{' begins' if on else ' ends'}")

    def gateway_trouble(self, what: str, *, on: bool) -> None:
        """The same for the gateway."""
        (self.gateway_troubles.add if on else self.gateway_troubles.discard)(what)
        self.gateway_calm_since = self.clock()
        self.diary.note(self.clock(), "gateway", f"{what}{' begins' if on else ' ends'}")

    def broker_trouble(self, what: str, *, on: bool) -> None:
        """The same for the broker, and the way to it."""
        (self.broker_troubles.add if on else self.broker_troubles.discard)(what)
        self.broker_calm_since = self.clock()
        self.diary.note(self.clock(), "gateway", f"{what}{' begins' if on else ' ends'}")

    def tampered(self, node: str) -> None:
        """Somebody put another firmware on a node."""
        facts = self.nodes[node]
        facts.tampered = True
        facts.at_begin = self.look(node).boots
        facts.calm_since = self.clock()
        self.diary.note(self.clock(), node, "somebody else flashes it", str(facts.at_begin))

    def forbid(self, kind: str, body: bytes, why: str, allowed: bytes) -> None:
        """These bytes must not reach a node of this kind; ``allowed`` are images that look alike in part."""
        table = self._forbidden.setdefault(kind, {})
        for start in range(len(body) - 7):
            piece = body[start : start + 8]
            if piece not in allowed and len(set(piece)) > 4:
                table[piece] = why

    # What a node's flash sees

    def wrote(self, node: str, address: int, data: bytes) -> None:
        """A program operation is about to be done."""
        facts = self.nodes[node]
        self.checks += 1
        table = self._forbidden.get(facts.kind)
        if table:
            for start in range(0, len(data) - 7, 8):
                why = table.get(data[start : start + 8])
                if why is not None:
                    self.say("P4", node, f"bytes of {why} are written at {address:#x}")
                    return
        if facts.two_slots:
            holds = self.look(node)
            if holds.boots is None:
                self.say("P1", node, f"nothing would start, at a write to {address:#x}: it has two slots")
        elif facts.attempt is None:
            self.say("P1", node, f"written to at {address:#x} while no attempt is open on it")

    # What the journal holds

    def committed(self, text: str) -> None:
        """An event, the moment that the journal holds it."""
        event = json.loads(text)
        now = self.clock()
        identity = event["id"]
        key = (identity["epoch"], identity["sequence"])
        data = event.get("data") or {}
        node = event.get("node")
        what = data.get("outcome") or data.get("phase") or ""
        self.diary.note(
            now,
            node or "gateway",
            event["kind"],
            f"{event.get('attempt') or ''} {what} {data.get('code') or ''}",
        )
        self.checks += 1
        if key <= self._newest:
            self.say("P6", "gateway", f"event {key} comes after {self._newest}")
        elif key[0] == self._newest[0] and key[1] != self._newest[1] + 1:
            self.say("P6", "gateway", f"event {key} leaves a gap after {self._newest}")
        self._newest = key
        self._held[key] = _print_of(event["kind"], node, event.get("attempt"), data)
        self._committed_at[key] = now
        match event["kind"]:
            case "attempt.phase" if node is not None:
                self._phase(node, event["attempt"], event.get("deployment"), data)
            case "attempt.done" if node is not None:
                self._done(node, event["attempt"], data)
            case "deployment.accepted":
                self.deployments[event["deployment"]] = set(data.get("nodes", ()))
                self.releases[event["deployment"]] = str(data.get("release"))
                self._check_release(event["deployment"], str(data.get("release")), str(data.get("trust")))
            case "deployment.done":
                self._deployment_done(event["deployment"], data)
            case "rollout.stopped" | "rollout.paused" | "rollout.resumed":
                self._rollout(event["kind"], event.get("deployment"))
            case "release.held" | "release.unheld":
                (self.held.add if event["kind"] == "release.held" else self.held.discard)(
                    str(data["release"])
                )
                self.gateway_calm_since = now
            case "release.recalled":
                self.recalled.add(str(data["release"]))
            case _:
                pass

    def _rollout(self, kind: str, deployment: str | None) -> None:
        """Whether it waits for a person; with a resume, everybody has their time anew."""
        if deployment is None:
            self.all_paused = kind == "rollout.paused"
        elif kind == "rollout.resumed":
            self.waits_for_people.discard(deployment)
        else:
            self.waits_for_people.add(deployment)
        self.gateway_calm_since = self.clock()

    def _may_begin(self, deployment: str | None) -> str | None:
        """Why no node may be begun with a deployment at this moment."""
        release = self.releases.get(deployment or "", "")
        if self.all_paused or deployment in self.waits_for_people:
            return "is paused, or has stopped"
        if release in self.held | self.recalled:
            return f"has {release}, which is held or recalled"
        return None

    def _phase(self, node: str, attempt: int, deployment: str | None, data: Mapping[str, Any]) -> None:
        facts, now = self.nodes[node], self.clock()
        if data.get("phase") == "transferring" and facts.outcome != "wounded":
            why = self._may_begin(deployment) if deployment is not None else None
            if why is not None and facts.phase in ("queued", "waiting", "preparing"):
                self.say("P7", node, f"attempt {attempt} touches it, and {deployment} {why}")
        if facts.attempt != attempt:
            if facts.attempt is None or attempt > facts.attempt:
                if facts.attempt is None:
                    facts.at_begin = self.look(node).boots
                facts.attempt, facts.attempt_since, facts.deployment = attempt, now, deployment
            else:
                return
        facts.phase = str(data.get("phase"))

    def _done(self, node: str, attempt: int, data: Mapping[str, Any]) -> None:
        facts, now = self.nodes[node], self.clock()
        outcome = str(data["outcome"])
        if outcome not in OUTCOMES:
            self.say("P2", node, f"attempt {attempt} ended {outcome!r}, which is not in the closed list")
        self.outcomes[outcome] += 1
        holds = self.look(node)
        if facts.attempt != attempt:
            facts.at_begin = holds.boots  # it ended as it began, in one moment
        before, want, after = (self._image(facts.kind, data.get(name)) for name in _FIRMWARES)
        self._judge(_End(node, facts, attempt, outcome, holds, before, want, after, data))
        if facts.attempt is None or attempt >= facts.attempt:
            facts.attempt, facts.phase = None, ""
        never = outcome in ("refused", "not-reached", "superseded", "cancelled") and not data.get(
            "bytes_sent"
        )
        # A recovery had to do with the node, whatever it sent.
        never = never and data.get("origin") != "recovery"
        if outcome == "wounded":
            facts.recoveries = facts.recoveries + 1 if data.get("origin") == "recovery" else 0
            facts.outcome, facts.claimed = outcome, frozenset()
        elif not never or facts.outcome is None:
            facts.outcome = outcome
            facts.recoveries = 0
            facts.claimed = frozenset() if holds.boots is None else frozenset({holds.boots})
            facts.tampered = False
        facts.ended_at = now
        if want is not None and self.bad_name(want) and data.get("bytes_sent"):
            self._count_bad(want, node)

    def _judge(self, end: "_End") -> None:
        """The table of outcomes, row by row."""
        match end.outcome:
            case "succeeded" | "already-there":
                self._judge_there(end)
            case "flashed":
                goes_back = end.data.get("rollback") not in (None, "none")
                if end.holds.boots == OTHER if goes_back else end.holds.boots != end.want:
                    self.say("P2", end.node, f"{end} with {end.want}, and it holds {end.holds.boots}")
            case "rolled-back":
                self._judge_back(end)
            case "changed-by-others":
                if not end.facts.tampered and end.holds.boots in (end.before, end.want):
                    self.say("P2", end.node, f"{end}, and it holds {end.holds.boots}")
            case outcome if outcome in UNTOUCHED:
                self._judge_untouched(end)
            case _:
                pass  # wounded may be whatever it is

    def _judge_there(self, end: "_End") -> None:
        node, want, holds = end.node, end.want, end.holds
        if holds.boots != want:
            self.say("P2", node, f"{end} with {want}, and a start would bring up {holds.boots}")
        elif holds.powered and holds.runs not in (want, None):
            self.say("P2", node, f"{end} with {want}, and {holds.runs} runs")
        elif not holds.stays and end.outcome == "succeeded":
            self.say("P2", node, f"{end}, and {want} would not stay")
        if end.outcome == "already-there":
            if end.data.get("bytes_sent"):
                self.say("P2", node, f"{end} after {end.data['bytes_sent']} bytes")
            return
        if not _proves_boot(end.data):
            self.say("P2", node, f"{end} without evidence of a boot: {end.data.get('evidence')}")
        if want is not None and self.bad_name(want):
            self.say("P2", node, f"{end}, and {want} is not well")

    def _judge_back(self, end: "_End") -> None:
        node, holds = end.node, end.holds
        if holds.boots is None or holds.boots != end.after:
            self.say("P3", node, f"{end} to {end.after}, and a start would bring up {holds.boots}")
        elif holds.boots == end.want and end.before != end.want:
            self.say("P3", node, f"{end}, and it still has {end.want}")
        elif not holds.stays and holds.powered and holds.runs is not None:
            self.say("P3", node, f"{end} to {end.after}, and that would not stay")

    def _judge_untouched(self, end: "_End") -> None:
        facts, boots, sent = end.facts, end.holds.boots, end.data.get("bytes_sent")
        if facts.outcome == "wounded":
            return  # it comes to itself when it likes, and is looked after
        if boots is None:
            self.say("P1", end.node, f"{end}, and nothing would start")
        elif not sent and boots != facts.at_begin:
            self.say("P2", end.node, f"{end} untouched, and {facts.at_begin} became {boots}")
        elif sent and boots == end.want and boots not in (end.before, facts.at_begin):
            self.say("P2", end.node, f"{end}, and a start would bring up {boots}")

    def _image(self, kind: str, told: Any) -> str | None:
        """The name of what an event names for the only component."""
        if not isinstance(told, Mapping) or not told.get("app"):
            return None
        digest = told["app"].get("digest")
        return None if digest is None else self.named(kind, digest)

    def _check_release(self, deployment: str, release: str, trust: str) -> None:
        if not trust.startswith("signed by"):
            self.say("P4", "gateway", f"{deployment} was taken with {release}, which is {trust}")

    def _deployment_done(self, deployment: str, data: Mapping[str, Any]) -> None:
        counted = sum(data.get("outcomes", {}).values())
        chosen = self.deployments.get(deployment)
        if chosen is not None and counted != len(chosen):
            self.say("P5", "gateway", f"{deployment} is done for {counted} of its {len(chosen)} nodes")

    # What a bad release may do

    def bad_name(self, image: str) -> bool:
        """Whether an image is bad in itself: its name says how."""
        return image.count(" ") > 1

    def _count_bad(self, image: str, node: str) -> None:
        """One node, proved first: a bad image goes no further, but where that one said nothing."""
        tried = self.tried_bad.setdefault(image, set())
        tried.add(node)
        if len(tried) > BAD_NODES:
            self.say(
                "P7", node, f"{image} was tried on {len(tried)} nodes, and at most {BAD_NODES} were to be"
            )

    # What upstream hears

    def heard(self, topic: str, message: Mapping[str, Any], retained: bool) -> None:
        """A message as upstream got it; it may have got it before."""
        self.checks += 1
        if topic.startswith("node/"):
            self._states[message["node"]] = dict(message)
            return
        if topic != "event":
            return
        key = (message["epoch"], message["sequence"])
        data = message.get("data") or {}
        if message["kind"] == "journal.gap":
            self._gaps.append((key[0], data["first"], data["last"]))
            return
        held = self._held.get(key)
        if held is None:
            self.say("P6", "gateway", f"upstream heard of {key}, {message['kind']}, which no journal held")
        elif held != _print_of(message["kind"], message.get("node"), message.get("attempt"), data):
            self.say("P6", "gateway", f"upstream heard of {key} otherwise than the journal held it")
        if key not in self._heard:
            if key < self._heard_newest:
                self.say("P6", "gateway", f"upstream heard of {key} after {self._heard_newest}")
            self._heard_newest = max(self._heard_newest, key)
            self._heard.add(key)

    # At rest

    def sweep(self, operations: Callable[[str], int]) -> None:
        """Look at everything that has had time to settle."""
        now = self.clock()
        calm_gateway = not self.gateway_troubles and now - self.gateway_calm_since
        for name, facts in self.nodes.items():
            if facts.troubled or not calm_gateway:
                continue
            calm = min(now - facts.calm_since, calm_gateway)
            if facts.attempt is not None:
                begun = now - max(facts.attempt_since, facts.calm_since, self.gateway_calm_since)
                if begun > ENDS_WITHIN and self._may_begin(facts.deployment) is None:
                    self.say(
                        "P5", name, f"attempt {facts.attempt} is {facts.phase} after {begun / HOUR:.1f} h"
                    )
            elif facts.outcome == "wounded":
                if min(calm, now - facts.ended_at) > BACK_WITHIN and not self._excused(name, facts):
                    self.say("P1", name, f"wounded, and left so for {calm / HOUR:.1f} h")
            elif operations(name) != facts.operations:
                self._settled(name, facts)
                facts.operations = operations(name)
        self._all_told(now)

    def _excused(self, name: str, facts: NodeFacts) -> bool:
        """Whether bringing it back is a person's to do: tried often enough, or nothing on it would answer."""
        if facts.recoveries >= TRIES:
            return True
        boots = self.look(name).boots or ""
        return facts.no_loader and boots.endswith((" hangs", " crashes"))

    def _settled(self, name: str, facts: NodeFacts) -> None:
        """A node on which nothing goes on holds what was last said of it."""
        self.checks += 1
        holds = self.look(name)
        if facts.tampered:
            return
        if holds.boots is None:
            self.say("P1", name, "nothing would start, no attempt is open, and it is not wounded")
        elif facts.claimed and holds.boots not in facts.claimed:
            self.say(
                "P1", name, f"would start {holds.boots}, and {set(facts.claimed)} was the last that was said"
            )

    def _all_told(self, now: float) -> None:
        if self.broker_troubles or self.gateway_troubles:
            return
        if now - max(self.broker_calm_since, self.gateway_calm_since) < TOLD_WITHIN:
            return
        for key in [key for key, at in self._committed_at.items() if now - at > TOLD_WITHIN]:
            del self._committed_at[key]
            if key in self._heard or any(e == key[0] and a <= key[1] <= b for e, a, b in self._gaps):
                continue
            self.say("P6", "gateway", f"upstream never heard of event {key}")
        for name, facts in self.nodes.items():
            state = self._states.get(name)
            if facts.attempt is not None or facts.outcome is None or now - facts.ended_at < TOLD_WITHIN:
                continue
            self.checks += 1
            wounded = state is not None and state.get("state") == "wounded"
            if state is None or wounded != (facts.outcome == "wounded"):
                said = state.get("state") if state is not None else "nothing"
                self.say("P6", name, f"its retained state says {said}, and it ended {facts.outcome}")

    def wounded(self) -> list[str]:
        """The nodes that were reported so."""
        return [name for name, facts in self.nodes.items() if facts.outcome == "wounded"]

    def open(self) -> list[str]:
        """The nodes on which an attempt is open."""
        return [name for name, facts in self.nodes.items() if facts.attempt is not None]

    def told(self) -> int:
        """How many events upstream has."""
        return len(self._heard)

    # Saying so

    def say(self, promise: str, who: str, text: str) -> None:
        """Something is not as promised."""
        line = f"{promise} day {self.clock() / DAY:.4f} {who}: {text}"
        self.diary.note(self.clock(), who, "WRONG", f"{promise} {text}")
        if len(self.wrong) < 20:
            self.wrong.append(line)
        self.alarm()


def _print_of(kind: str, node: Any, attempt: Any, data: Mapping[str, Any]) -> int:
    """A fingerprint of what an event says in the first place."""
    return hash((kind, node, attempt, data.get("phase"), data.get("outcome"), data.get("code") or ""))


def _proves_boot(data: Mapping[str, Any]) -> bool:
    return any(
        piece.get("of") == "boot" and piece.get("kind") != "none" for piece in data.get("evidence") or ()
    )
