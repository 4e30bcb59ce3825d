"""Exports that nobody has to think of: to another disk, sealed to somebody's key, the newest few kept.

Which one is the newest is said by a number in the name: a gateway that begins each of
its lives in 1970 would else throw the wrong ones away.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from flashers.api import Reason
from gateway.artifacts.files import off_loop
from gateway.service.site import Site
from gateway.state.exporting import Exported, config_for_reference, export_running
from gateway.state.keys import Recipient, Seal
from transports.errors import TenderError

log = logging.getLogger("tender.state")

_FIRST_S = 60.0
"""Seconds after the start, if one is due: a service that dies soon need not have made one more."""
_RETRY_S = 900.0
_ENDING = ".tender-state"
_HOUR_S = 3600.0


class Unattended:
    """Makes an export every so often."""

    def __init__(self, site: Site, made: Callable[[Exported, Seal], Awaitable[None]]) -> None:
        self._site = site
        self._made = made
        self.last: str | None = None
        """The newest export's file."""
        self.trouble: Reason | None = None
        """Why the last one could not be made."""

    async def run(self) -> None:
        """Work for ever; returns at once if none are wanted."""
        table = self._site.config.exports
        if table.to is None or table.recipient is None:
            return
        every, folder, seal_to = table.every_hours * _HOUR_S, table.to, Recipient.parse(table.recipient)
        await asyncio.sleep(await off_loop(lambda: self._first(folder, every)))
        while True:
            try:
                await self._export(folder, seal_to)
            except TenderError as error:
                self.trouble = Reason(
                    "export-failed", f"The state was not exported: {error.message}", error.what_to_do
                )
                log.warning("not exported: %s", error.message)
                await asyncio.sleep(min(_RETRY_S, every))
            except Exception:  # nodes are updated all the same
                self.trouble = Reason(
                    "export-failed", "The state was not exported: see the log.", "Report it."
                )
                log.exception("not exported")
                await asyncio.sleep(min(_RETRY_S, every))
            else:
                self.trouble = None
                await asyncio.sleep(every)

    async def _export(self, folder: Path, recipient: Recipient) -> None:
        site, table = self._site, self._site.config.exports
        seal = Seal.to(recipient)
        number = await off_loop(lambda: max(self._numbers(folder), default=0) + 1)
        target = folder / f"{site.config.gateway.name}-{number:06}{_ENDING}"
        exported = await export_running(
            site.journal,
            site.config.state,
            target,
            seal,
            table.with_artifacts,
            config_for_reference(site.config),
        )
        self.last = str(target)
        await off_loop(lambda: self._forget_old(folder, table.keep))
        await self._made(exported, seal)
        log.info("exported file=%s bytes=%d", target, exported.size)

    def _first(self, folder: Path, every: float) -> float:
        """Seconds until the first: at once unless the last one is young, by a clock that may be believed."""
        numbers = self._numbers(folder)
        if not numbers:
            return min(_FIRST_S, every)
        newest = folder / numbers[max(numbers)]
        self.last = str(newest)
        age = time.time() - newest.stat().st_mtime
        return max(min(_FIRST_S, every), every - age) if 0 <= age < every else min(_FIRST_S, every)

    def _forget_old(self, folder: Path, keep: int) -> None:
        numbers = self._numbers(folder)
        for number in sorted(numbers)[:-keep]:
            (folder / numbers[number]).unlink(missing_ok=True)

    def _numbers(self, folder: Path) -> dict[int, str]:
        """Our exports in the folder, by number; those of other gateways are none of our business."""
        name = re.escape(self._site.config.gateway.name)
        form = re.compile(rf"{name}-(\d{{6,}}){re.escape(_ENDING)}")
        found = (form.fullmatch(path.name) for path in folder.glob(f"*{_ENDING}"))
        return {int(match[1]): match[0] for match in found if match is not None}
