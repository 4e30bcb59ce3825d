"""Wait for attempts to end, and show how they go meanwhile.

What happens is heard, and how things stand is asked: once after the hearing began,
and again whenever the service was away.  So nothing is missed, and a restart of the
service in the middle of an update is only a pause.
"""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from gateway.api.client import Client, ServiceLost, ServiceNotRunning

PATIENCE = 90.0
"""Seconds that the service may be away: a restart with a stop budget takes at most that."""
ASK_AGAIN = 0.5

_ENDS = frozenset({"attempt.done", "deployment.done", "rollout.stopped"})

Ended = Callable[[], "list[dict[str, Any]] | None"]


class Show(Protocol):
    """Shows what happens while we wait."""

    def __call__(self, happened: dict[str, Any], /) -> None:
        """One event or one progress."""
        ...


def wait_for_deployment(service: Client, deployment: str, *, quiet: bool) -> list[dict[str, Any]]:
    """The attempts of a deployment, once all have ended: the newest for each node, by node.

    A rollout that stopped by itself is at its end when nobody is under way any more; those
    that wait are left out.

    Raises:
        ServiceNotRunning: it went away and did not come back.
    """

    def ended() -> list[dict[str, Any]] | None:
        known = service.get("deployments", deployment)
        stopped = known["state"] == "stopped" and not known["rollout"]["finishing"]
        if known["state"] != "done" and not stopped:
            return None
        latest: dict[str, dict[str, Any]] = {}
        for attempt in service.get("attempts"):  # newest first
            if attempt["deployment"] == deployment:
                latest.setdefault(attempt["node"], attempt)
        return [latest[node] for node in sorted(latest) if latest[node]["outcome"]]

    return _wait(service, ended, quiet=quiet)


def wait_for_attempt(service: Client, attempt: int, *, quiet: bool) -> dict[str, Any]:
    """One attempt, once it has ended.  Raises as :func:`wait_for_deployment`."""

    def ended() -> list[dict[str, Any]] | None:
        view = service.get("attempts", str(attempt))["view"]
        return [view] if view["outcome"] else None

    return _wait(service, ended, quiet=quiet)[0]


def _wait(service: Client, ended: Ended, *, quiet: bool) -> list[dict[str, Any]]:
    away_since: float | None = None
    with _shown(quiet=quiet) as show:
        while True:
            try:
                with service.watch() as watching:
                    away_since = None
                    if (found := ended()) is not None:
                        return found
                    for happened in watching:
                        show(happened)
                        kind = happened.get("event", {}).get("kind")
                        if kind in _ENDS and (found := ended()) is not None:
                            return found
            except (ServiceLost, ServiceNotRunning):
                now = time.monotonic()
                away_since = away_since or now
                if now - away_since > PATIENCE:
                    raise
                time.sleep(ASK_AGAIN)


def _shown(*, quiet: bool) -> AbstractContextManager[Show]:
    if quiet:
        return nullcontext(lambda _: None)
    if sys.stderr.isatty():
        from gateway.cli.bars import bars

        return bars()
    from gateway.cli.watch import event_line

    def tell(happened: dict[str, Any]) -> None:
        if "event" in happened:
            print(event_line(happened["event"]), file=sys.stderr, flush=True)

    return nullcontext(tell)
