"""Gateways, one node and one broker as values, so that every order of events can be walked.

The broker hands each subscriber everything in the order in which it took it, and keeps the
last word of each gateway.  A gateway may die between any two steps: then it has what its
journal has, and nothing of what was under way to it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from gateway.model.radio import Claim, Kept, Stand
from gateway.service.radio.ownership import Around, current, decide, hand_over, hear, take_over

Message = tuple[str, Claim | None]
"""Who says it and what; None for a mark, which is one's own."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway: what its journal has, and what is under way to it."""

    name: str
    kept: Kept = field(default_factory=Kept)
    wanted: bool = True
    inbox: tuple[Message, ...] = ()
    online: bool = False
    marked: bool = False
    echoed: int = -1
    told: int = -1
    """The revision that the broker was told in this connection."""

    @property
    def owns(self) -> bool:
        """Whether it would act on the node."""
        return self.kept.mine.stand is Stand.HAS and current(self.name, self.kept).owner == self.name

    def key(self) -> object:
        """The same for the same state."""
        others = tuple(sorted(self.kept.others.items(), key=str))
        here = (self.online, self.marked, self.echoed, self.told)
        return (self.kept.mine, others, self.wanted, self.inbox, here)

    @property
    def read(self) -> bool:
        """Whether everybody's word was read, and ours by everybody."""
        mine = self.kept.mine.revision
        return self.marked and (not mine or self.echoed == mine)


@dataclass(frozen=True, slots=True)
class Site:
    """All of them, and what the broker keeps; ``left`` bounds what may go wrong or be asked."""

    gateways: tuple[Gateway, ...]
    retained: Mapping[str, Claim] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)

    def key(self) -> object:
        """The same for the same state."""
        return (
            tuple(each.key() for each in self.gateways),
            tuple(sorted(self.retained.items(), key=str)),
            tuple(sorted(self.left.items())),
        )

    def steps(self) -> Iterator[tuple[str, "Site"]]:
        """Everything that may happen next."""
        for index, gateway in enumerate(self.gateways):
            yield from self._own_steps(index, gateway)
            yield from self._people(index, gateway)

    def _own_steps(self, index: int, gateway: Gateway) -> Iterator[tuple[str, "Site"]]:
        name = gateway.name
        word = decide(name, gateway.kept, Around(wanted=gateway.wanted, read=gateway.read))
        if word is not None:
            kept = replace(gateway.kept, mine=word)
            yield f"{name} says {word.stand}", self._with(index, replace(gateway, kept=kept))
        if gateway.online and gateway.inbox:
            yield f"{name} reads", self._with(index, _reads(gateway))
        mine = gateway.kept.mine
        if gateway.online and gateway.marked and mine.revision and gateway.told != mine.revision:
            yield f"{name} publishes", self._published(index, mine)
        if not gateway.online:
            inbox: tuple[Message, ...] = (
                *((who, claim) for who, claim in self.retained.items()),
                (name, None),
            )
            yield f"{name} connects", self._with(index, replace(gateway, online=True, inbox=inbox))
        elif self.left.get("drop"):
            gone = replace(gateway, online=False, inbox=(), marked=False, echoed=-1, told=-1)
            yield f"{name} is cut off", self._with(index, gone, spent="drop")

    def _people(self, index: int, gateway: Gateway) -> Iterator[tuple[str, "Site"]]:
        name = gateway.name
        if self.left.get("handover"):
            for other in self.gateways:
                word = hand_over(name, gateway.kept, other.name) if other is not gateway else None
                if word is not None:
                    kept = replace(gateway.kept, mine=word)
                    given = self._with(index, replace(gateway, kept=kept), spent="handover")
                    yield f"{name} gives to {other.name}", given
        if self.left.get("forget") and gateway.wanted:
            yield f"{name} forgets", self._with(index, replace(gateway, wanted=False), spent="forget")
        if not gateway.wanted:
            yield f"{name} adopts", self._with(index, replace(gateway, wanted=True))
        if self.left.get("over"):
            word = take_over(name, gateway.kept)
            if word is not None:
                kept = replace(gateway.kept, mine=word)
                yield f"{name} takes over", self._with(index, replace(gateway, kept=kept), spent="over")

    def _published(self, index: int, claim: Claim) -> "Site":
        speaker = self.gateways[index]
        gateways = tuple(
            replace(each, inbox=(*each.inbox, (speaker.name, claim))) if each.online else each
            for each in self.gateways
        )
        site = replace(self, gateways=gateways, retained={**self.retained, speaker.name: claim})
        return site._with(index, replace(gateways[index], told=claim.revision))

    def _with(self, index: int, gateway: Gateway, *, spent: str = "") -> "Site":
        gateways = (*self.gateways[:index], gateway, *self.gateways[index + 1 :])
        left = {**self.left, spent: self.left[spent] - 1} if spent else self.left
        return replace(self, gateways=gateways, left=left)


def _reads(gateway: Gateway) -> Gateway:
    (who, claim), *rest = gateway.inbox
    gateway = replace(gateway, inbox=tuple(rest))
    if claim is None:
        return replace(gateway, marked=True)
    kept = hear(gateway.name, gateway.kept, who, claim)
    echoed = gateway.echoed
    if who == gateway.name and gateway.marked:
        echoed = max(echoed, claim.revision)
    return replace(gateway, kept=kept, echoed=echoed)
