"""Whose a node is that several gateways hear: decided without any of them writing what another wrote.

Each gateway says its own word about an address (a :class:`~gateway.model.radio.Claim`), and
reads everybody's.  To own what nobody owns, it first says that it *wants* it, makes sure that
this was read by all (its own word came back, and with it all that was said before), and takes
it only if nobody else wants it or has it then.  Of two that ask at the same moment each can
find the other's wish, but it cannot be that neither does: the second to be heard always does.
So there is no moment with two owners; there may be one with none.

A node is handed over in two steps: its owner lets go for one gateway, by name, and only that
one takes it.  No wish and no silence takes a node from its owner: that is people's word alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.model.radio import Claim, Kept, Stand

MOST_GATEWAYS = 64
"""So many gateways' words about one node are kept; no more can hear it."""
_WEIGHT = {Stand.GAVE: 0, Stand.NONE: 1, Stand.HAS: 2}
"""Of words of one epoch the heavier counts: who was given a node takes it, and may then let go of it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What all words together come to: an owner, or who may take it, or neither."""

    owner: str | None = None
    offered_to: str | None = None
    epoch: int = 0
    wanting: tuple[str, ...] = ()


def standing(words: Mapping[str, Claim]) -> Standing:
    """Read everybody's word: the latest change of hands counts.

    Two owners of one epoch can only come from a broker that lost its memory; the first
    by name keeps the node, and both of them read the same.
    """
    wanting = tuple(sorted(name for name, claim in words.items() if claim.stand is Stand.WANTS))
    said = [
        (claim.epoch, _WEIGHT[claim.stand], name)
        for name, claim in words.items()
        if claim.stand is not Stand.WANTS and claim.epoch
    ]
    if not said:
        return Standing(wanting=wanting)
    epoch, weight = max((epoch, weight) for epoch, weight, _ in said)
    name = min(name for *each, name in said if each == [epoch, weight])
    match words[name].stand:
        case Stand.HAS:
            return Standing(owner=name, epoch=epoch, wanting=wanting)
        case Stand.GAVE:
            return Standing(offered_to=words[name].to, epoch=epoch, wanting=wanting)
        case _:  # whoever had it last let go of it for nobody
            return Standing(epoch=epoch, wanting=wanting)


def current(me: str, kept: Kept) -> Standing:
    """The same, of what the journal keeps."""
    return standing({**kept.others, me: kept.mine})


@dataclass(frozen=True, slots=True)
class Around:
    """What a gateway knows beside the words.

    ``wanted``: the node is one of its nodes.  ``alone``: there is no upstream, so that people's
    word is all there is, and ``vouched`` is whether they gave it.  ``read``: since the present
    connection everybody's word was read, and ours was read by everybody.
    """

    wanted: bool
    alone: bool = False
    vouched: bool = False
    read: bool = False


def decide(me: str, kept: Kept, around: Around) -> Claim | None:
    """The word that comes next; None if the present one stands."""
    mine, now = kept.mine, current(me, kept)
    others = [name for name in now.wanting if name != me]
    if not around.wanted:
        return _none(mine) if mine.stand in (Stand.WANTS, Stand.HAS) else None
    if mine.stand is Stand.HAS:
        return None if now.owner == me else _none(mine)  # people gave it to another one
    if now.offered_to == me:
        return _word(mine, Stand.HAS, now.epoch)
    if now.owner is not None or now.offered_to is not None:
        return _none(mine) if mine.stand is Stand.WANTS else None
    if around.alone:
        return _word(mine, Stand.HAS, now.epoch + 1) if around.vouched else None
    if mine.stand is not Stand.WANTS:
        return _word(mine, Stand.WANTS, now.epoch) if around.read and not others else None
    if others:
        # Each of them sees the others now, or will: the first by name waits until they are gone.
        return None if me < min(others) else _none(mine)
    return _word(mine, Stand.HAS, now.epoch + 1) if around.read else None


def hand_over(me: str, kept: Kept, to: str) -> Claim | None:
    """The owner's word that lets go for another; None if it is not the owner."""
    now = current(me, kept)
    return _word(kept.mine, Stand.GAVE, now.epoch + 1, to) if now.owner == me else None


def take_over(me: str, kept: Kept) -> Claim | None:
    """People's word that the node is ours, whoever had it; None if it is."""
    now = current(me, kept)
    return None if now.owner == me else _word(kept.mine, Stand.HAS, now.epoch + 1)


def hear(me: str, kept: Kept, gateway: str, claim: Claim) -> Kept:
    """What is kept after a word came in; an older one changes nothing.

    A word of our own that we do not know is from before our journal was lost: it is ours.
    """
    if gateway == me:
        return replace(kept, mine=claim) if claim.revision > kept.mine.revision else kept
    known = kept.others.get(gateway)
    if known is None and len(kept.others) >= MOST_GATEWAYS:
        return kept
    if known is not None and known.revision >= claim.revision:
        return kept
    return replace(kept, others={**kept.others, gateway: claim})


def _word(mine: Claim, stand: Stand, epoch: int, to: str | None = None) -> Claim:
    return Claim(stand, epoch, mine.revision + 1, to)


def _none(mine: Claim) -> Claim:
    return Claim(Stand.NONE, mine.epoch, mine.revision + 1)
