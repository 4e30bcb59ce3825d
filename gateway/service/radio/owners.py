"""Keep this gateway's word about each node on the air: journal first, then everybody else.

What others say is believed at once and written down after; what we say is written down
before anybody hears of it, with the event that tells of it.  So a kill at any moment leaves
us with less than we had, never with more.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from flashers.api import Reason
from gateway.config.model import NAME
from gateway.errors import NodeBusy, NodeUnknown
from gateway.journal.journal import Told
from gateway.model.radio import Claim, Kept, OwnerView, Stand
from gateway.service.radio.errors import BadGateway, NotOnTheAir, NotOwner
from gateway.service.radio.ownership import Around, Standing, current, decide, hand_over, hear, take_over
from gateway.service.radio.reading import Reading
from gateway.service.radio.reasons import why_not_ours
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from transports.errors import TenderError
from transports.links import LinkSpec, Medium

log = logging.getLogger("tender.owners")

_AGAIN_S = 15.0
"""Until what a full disk did not take is tried again."""


class Owners:
    """Implements :class:`gateway.upstream.claims.ClaimDesk`."""

    def __init__(
        self,
        site: Site,
        supervisor: Supervisor,
        *,
        vouched: Callable[[str], bool],
        looked_at: Callable[[str], bool],
    ) -> None:
        self._site = site
        self._supervisor = supervisor
        self._vouched = vouched
        self._looked_at = looked_at
        self.me = site.config.gateway.name
        self.alone = site.config.upstream.mqtt is None
        self._kept: dict[str, Kept] = {}
        self._names: dict[str, str] = {}
        self._roster: dict[str, str] | None = None
        self._unwritten: set[str] = set()
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self.reading = Reading(self._wake.set)

    async def load(self) -> None:
        """Take up what the journal has."""
        for address, (node, kept) in (await self._site.journal.claims()).items():
            self._names[address], self._kept[address] = node, kept

    async def run(self) -> None:
        """Say what has to be said; ends only by cancellation, and ticks only while something is asked."""
        while True:
            self._wake.clear()
            try:
                quiet = await self._turn()
            except TenderError as error:  # a full disk, most likely
                log.warning("claims not kept: %s", error.code)
                quiet = _AGAIN_S
            try:
                async with asyncio.timeout(quiet):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def renewed(self) -> None:
        """There are other nodes."""
        self._roster = None
        self.wake()

    def wake(self) -> None:
        """There are other words."""
        self._wake.set()
        self.reading.wake()

    # Asking

    def gate(self, node: str) -> Reason | None:
        """Why nothing may be done to this node from here; None if it is ours, or on a wire."""
        address = self._address(node)
        if address is None or self.owns(address):
            return None
        return why_not_ours(
            node, self.me, self._standing(address), alone=self.alone, online=self.reading.online
        )

    def owns(self, address: str) -> bool:
        """Whether the node of this address is this gateway's."""
        return self._standing(address).owner == self.me

    def owner_of(self, address: str) -> str | None:
        """The gateway that has it, as far as that is known here."""
        return self._standing(address).owner

    def view(self, node: str) -> OwnerView | None:
        """Whose a node is; None of one on a wire."""
        address = self._address(node)
        if address is None:
            return None
        kept, now = self._of(address), self._standing(address)
        word = kept.mine if now.owner == self.me else kept.others.get(now.owner or "", kept.mine)
        gate = self.gate(node)
        return OwnerView(
            node=node,
            address=address,
            stand=kept.mine.stand,
            owner=now.owner,
            epoch=now.epoch,
            offered_to=now.offered_to,
            since=word.since,
            by=word.by,
            message=f"{gate.message} {gate.remedy}" if gate is not None else "",
        )

    # People's word

    async def handover(self, node: str, to: str, *, by: str) -> None:
        """Let go of a node for another gateway.

        Raises:
            NotOnTheAir, BadGateway, NotOwner, NodeBusy, NodeUnknown.
        """
        address = self._on_air(node)
        if not NAME.fullmatch(to) or to == self.me:
            raise BadGateway(f"{node} cannot be handed from {self.me} to {to!r}")
        async with self._writing:
            now = self._standing(address)
            if to in (now.offered_to, now.owner):
                return  # the same word again
            word = hand_over(self.me, self._of(address), to)
            if word is None:
                raise NotOwner(f"{node} is not this gateway's to give: {self._whose(now)}")
            if self._supervisor.holds(node):
                raise NodeBusy(f"an attempt is open on {node}")
            if self._looked_at(node):
                raise NodeBusy(f"{node} is looked at just now", remedy="Ask again in a moment.")
            data = {"address": address, "to": to, "epoch": word.epoch, "by": by}
            told = Told("node.handed-over", node=node, data=data)
            await self._say(address, node, word, [told], by=by, at_rest=True)

    async def claim(self, node: str, *, over: bool, by: str) -> None:
        """Somebody vouches that the node is this gateway's; ``over``: whoever had it.

        Raises:
            NotOnTheAir, NotOwner, NodeUnknown.
        """
        address = self._on_air(node)
        async with self._writing:
            now, word = self._standing(address), take_over(self.me, self._of(address))
            if word is None:
                return
            if not over and (now.owner is not None or now.offered_to not in (None, self.me)):
                raise NotOwner(
                    f"{node} is not free: {self._whose(now)}",
                    remedy="Hand it over there; only if that gateway is gone for good: --take-over.",
                )
            if over or self.alone:
                told = self._owned(node, address, word, now, by)
                await self._say(address, node, word, [told], by=by)
        self.wake()

    # What upstream hears and says: the claims' desk

    def addresses(self) -> frozenset[str]:
        """The radio addresses whose claims are wanted."""
        return frozenset({*self.roster(), *self._kept})

    def word(self, address: str) -> Claim:
        """What we say of one."""
        return self._of(address).mine

    def heard(self, address: str, gateway: str, claim: Claim) -> None:
        """What a gateway says of one; our own comes back, too."""
        before = self._of(address)
        after = hear(self.me, before, gateway, claim)
        if gateway == self.me:
            self.reading.echoed(address, claim.revision)
        if after is not before:
            self._kept[address] = after
            self._unwritten.add(address)
            self._shown(address)
        self.wake()

    # The turns

    async def _turn(self) -> float | None:
        """Say what is to be said of every address; seconds until that may change by itself."""
        mine, quiet = self.roster(), list[float]()
        for address in sorted({*mine, *self._kept}):
            async with self._writing:
                await self._one(address, mine.get(address))
            if address in mine and not self.owns(address):
                self._site.inventory.shown_anew(mine[address])
            settling = self.reading.settling(address, self._of(address).mine.revision)
            if settling is not None:
                quiet.append(settling)
        await self._step_aside(mine)
        return min(quiet, default=None)

    async def _one(self, address: str, name: str | None) -> None:
        kept = self._of(address)
        node = name or self._names.get(address, "")
        around = Around(
            wanted=name is not None,
            alone=self.alone,
            vouched=name is not None and self._vouched(name),
            read=self.reading.read(address, kept.mine.revision),
        )
        word = decide(self.me, kept, around)
        if word is not None:
            now = self._standing(address)
            told = list[Told]()
            if word.stand is Stand.HAS:
                told = [self._owned(node, address, word, now, "")]
            elif kept.mine.stand is Stand.HAS:
                data = {"address": address, "epoch": kept.mine.epoch, "owner": now.owner}
                if now.owner == self.me:
                    data["owner"] = None
                told = [Told("node.disowned", node=node, data=data)]
            await self._say(address, node, word, told)
        elif address in self._unwritten:
            self._unwritten.discard(address)
            try:
                await self._site.journal.keep_claim(address, node, kept)
            except BaseException:
                self._unwritten.add(address)
                raise

    async def _say(
        self,
        address: str,
        node: str,
        word: Claim,
        told: Iterable[Told],
        *,
        by: str = "",
        at_rest: bool = False,
    ) -> None:
        """Write our word down, then believe it, then let it be heard."""
        # A journal that was begun anew counts on from a larger number: its epoch has the time in it.
        revision = max(word.revision, self._site.journal.epoch)
        word = replace(word, revision=revision, since=self._site.clock(), by=by)
        kept = replace(self._of(address), mine=word)
        await self._site.journal.keep_claim(address, node, kept, told, at_rest=at_rest)
        self._kept[address] = replace(self._of(address), mine=word)
        self._names[address] = node
        log.info("node=%s address=%s stand=%s epoch=%d", node, address, word.stand, word.epoch)
        self._shown(address)
        self.wake()

    async def _step_aside(self, mine: dict[str, str]) -> None:
        """Whoever works on a node that people gave to another gateway leaves it where it is."""
        lost = {
            node
            for address, node in mine.items()
            if self._supervisor.at_work(node) is not None and not self.owns(address)
        }
        if lost:
            log.warning("nodes=%s are another gateway's now", ",".join(sorted(lost)))
            await self._supervisor.step_aside(lost)

    # Small things

    def roster(self) -> dict[str, str]:
        """The nodes on the air, by address; kept until they change, since every advertisement asks."""
        if self._roster is None:
            found = {address_of(table.link): name for name, table in self._site.nodes.items()}
            self._roster = {address: name for address, name in found.items() if address is not None}
        return self._roster

    def _owned(self, node: str, address: str, word: Claim, before: Standing, by: str) -> Told:
        data: dict[str, object] = {"address": address, "epoch": word.epoch, "before": before.owner, "by": by}
        return Told("node.owned", node=node, data=data)

    def _shown(self, address: str) -> None:
        node = self.roster().get(address)
        if node is not None:
            self._site.inventory.shown_anew(node)
        self._supervisor.wake()
        self._site.journal.wake()

    def _whose(self, now: Standing) -> str:
        if now.owner is not None:
            return f"{now.owner} has it"
        return f"it is on its way to {now.offered_to}" if now.offered_to else "it is nobody's"

    def _of(self, address: str) -> Kept:
        return self._kept.get(address, _NOTHING)

    def _standing(self, address: str) -> Standing:
        return current(self.me, self._of(address))

    def _address(self, node: str) -> str | None:
        table = self._site.nodes.get(node)
        return address_of(table.link) if table is not None else None

    def _on_air(self, node: str) -> str:
        if node not in self._site.nodes:
            raise NodeUnknown(f"there is no node {node!r}")
        address = self._address(node)
        if address is None:
            raise NotOnTheAir(f"{node} is on {self._site.nodes[node].link}")
        return address


def address_of(link: str) -> str | None:
    """The radio address that a link leads to; None of one on a wire."""
    spec = LinkSpec.parse(link)
    return spec.address.upper() if spec.medium is Medium.BLE and spec.address is not None else None


_NOTHING = Kept()
