"""What becomes of the adapters is written down and told: troubles, power cycles, what they carry."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from flashers.api import Reason, Stamp
from gateway.journal.journal import Told
from gateway.model.links import RadioView
from gateway.service.site import Site
from transports.ble.errors import AdapterHung, AdapterMissing
from transports.errors import TenderError

if TYPE_CHECKING:
    from transports.ble.adapter import Adapter

log = logging.getLogger("tender.adapters")

FINE = "fine"
_CODES = {"deaf": "ble-adapter-deaf", "hung": AdapterHung.code, "missing": AdapterMissing.code}
_REMEDIES = {
    "deaf": "It is switched off and on by itself, ever more rarely; if that does not help, unplug it.",
    "hung": AdapterHung.remedy,
    "missing": AdapterMissing.remedy,
}


class AdapterWatch:
    """Hears of every adapter's changes.

    Args:
        site: whose adapters.
        amiss: called when an adapter fell ill, or is well again.
    """

    def __init__(self, site: Site, amiss: Callable[[], None] = lambda: None) -> None:
        self._site = site
        self.amiss = amiss
        self._jobs: set[asyncio.Task[None]] = set()
        site.adapters.listen(self._made)

    def reasons(self) -> tuple[Reason, ...]:
        """What is the matter with adapters, one reason for each kind of trouble."""
        found: dict[str, list[str]] = {}
        for name, adapter in sorted(self._site.adapters.made.items()):
            if adapter.state != FINE:
                found.setdefault(str(adapter.state), []).append(f"{name}: {adapter.message}")
        return tuple(
            Reason(_CODES[state], f"An adapter is {state} ({'; '.join(said)}).", _REMEDIES[state])
            for state, said in found.items()
        )

    def view(self, channel: str, stamp: Stamp) -> RadioView | None:
        """An adapter as it is shown; None for a channel that is none."""
        scheme, _, name = channel.partition(":")
        if scheme != "ble":
            return None
        adapters = self._site.adapters
        settings = adapters.settings.get(name)
        learned = name in adapters.learned and (settings is None or settings.links is None)
        adapter = adapters.made.get(name)
        if adapter is None:
            return RadioView((), adapters.cap(name), learned=learned)
        by_address = {
            (table.spec.address or "").upper(): node
            for node, table in self._site.nodes.items()
            if table.spec.channel == channel
        }
        now = asyncio.get_running_loop().time()
        ago = None if adapter.last_heard is None else now - adapter.last_heard
        return RadioView(
            connected=tuple(
                sorted(by_address.get(link.address.upper(), link.address) for link in adapter.open_links)
            ),
            cap=adapter.cap,
            learned=learned,
            power_cycles=adapter.power_cycles,
            last_heard=None if ago is None else Stamp(stamp.unix_ms - round(ago * 1000), stamp.synchronised),
            hears=len(adapter.heard_lately(lambda _: True, within=60.0)),
            state=str(adapter.state),
            message=adapter.message,
            cycled_for=adapter.cycled_for,
        )

    def _made(self, adapter: "Adapter") -> None:
        adapter.listen(self._news)

    def _news(self, adapter: "Adapter", what: str) -> None:
        match what:
            case "power-cycled":
                data: dict[str, object] = {
                    "adapter": adapter.name,
                    "why": adapter.cycled_for,
                    "power_cycles": adapter.power_cycles,
                    "nodes": self._nodes(adapter.name),
                }
                self._do(self._site.journal.tell(Told("adapter.power-cycled", data=data)))
            case "state":
                self.amiss()
            case "cap":
                self._site.adapters.learned[adapter.name] = adapter.cap
                self._do(self._site.journal.keep_cap(adapter.name, adapter.cap))
            case _:
                pass

    def _nodes(self, name: str) -> list[str]:
        return sorted(node for node, table in self._site.nodes.items() if table.spec.channel == f"ble:{name}")

    def _do(self, work: "asyncio.Future[None] | object") -> None:
        async def done() -> None:
            with suppress(TenderError):  # a full disk: it is still shown
                await work  # type: ignore[misc]

        task = asyncio.create_task(done())
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
