"""Who is known to answer where, and whether that is who answers now.

The strongest identity that a node ever showed is kept; a weaker one never takes its
place, and an equal one that differs is another node.  A node that cannot say who it is
has its place: the same link that suddenly leads to another socket of the machine is not
believed to lead to the same node.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from flashers.api import Identity, IdentityChanged, Reason, Strength
from gateway.attempt.ports import Clock
from gateway.journal import Journal
from gateway.journal.journal import Told
from gateway.model.nodes import Place, Stranger
from gateway.service.identity.errors import IdentityUnread
from gateway.service.identity.places import Places
from gateway.service.nodes.roster import Roster
from transports.links import LinkSpec

log = logging.getLogger("tender.identity")

_RANK = list(Strength)
_REMEDY = (
    "Put the cable back; or say `tender node replace` for a new board, "
    "`tender node accept` for the same one at another socket."
)


class IdentityKeeper:
    """Judges by the roster, writes the journal; implements :class:`gateway.attempt.identity.Keeper`."""

    def __init__(
        self,
        journal: Journal,
        roster: Roster,
        clock: Clock,
        places: Places,
        *,
        shown_anew: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._journal = journal
        self._roster = roster
        self._clock = clock
        self._shown_anew = shown_anew
        self.places = places
        self.unread: set[str] = set()
        """Nodes that had to say who they are, and did not when they were asked last."""

    # Asking

    def expects(self, node: str, found: Identity) -> bool:
        """Whether nothing equally strong or stronger is known, or just this."""
        known = self._roster.kept(node).identity
        return known is None or known == found or stronger(known, found) or stronger(found, known)

    def here(self, node: str) -> Place | None:
        """Where its link leads now."""
        table = self._roster.tables[node]
        where = self.places(table.spec)
        return Place(where, _plain(table.spec), self._clock()) if where is not None else None

    def gate(self, node: str) -> Reason | None:
        """Why nothing may be done to a node now, as far as that is known without asking it.

        That is so for nodes that are known by their place alone, when the place is another.
        """
        kept = self._roster.kept(node)
        if kept.identity is not None:
            return None
        moved = self._moved(node, self.here(node))
        if moved is None:
            return None
        return Reason(IdentityChanged.code, self._sentence(node, moved), _REMEDY)

    def trouble(self, node: str) -> Reason | None:
        """What stands against a node's identity, and who is where now as far as that is known."""
        kept = self._roster.kept(node)
        elsewhere = self._elsewhere(node)
        if kept.stranger is None and elsewhere is None:
            return None
        told = [self._sentence(node, kept.stranger)] if kept.stranger is not None else []
        if elsewhere is not None:
            told.append(f"{node} itself answered at the link of {elsewhere}.")
        return Reason(IdentityChanged.code, "  ".join(told), _REMEDY)

    async def look_at_place(self, node: str) -> Reason | None:
        """As :meth:`gate`, and journalled: a changed place is told, one that was put back is forgotten."""
        reason = self.gate(node)
        if reason is not None:
            moved = self._moved(node, self.here(node))
            if moved is not None:
                await self._note(node, moved)
        else:
            await self._put_back(node)
        return reason

    async def _put_back(self, node: str) -> None:
        """The place is the one of before: what stood against it was nothing but its place."""
        stranger = self._roster.kept(node).stranger
        if stranger is not None and stranger.found.strength is Strength.POSITION:
            await self._journal.keep_stranger(node, None)
            self._keep(node, stranger=None)

    # Learning

    async def met(self, node: str, found: Identity | None, *, must: bool) -> None:
        """Who answered; see :class:`gateway.attempt.identity.Keeper`."""
        known = self._roster.kept(node).identity
        here = self.here(node)
        moved = self._moved(node, here)
        if found is None or (known is not None and stronger(known, found)):
            await self._unread(node, known, here, moved, must=must)
        elif known is None and moved is not None:
            # It was known by its place alone, so nothing says that it is the same.
            await self._refuse(node, moved)
        elif known is not None and known.strength is found.strength and known != found:
            await self._refuse(node, Stranger(found, known, self._clock()))
        elif known != found and self._is_named(found, but=node):
            # Its first word is another's name: that one is here, or their names tell nobody apart.
            where = here.where if here is not None else _plain(self._roster.tables[node].spec)
            await self._refuse(
                node, Stranger(found, known or Identity(where, Strength.POSITION), self._clock())
            )
        else:
            await self._learn(node, known, found, here)

    async def _unread(
        self, node: str, known: Identity | None, here: Place | None, moved: Stranger | None, *, must: bool
    ) -> None:
        elsewhere = self._elsewhere(node) if known is not None else None
        if moved is not None:
            await self._refuse(node, moved)
        if elsewhere is not None and known is not None:
            raise IdentityChanged(
                f"{node} answered at the link of {elsewhere}, and what answers here does not say who it is",
                remedy=_REMEDY,
            )
        if known is not None and must:
            self.unread.add(node)
            raise IdentityUnread(f"{node} has said that it is {known.value}, and does not say so now")
        kept = self._roster.kept(node)
        if here is not None and (kept.place is None or kept.place.link != here.link):
            await self._journal.keep_place(node, here)
            self._keep(node, place=here)
        await self._put_back(node)

    async def _learn(self, node: str, known: Identity | None, found: Identity, here: Place | None) -> None:
        at = self._clock()
        self.unread.discard(node)
        told: tuple[Told, ...] = ()
        if known is None or known != found:
            data = {"identity": found.value, "strength": found.strength.value}
            data |= {"before": known.value} if known is not None else {}
            told = (Told("node.identified", node=node, data=data),)
            log.info("node=%s identity=%s strength=%s", node, found.value, found.strength)
        await self._journal.keep_who(node, found, at, here, told)
        place = here or self._roster.kept(node).place
        self._keep(node, identity=found, identity_at=at, stranger=None, place=place)
        impostor = self._elsewhere(node)
        if impostor is not None:
            # It is here, so whoever was taken for it there is not: its next look says who that is.
            await self._journal.keep_stranger(impostor, None)
            self._keep(impostor, stranger=None)

    async def _refuse(self, node: str, stranger: Stranger) -> None:
        await self._note(node, stranger)
        raise IdentityChanged(self._sentence(node, stranger), remedy=_REMEDY)

    async def _note(self, node: str, stranger: Stranger) -> None:
        standing = self._roster.kept(node).stranger
        if standing is not None and (standing.found, standing.known) == (stranger.found, stranger.known):
            return
        data = {
            "known": stranger.known.value,
            "found": stranger.found.value,
            "strength": stranger.found.strength.value,
        }
        other = self._looks_like(node, stranger.found)
        data |= {"looks_like": other} if other is not None else {}
        await self._journal.keep_stranger(
            node, stranger, [Told("node.identity-changed", node=node, data=data)]
        )
        log.warning("node=%s identity-changed found=%s", node, stranger.found.value)
        self._keep(node, stranger=stranger)
        if other is not None:
            self._shown_anew(other)

    def _keep(self, node: str, **changes: object) -> None:
        self._roster.keep(node, replace(self._roster.kept(node), **changes))  # type: ignore[arg-type]
        self._shown_anew(node)

    # Who is where

    def _moved(self, node: str, here: Place | None) -> Stranger | None:
        """The same link leads to another socket than it did."""
        noted = self._roster.kept(node).place
        if noted is None or here is None or noted.link != here.link or noted.where == here.where:
            return None
        found = Identity(here.where, Strength.POSITION)
        return Stranger(found, Identity(noted.where, Strength.POSITION), self._clock())

    def _is_named(self, found: Identity, *, but: str) -> bool:
        """Whether another node is known by this."""
        names = self._roster.tables
        return any(self._roster.kept(name).identity == found for name in names if name != but)

    def _looks_like(self, node: str, found: Identity) -> str | None:
        """The other node that is known by this."""
        for name in self._roster.tables:
            kept = self._roster.kept(name)
            place = Identity(kept.place.where, Strength.POSITION) if kept.place is not None else None
            if name != node and found in (kept.identity, place):
                return name
        return None

    def _elsewhere(self, node: str) -> str | None:
        """The node at whose link this one answered."""
        known = self._roster.kept(node).identity
        if known is None:
            return None
        for name in self._roster.strange:
            stranger = self._roster.kept(name).stranger
            if name != node and stranger is not None and stranger.found == known:
                return name
        return None

    def _sentence(self, node: str, stranger: Stranger) -> str:
        other = self._looks_like(node, stranger.found)
        if stranger.found.strength is Strength.POSITION:
            whose = f", where {other} was" if other is not None else ""
            return (
                f"The link of {node} leads to {stranger.found.value} now{whose}; "
                f"{node} is known at {stranger.known.value}, and by nothing else."
            )
        looks = f" (looks like {other})" if other is not None else ""
        return (
            f"{stranger.found.value}{looks} answers at the link of {node}, "
            f"and {node} is known as {stranger.known.value}."
        )


def stronger(one: Identity, other: Identity) -> bool:
    """Whether the first is the surer kind."""
    return _RANK.index(one.strength) < _RANK.index(other.strength)


def _plain(spec: LinkSpec) -> str:
    """The link without its options, which do not say where it leads."""
    return f"{spec.channel}#{spec.address}" if spec.address is not None else spec.channel
