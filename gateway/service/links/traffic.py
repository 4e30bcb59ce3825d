"""The links' counters: of this life of the service, on top of what earlier ones have written down.

They are kept a minute behind, so that a card is not worn by them: what a crash takes is
the last minute of numbers that nothing is decided by.
"""

from collections.abc import Mapping

from flashers.api import Stamp
from gateway.model.links import Traffic
from transports.counters import LinkCounters

Key = tuple[str, str]
"""A link as configured, and a node on it."""


class TrafficBook:
    """Counters by link and node."""

    def __init__(self) -> None:
        self._before: dict[Key, Traffic] = {}
        self._live: dict[Key, LinkCounters] = {}

    def load(self, before: Mapping[Key, Traffic]) -> None:
        """What earlier lives have counted."""
        self._before = dict(before)

    def of(self, channel: str, node: str) -> LinkCounters:
        """Where to count."""
        return self._live.setdefault((channel, node), LinkCounters())

    def view(self, channel: str, node: str, *, now: float, stamp: Stamp) -> Traffic:
        """Everything that was counted for a node; ``now`` is the loop's time at ``stamp``."""
        before = self._before.get((channel, node), Traffic())
        live = self._live.get((channel, node))
        if live is None:
            return before
        silent = live.silent(now)
        asked = bool(live.opens or live.errors)
        return Traffic(
            opens=before.opens + live.opens,
            reopens=before.reopens + live.reopens,
            errors=before.errors + live.errors,
            resets=before.resets + live.resets,
            bytes_down=before.bytes_down + live.bytes_down,
            bytes_up=before.bytes_up + live.bytes_up,
            last_good=_stamp(live.last_up, now, stamp) or before.last_good,
            silent=before.silent if silent is None else silent,
            last_error=live.last_error if asked else before.last_error,
            last_message=live.last_message if asked else before.last_message,
        )

    def unsaved(self, *, now: float, stamp: Stamp) -> dict[Key, Traffic]:
        """What has to be written down; it counts as written from now on."""
        found = {}
        for (channel, node), live in self._live.items():
            if live.changed:
                live.changed = False
                found[channel, node] = self.view(channel, node, now=now, stamp=stamp)
        return found


def summed(each: list[Traffic]) -> Traffic:
    """The traffic of a whole link."""
    lasts = [one.last_good for one in each if one.last_good is not None]
    failed = next((one for one in each if one.last_error), Traffic())
    return Traffic(
        opens=sum(one.opens for one in each),
        reopens=sum(one.reopens for one in each),
        errors=sum(one.errors for one in each),
        resets=sum(one.resets for one in each),
        bytes_down=sum(one.bytes_down for one in each),
        bytes_up=sum(one.bytes_up for one in each),
        last_good=max(lasts, key=lambda stamp: stamp.unix_ms, default=None),
        silent=any(one.silent for one in each) and all(one.silent or not one.bytes_down for one in each),
        last_error=failed.last_error,
        last_message=failed.last_message,
    )


def _stamp(at: float | None, now: float, stamp: Stamp) -> Stamp | None:
    return None if at is None else Stamp(stamp.unix_ms - round((now - at) * 1000), stamp.synchronised)
