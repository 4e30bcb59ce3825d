"""The routes of what can be seen: the overview, events, traces, and the journal's check."""

from collections.abc import Sequence

from aiohttp import web

from gateway.api.answers import one
from gateway.control import Control
from gateway.errors import AttemptUnknown, MessageMalformed
from gateway.verbs.seeing import EventQuery

MOST_EVENTS = 5000
"""Events in one answer; who wants more asks again from the last one on."""


def routes(control: Control) -> Sequence[web.RouteDef]:
    """The routes of this area."""

    async def overview(request: web.Request) -> web.Response:
        return one(await control.seeing.overview())

    async def events(request: web.Request) -> web.Response:
        query = request.query
        since = query.get("since_ms")
        return one(
            await control.seeing.events(
                EventQuery(
                    after=_number(query.get("after", "0"), "after"),
                    since_ms=_number(since, "since_ms") if since is not None else None,
                    node=query.get("node"),
                    kind=query.get("kind"),
                    limit=max(1, min(MOST_EVENTS, _number(query.get("limit", "500"), "limit"))),
                    newest=query.get("newest") == "true",
                )
            )
        )

    async def trace(request: web.Request) -> web.Response:
        text = request.match_info["id"]
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise AttemptUnknown(f"{text!r} is no number of an attempt")
        return one(await control.seeing.trace(int(text), after=_after(request)))

    async def trace_of(request: web.Request) -> web.Response:
        return one(await control.seeing.trace_of(request.match_info["name"], after=_after(request)))

    async def journal(request: web.Request) -> web.Response:
        return one(await control.seeing.check_journal())

    return [
        web.get("/v1/overview", overview),
        web.get("/v1/events", events),
        web.get("/v1/attempts/{id}/trace", trace),
        web.get("/v1/nodes/{name}/trace", trace_of),
        web.get("/v1/journal/check", journal),
    ]


def _after(request: web.Request) -> int:
    return _number(request.query.get("after", "0"), "after")


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise MessageMalformed(f"{name}: {text!r} is no number")
    return int(text)
