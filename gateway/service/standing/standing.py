"""The verbs of the gateway's standing, and what has to be looked after for them."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from flashers.api import Reason
from gateway.control import Progress
from gateway.errors import NodeUnknown
from gateway.model.records import Record
from gateway.model.standing import PowerOff
from gateway.model.views import Event, Status
from gateway.service.site import Site
from gateway.service.standing.degraded import Degraded
from gateway.service.standing.drain import Drain
from gateway.service.standing.hearing import Ears
from gateway.service.standing.power import Meter, power_off
from gateway.service.standing.topics import data_topic
from gateway.service.supervisor import Supervisor
from gateway.verbs.standing import DataView, DrainView
from transports.errors import TenderError

log = logging.getLogger("tender.standing")

_KEEP_RATES_EVERY_S = 600.0


def _differs(kept: float | None, now: float) -> bool:
    return kept is None or abs(kept - now) > 0.1 * max(kept, now)


class Standing:
    """Implements :class:`gateway.verbs.standing.StandingVerbs`."""

    def __init__(
        self, site: Site, supervisor: Supervisor, *, undrained: Callable[[], None] = lambda: None
    ) -> None:
        self._site = site
        self._supervisor = supervisor
        self._meter = Meter()
        self._speeds: dict[str, float] = {}
        self._news = asyncio.Event()
        self.drainage = Drain(site.journal, ended=undrained)
        self.lacking = Degraded(
            site.journal, site.config.state, self.drainage.lost, busy=lambda: bool(supervisor.turns.busy)
        )
        supervisor.drained = self._held
        site.journal.listen(self._told)
        supervisor.hearing = self.ears = Ears(site.clock)

        self.lost: Callable[[], None] = lambda: None
        """Called when the journal was lost: the nodes are to be looked at."""

    async def load(self) -> None:
        """Before anything is begun: what was said to an earlier run."""
        await self.drainage.load()
        self.ears.before = await self._site.journal.data_rates()

    async def run(self) -> None:
        """Work for ever."""
        if self.drainage.lost() is not None:
            self.lost()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_rates())
            group.create_task(self.drainage.run())
            group.create_task(self._keep_speeds())
            group.create_task(self._listen())
            group.create_task(self.lacking.run())

    def _held(self) -> Reason | None:
        """Why nothing new is begun: somebody asked for that, or it could not be journalled."""
        return self.drainage.reason() or self.lacking.cannot_write()

    def _told(self, event: Event) -> None:
        if event.kind == "journal.lost":
            self.drainage.lost_journal(event)
            self.lost()

    # Verbs

    async def drain(self, *, for_s: float | None, asked_by: str) -> DrainView:
        """Begin nothing new."""
        await self.drainage.begin(self._site.clock(), asked_by, for_s)
        return await self.standing()

    async def undrain(self, *, asked_by: str) -> DrainView:
        """Begin attempts again."""
        await self.drainage.end(asked_by)
        return await self.standing()

    async def standing(self) -> DrainView:
        """Whether we drain, and whether the plug may be pulled."""
        return DrainView(self.drainage.now, await self.power_off())

    async def heard(self, node: str, *, count: int) -> DataView:
        """So many messages of this node were heard just now."""
        self._known(node)
        self.ears.heard(node, count)
        return self.ears.view(node)

    async def data(self, node: str) -> DataView:
        """What was heard of a node so far."""
        self._known(node)
        return self.ears.view(node)

    def _known(self, node: str) -> None:
        if node not in self._site.nodes:
            raise NodeUnknown(f"there is no node {node!r}")

    # For the service manager

    def sentence(self) -> str:
        """How we are, in one line."""
        exposed, depth = self._supervisor.exposed, self._supervisor.depth
        parts = [f"{depth} attempts open" if depth != 1 else "1 attempt open"]
        if exposed:
            parts.append(f"DO NOT POWER OFF: without firmware just now: {', '.join(exposed[:5])}")
        if self.drainage.now is not None:
            parts.append("draining")
        parts += [f"degraded: {reason.code}" for reason in self.lacking.reasons()]
        return "; ".join(parts)

    def farewell(self) -> str:
        """What is waited for while the service stops."""
        names = self._supervisor.finishing
        if not names:
            return "stopping"
        budget = self._site.config.stop_budget
        return f"bringing {', '.join(names[:5])} to firmware that runs, for {budget:g} s at most"

    # For the status

    async def power_off(self) -> PowerOff:
        """May the plug be pulled?"""
        records = self._supervisor.exposed_records()
        speeds = {record.node: await self._speed(record.node) for record in records}
        return power_off(records, self._meter.bytes_left, speeds, self._channel)

    async def shown(self, status: Status) -> Status:
        """The status, with how we stand."""
        power = await self.power_off()
        await self.lacking.look()
        return replace(
            status,
            safe_to_power_off=power.ok,
            power_off=power,
            draining=self.drainage.now,
            degraded=self.lacking.reasons(),
        )

    async def _speed(self, node: str) -> float | None:
        measured = self._meter.speed(node)
        if measured is not None:
            return measured
        try:
            return await self._site.journal.speed(node)
        except TenderError:
            return None

    def _channel(self, node: str) -> str:
        return self._site.channel(node) if node in self._site.nodes else node

    # Told of by the gateway

    def progressed(self, progress: Progress) -> None:
        """A transfer went on."""
        self._meter.progressed(progress)

    def ended(self, record: Record) -> None:
        """An attempt has ended: its speed is the first guess for the node's next."""
        speed = self._meter.ended(record)
        if speed is not None:
            self._speeds[record.node] = speed
            self._news.set()

    async def _listen(self) -> None:
        settings = self._site.config.data.mqtt
        if settings is None:
            return
        from gateway.upstream.listening import DataListener  # only a gateway with a broker needs its client

        client_id = settings.client_id or f"tender-data-{self._site.config.gateway.name}"
        await DataListener(settings, client_id, self._topics, self.ears).run()

    def _topics(self) -> dict[str, str]:
        """Where each node's data is found now."""
        site, found = self._site, dict[str, str]()
        for name, table in site.nodes.items():
            try:
                profile = site.node_types.get(table.profile).profile
            except TenderError:
                continue
            topic, trouble = data_topic(profile, name, table.labels)
            if topic:
                found[name] = topic
            elif trouble:
                self.ears.listening([name], trouble)
        return found

    async def _keep_rates(self) -> None:
        kept = dict[str, float]()
        while True:
            await asyncio.sleep(_KEEP_RATES_EVERY_S)
            known = self.ears.known()
            # A card is not written for what has hardly changed.
            news = {node: often for node, often in known.items() if _differs(kept.get(node), often)}
            try:
                if news:
                    await self._site.journal.keep_data_rates(news)
                    kept |= news
            except TenderError as error:
                log.info("how often data is heard is not kept: %s", error.code)

    async def _keep_speeds(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            speeds, self._speeds = self._speeds, {}
            for node, speed in speeds.items():
                try:
                    await self._site.journal.keep_speed(node, speed)
                except TenderError as error:
                    log.info("node=%s speed not kept: %s", node, error.code)
