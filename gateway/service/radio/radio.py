"""The air around this gateway: candidates, what rules make of them, and whose each node is."""

import asyncio
import logging
from collections.abc import Mapping

from gateway.model.radio import AirView, CandidateView, OwnerView
from gateway.service.nodes.keeping import NodeKeeping
from gateway.service.radio.candidates import Candidate, Candidates
from gateway.service.radio.ear import Ear
from gateway.service.radio.errors import NotOnTheAir
from gateway.service.radio.loaders import loader_of, why_not
from gateway.service.radio.matching import Call, Matcher
from gateway.service.radio.owners import Owners
from gateway.service.radio.rules import BY_RULE, Known, Rules, link_of, node_name
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from gateway.verbs.discovery import LONGEST_LISTEN_S
from gateway.verbs.nodes import AdoptRequest
from transports.errors import TenderError

log = logging.getLogger("tender.air")

_AGE_EVERY_S = 30.0
_AGAIN_S = 30.0
"""Until a candidate that could not be adopted is tried again."""


class Radio:
    """Implements :class:`gateway.verbs.discovery.DiscoveryVerbs`."""

    def __init__(self, site: Site, supervisor: Supervisor, roster: NodeKeeping) -> None:
        self._site = site
        self._roster = roster
        self._rules = Rules(site.config.adopt)
        self.owners = Owners(site, supervisor, vouched=self._vouched, looked_at=roster.looks.at)
        site.not_ours = self.owners.gate
        site.inventory.owner_of = self.owners.view
        profiles = site.node_types.profiles
        self._matcher = Matcher({name: profiles.get(name).discovery for name in profiles})
        self._ears = {
            name: Ear(site.adapters, name, table.scan, self.heard)
            for name, table in site.config.adapters.items()
        }
        self.candidates = Candidates(lambda name: self._ears[name].listened if name in self._ears else 0.0)
        self._notes: dict[str, str] = {}
        self._tried: dict[str, float] = {}
        self._fits = asyncio.Event()
        self._calls: dict[str, Call] = {}

    async def load(self) -> None:
        """Take up what the journal has."""
        await self.owners.load()

    async def run(self) -> None:
        """Listen, adopt and keep our word; ends only by cancellation."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.owners.run())
            if self._ears and self._matcher:
                for ear in self._ears.values():
                    group.create_task(ear.run())
                group.create_task(self._adopt())
                group.create_task(self._age())

    def renewed(self) -> None:
        """There are other nodes."""
        self.owners.renewed()
        mine = self._addresses()
        self.candidates.drop(mine.keys())
        for address in self._calls.keys() - mine.keys():
            del self._calls[address]

    # Hearing

    def heard(self, call: Call) -> None:
        """Somebody called."""
        if call.address in self._addresses():
            self._calls[call.address] = call
            return
        profiles = self._matcher.profiles(call)
        known = self.candidates.get(call.address)
        if not profiles and known is not None and set(call.services) <= set(known.last.services):
            profiles = known.profiles  # a packet without the name, or without the services: still the same
        if profiles:
            self.candidates.heard(call, profiles)
            if self._rules:
                self._fits.set()

    def last_call(self, node: str) -> Call | None:
        """The last that was heard of a node of ours on the air."""
        table = self._site.nodes.get(node)
        address = table.spec.address if table is not None else None
        return self._calls.get(address.upper()) if address is not None else None

    async def _age(self) -> None:
        while True:
            await asyncio.sleep(_AGE_EVERY_S)
            self.candidates.age(_now())
            kept = {address for address, _ in self.candidates}
            for gone in self._notes.keys() - kept:
                del self._notes[gone]
            for gone in self._tried.keys() - kept:
                del self._tried[gone]

    # Adopting

    async def _adopt(self) -> None:
        """Adopt what rules say, one after another; what cannot be is shown with why."""
        while self._rules:
            await self._fits.wait()
            self._fits.clear()
            for address, candidate in self.candidates:
                if _now() - self._tried.get(address, -_AGAIN_S) >= _AGAIN_S:
                    await self._adopt_one(address, candidate)
            await asyncio.sleep(1.0)  # many calls a second are one occasion

    async def _adopt_one(self, address: str, candidate: Candidate) -> None:
        wanted = self._rules.request(address, candidate, self._known())
        if not isinstance(wanted, AdoptRequest):
            self._note(address, wanted or "")
            return
        self._tried[address] = _now()
        try:
            await self._roster.adopt(wanted, asked_by=f"{BY_RULE}{wanted.profile}")
        except TenderError as error:
            self._note(address, f"a rule could not adopt it: {error.message}")
            return
        log.info("node=%s adopted from the air: %s", wanted.name, wanted.link)

    def _known(self) -> Known:
        roster = self._site.inventory.roster
        return Known(
            by_rules=lambda profile: sum(
                roster.kept(name).adopted is not None
                and (roster.kept(name).adopted or _NOBODY).by == f"{BY_RULE}{profile}"
                for name in self._site.nodes
            ),
            ever=roster.ever,
            loader=lambda call: loader_of(self._site, call),
        )

    def _vouched(self, node: str) -> bool:
        """Whether people said that this gateway has the node, and not a rule alone."""
        roster = self._site.inventory.roster
        adopted = roster.kept(node).adopted
        if roster.in_file(node) or adopted is None or not adopted.by.startswith(BY_RULE):
            return True
        return self._rules.alone(adopted.by.removeprefix(BY_RULE))

    def _note(self, address: str, note: str) -> None:
        if note:
            self._notes[address] = note
        else:
            self._notes.pop(address, None)

    # The verbs

    async def air(self) -> AirView:
        """What is heard."""
        self.candidates.age(_now())
        views = [self._shown(address, each) for address, each in self.candidates]
        views.sort(key=lambda view: (-view.rssi, view.address))
        return AirView(
            tuple(views), tuple(ear.view() for ear in self._ears.values()), self.candidates.crowded
        )

    async def listen(self, seconds: float, *, asked_by: str) -> AirView:
        """Listen now."""
        log.info("listening for %g s, asked by %r", seconds, asked_by)
        seconds = min(seconds, LONGEST_LISTEN_S)
        await asyncio.gather(*(ear.listen(seconds) for ear in self._ears.values()))
        return await self.air()

    async def owner(self, node: str) -> OwnerView:
        """Whose it is."""
        view = self.owners.view(node)
        if view is None:
            raise NotOnTheAir(f"{node} is on {self._site.nodes[node].link}")
        return view

    async def handover(self, node: str, to: str, *, asked_by: str) -> OwnerView:
        """Let go of it."""
        await self.owners.handover(node, to, by=asked_by)
        return await self.owner(node)

    async def claim(self, node: str, *, over: bool, asked_by: str) -> OwnerView:
        """It is ours."""
        await self.owners.claim(node, over=over, by=asked_by)
        return await self.owner(node)

    def _shown(self, address: str, candidate: Candidate) -> CandidateView:
        best, note = candidate.best, self._notes.get(address, "")
        loader = loader_of(self._site, best)
        if not note and loader is not None:
            note = why_not(loader)
        if not note and best.changes:
            note = "its address changes; adopt it by the lasting one that its bond shows"
        link = link_of(best.adapter, address)
        names = {
            profile: node_name("{profile}-{address}", address, candidate.name, profile)
            for profile in candidate.profiles
        }
        adopt = tuple(
            f"tender node adopt {name} --profile {profile} --link '{link}'" for profile, name in names.items()
        )
        return CandidateView(
            address=address,
            adapter=best.adapter,
            profiles=candidate.profiles,
            rssi=best.rssi,
            heard_s=round(_now() - candidate.last.at, 1),
            name=candidate.name,
            addressed=best.addressed,
            adapters={call.adapter: call.rssi for call in candidate.calls.values()},
            services=best.services,
            manufacturer={f"0x{company:04x}": data.hex() for company, data in best.manufacturer.items()},
            owner=self.owners.owner_of(address),
            note=note,
            adopt=() if loader is not None or best.changes else adopt,
        )

    def _addresses(self) -> Mapping[str, str]:
        return self.owners.roster()


class _Nobody:
    by = ""


_NOBODY = _Nobody()


def _now() -> float:
    return asyncio.get_running_loop().time()
