"""Every link of the gateway as it is now: its nodes, who has it, its port and adapter, what passed.

Ports are only looked at from outside (sysfs, ``/proc/locks``): opening one would
restart the nodes behind it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from flashers.api import Reason
from gateway.artifacts.files import off_loop
from gateway.model.links import Culprit, Finding, Holder, LeaseView, LinkView, NodeOnLink
from gateway.service.adapters.watching import AdapterWatch
from gateway.service.links.errors import LinkUnknown
from gateway.service.links.facts import LinkFacts
from gateway.service.links.leases import port_holder
from gateway.service.links.naming import resolved
from gateway.service.links.shared import SharedLink, Stage
from gateway.service.links.traffic import summed
from gateway.service.site import Site
from gateway.service.zigbee.watching import NetworkWatch
from transports.errors import BadLink
from transports.links import LinkSpec
from transports.uart.adapters import Adapter, adapters_of

_NETWORK = frozenset({"socket", "rfc2217"})


class Sights:
    """The links, by the names that they are configured with."""

    def __init__(self, site: Site, upstream: Callable[[], str]) -> None:
        self._site = site
        self._upstream = upstream
        self.adapters = AdapterWatch(site)
        self.networks = NetworkWatch(site)
        self._known: dict[str, Adapter] = {}
        self._unsaved: dict[str, Adapter] = {}

    async def load(self) -> None:
        """What each port was made of when it was last there."""
        self._known = await self._site.journal.adapters()

    def new_adapters(self) -> Mapping[str, Adapter]:
        """What has to be written down of the ports' adapters; it counts as written from now on."""
        unsaved, self._unsaved = self._unsaved, {}
        return unsaved

    def names(self) -> dict[str, str]:
        """Every link as configured, with the name that it is shown by; one port is one link."""
        titles = {table.spec.channel: title for title, table in self._site.config.links.items()}
        found: dict[str, str] = {}
        seen: set[str] = set()
        own = [f"ble:{name}" for name in self._site.config.adapters]
        own += [f"zigbee:{name}" for name in self._site.networks.names()]
        for channel in [*titles, *own, *(table.spec.channel for table in self._site.nodes.values())]:
            where = resolved(channel)
            if where not in seen:
                seen.add(where)
                found[channel] = titles.get(channel, channel)
        return found

    def named(self, text: str) -> str:
        """The link that a person means: by its name, itself, its port, or a node on it.

        Raises:
            LinkUnknown: there is none.
        """
        names = self.names()
        for channel, title in names.items():
            if text in (title, channel):
                return channel
        wanted = self._wanted(text)
        for channel in names:
            if wanted is not None and resolved(channel) == wanted:
                return channel
        raise LinkUnknown(f"there is no link {text!r}")

    def resolved(self, name: str) -> str:
        """What leases of this link are for."""
        return resolved(name)

    async def facts(self) -> list[LinkFacts]:
        """Every link."""
        names = list(self.names())
        await self.look()
        now, stamp = asyncio.get_running_loop().time(), self._site.clock()
        nodes: dict[str, list[NodeOnLink]] = {}
        for node, table in sorted(self._site.nodes.items()):
            traffic = self._site.traffic.view(table.spec.channel, node, now=now, stamp=stamp)
            nodes.setdefault(resolved(table.spec.channel), []).append(NodeOnLink(node, traffic))
        each = [self._facts(name, nodes.get(resolved(name), [])) for name in names]
        upstream, on_hub = self._upstream(), _by_hub(each)
        return [
            replace(
                one,
                others=tuple(other for other in on_hub.get(_hub(one), ()) if other is not one),
                upstream=upstream,
            )
            for one in each
        ]

    async def facts_of(self, text: str) -> LinkFacts:
        """One link.  Raises LinkUnknown."""
        name = self.named(text)
        return next(facts for facts in await self.facts() if facts.channel == name)

    def view(self, facts: LinkFacts, names: Mapping[str, str] | None = None) -> LinkView:
        """As it is shown, but for the diagnosis; ``names`` spares a list of links finding them for each."""
        leases, where = self._site.leases, resolved(facts.channel)
        shared = leases.shared(where)
        return LinkView(
            name=(names or self.names())[facts.channel],
            channel=facts.channel,
            nodes=facts.nodes,
            holder=self.holder(facts.channel, facts.held_by),
            traffic=facts.traffic,
            finding=Finding(facts.channel, Culprit.UNKNOWN, ""),
            exists=facts.exists,
            adapter=facts.adapter,
            shared_with=shared.neighbour.who if shared is not None else "",
            waits=self._waits(where),
            trouble=shared.trouble if shared is not None else None,
            radio=facts.radio,
            network=facts.network,
        )

    def holder(self, name: str, held_by: str | None) -> LeaseView:
        """Who has the link."""
        leases, where = self._site.leases, resolved(name)
        lease = leases.users.on(where) if leases.users is not None else None
        if lease is not None and leases.users is not None:
            return leases.users.view(lease)
        held = leases.held.get(where, ())
        shared = leases.shared(where)
        left = self._left(shared)
        if held:
            who = ", ".join(each.holder for each in held)
            return LeaseView(name, Holder.TENDER, who, since=held[0].since, left_s=left)
        if shared is not None and shared.neighbour.borrowed is not None:
            since = shared.neighbour.borrowed.since
            return LeaseView(name, Holder.TENDER, "nobody yet", since=since, left_s=left)
        if held_by is not None:
            return LeaseView(name, Holder.OTHER, held_by)
        if shared is not None:
            return LeaseView(name, Holder.OTHER, shared.neighbour.who)
        return LeaseView(name, Holder.NOBODY, "")

    def _facts(self, name: str, nodes: list[NodeOnLink]) -> LinkFacts:
        scheme, where = name.partition(":")[0], resolved(name)
        shared = self._site.leases.shared(where)
        ours = bool(self._site.leases.held.get(where))
        # What shares the link by agreement may have it; anybody else is in the way.
        stranger = None if ours or shared is not None else port_holder(where)
        there = Path(where.partition(":")[2]).exists() if scheme == "uart" else None
        adapter = Adapter("network") if scheme in _NETWORK else self._known.get(name)
        return LinkFacts(
            channel=name,
            nodes=tuple(nodes),
            traffic=summed([node.traffic for node in nodes]),
            exists=there,
            adapter=adapter,
            held_by=stranger,
            radio=self.adapters.view(name, self._site.clock()),
            network=self.networks.view(name),
        )

    async def look(self) -> None:
        """Learn what the local ports are made of, off the loop; what is gone keeps its last adapter."""
        ports = {name: Path(name.partition(":")[2]) for name in self.names() if name.startswith("uart:")}
        if not ports:
            return
        found = await off_loop(lambda: adapters_of(ports.values()))
        for name, port in ports.items():
            adapter = found[port]
            if adapter is not None and self._known.get(name) != adapter:
                self._known[name] = self._unsaved[name] = adapter

    def _waits(self, where: str) -> Reason | None:
        reason = self._site.leases.reason(where)
        return None if reason is None or reason.code in {"link-busy", "link-held"} else reason

    def _left(self, shared: SharedLink | None) -> float | None:
        if shared is None or shared.stage is not Stage.OURS:
            return None
        return round(shared.deadline - asyncio.get_running_loop().time(), 1)

    def _wanted(self, text: str) -> str | None:
        if text in self._site.nodes:
            return self._site.channel(text)
        if text.startswith("/"):
            return resolved(f"uart:{text}")
        try:
            return resolved(LinkSpec.parse(text).channel)
        except BadLink:
            return None


def _hub(link: LinkFacts) -> str | None:
    return link.adapter.hub if link.adapter is not None else None


def _by_hub(links: list[LinkFacts]) -> dict[str | None, list[LinkFacts]]:
    """Who may fail together; links of unknown place are nobody's neighbours."""
    found: dict[str | None, list[LinkFacts]] = defaultdict(list)
    for link in links:
        if _hub(link) is not None:
            found[_hub(link)].append(link)
    return found
