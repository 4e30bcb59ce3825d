"""The gate between staged and started: why a node that has its image is not told to start it yet.

An image that was transferred can wait: overnight, for a window, for somebody's word, or until
all of a site have theirs.  Waiting holds nothing, and what is waited for is asked anew each time,
so a restart, a pause or a stop in between finds the node where it was.  Only the first start is
held here: a node that goes back, or was started once, is brought to its end at once.
"""

from collections.abc import Callable
from dataclasses import replace

from flashers.api import Activation, Reason
from gateway.attempt.ports import NodeType
from gateway.journal.journal import Told
from gateway.model.activation import AT_ONCE, AtOnce, Held, LetGo, When, opens_at, opens_in, parse_when
from gateway.model.outcomes import Direction
from gateway.model.records import Record
from gateway.service.rollout import reasons
from gateway.service.rollout.turns import Turns
from gateway.service.site import Site

_SOON_S = 1.0


class Staging:
    """Asked by an attempt right before it starts its target, and while it waits for that."""

    def __init__(self, site: Site, turns: Turns, drained: Callable[[], Reason | None]) -> None:
        self._site = site
        self._turns = turns
        self._drained = drained

    def gate(self, record: Record) -> Reason | None:
        """Why an attempt that has everything staged may not start it now; None if it may."""
        when = self._when(record)
        if isinstance(when, AtOnce) or _is_on_its_way(record):
            return None
        held = self._turns.held(replace(record, staged=True)) or self._drained()
        if held is not None or record.deployment in self._turns.let_go:
            return held
        now = self._site.clock()
        if isinstance(when, Held):
            return reasons.staged(self._count(record), "", None, record.deployment)
        if not now.synchronised:
            return reasons.no_clock(self._count(record), record.deployment)
        left = opens_in(when, now.unix_ms / 1000)
        if not left:
            return None
        return reasons.staged(
            self._count(record), opens_at(when, now.unix_ms / 1000), left, record.deployment
        )

    def waits(self, record: Record) -> Reason | None:
        """The same for one that has no link; None also if it waits for something else."""
        return self.gate(record) if record.staged else None

    def opens_in(self, record: Record) -> float | None:
        """Seconds after which it is worth asking again; None if the clock does not say."""
        now = self._site.clock()
        if not record.staged or not now.synchronised:
            return None
        left = opens_in(self._when(record), now.unix_ms / 1000)
        return max(_SOON_S, left) if left else None

    async def start(self, deployment: str, by: str) -> tuple[str, ...]:
        """Somebody says that its staged nodes are to be started: these.  Raises as the journal."""
        staged = tuple(sorted({record.node for record in self._staged(deployment)}))
        if deployment not in self._turns.let_go:
            let_go = LetGo(by, self._site.clock())
            told = [Told("rollout.activated", deployment=deployment, data={"by": by, "nodes": list(staged)})]
            await self._site.journal.save_let_go(deployment, let_go, told)
            self._turns.let_go[deployment] = let_go
        return staged

    def _when(self, record: Record) -> When:
        rollout = self._turns.open.get(record.deployment or "")
        return parse_when((rollout.request.policy.activate if rollout is not None else None) or AT_ONCE)

    def _count(self, record: Record) -> tuple[int, int]:
        """How many nodes of its deployment are staged, itself included, and of how many."""
        rollout = self._turns.open.get(record.deployment or "")
        nodes = {each.node for each in rollout.records} if rollout is not None else set()
        staged = {each.node for each in self._staged(record.deployment or "")}
        return len(staged | {record.node}), len(nodes | {record.node})

    def _staged(self, deployment: str) -> list[Record]:
        rollout = self._turns.open.get(deployment)
        return [each for each in rollout.records if each.staged and not each.done] if rollout else []


def refusal(activate: str | None, node_type: NodeType) -> tuple[Reason, ...]:
    """Why such a node cannot be staged and started later, if that is asked."""
    if isinstance(parse_when(activate or AT_ONCE), AtOnce):
        return ()
    if node_type.declaration.activation is Activation.SEPARATE:
        return ()
    return (
        Reason(
            "activates-with-last-byte",
            f"A node of type {node_type.profile.name} starts what it was given with the last byte of it: "
            f"nothing waits for {activate}.",
            "Deploy to such nodes without --activate, at the time that suits.",
        ),
    )


def _is_on_its_way(record: Record) -> bool:
    """Whether it is taken back, ended, or was started before: then it is brought to its end."""
    return record.cancel is not None or record.direction is Direction.BACK or record.activations > 0
