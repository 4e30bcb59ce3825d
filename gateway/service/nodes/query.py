"""Which nodes somebody asks for; judged by what is shown of them, so that list and answer agree."""

import time
from collections.abc import Iterable

from flashers.api import Firmware, Stamp
from flashers.api.versions import same_version
from gateway.model.views import NodeView
from gateway.verbs.nodes import NodeQuery

_NOT = "not:"
_DIGITS = 8
"""A digest may be given by as many of its first hexadecimal digits, or more."""


def select(views: Iterable[NodeView], query: NodeQuery, *, now_ms: int | None = None) -> list[NodeView]:
    """The nodes that meet the query, in the order in which they come."""
    now = int(time.time() * 1000) if now_ms is None else now_ms
    wanted = set(query.where.items())
    return [
        view
        for view in views
        if (query.state is None or view.state == query.state)
        and (query.profile is None or view.profile == query.profile)
        and (not wanted or wanted <= view.labels.items())
        and (not query.no_known_good or not view.known_good)
        and (query.on is None or _is_on(view, query.on))
        and (query.stale_s is None or stale(view.verified_at, query.stale_s, now))
    ]


def stale(verified: Stamp | None, limit_s: float, now_ms: int) -> bool:
    """Whether something was verified too long ago, or at a time that says nothing."""
    if verified is None or not verified.synchronised:
        return True
    age_ms = now_ms - verified.unix_ms
    return age_ms < 0 or age_ms >= limit_s * 1000


def _is_on(view: NodeView, wanted: str) -> bool:
    version = wanted.removeprefix(_NOT)
    runs = any(each.firmware is not None and _names(each.firmware, version) for each in view.components)
    return runs != wanted.startswith(_NOT)


def _names(firmware: Firmware, version: str) -> bool:
    if firmware.version is not None and (
        firmware.version == version or same_version(firmware.version, version)
    ):
        return True
    digest = firmware.identity
    return digest is not None and len(version) >= _DIGITS and str(digest).split(":")[-1].startswith(version)
