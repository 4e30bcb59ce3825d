"""Links and their leases, over the local API: the user's own software asks, renews and gives back here."""

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field

from gateway.api import bodies
from gateway.api.answers import many, one
from gateway.api.asking import asked, read_body
from gateway.control import Control
from gateway.errors import MessageMalformed
from gateway.verbs.links import LeaseRequest

_LONGEST_S = 7 * 86_400
"""A lease is a loan: whoever wants the link for longer takes the nodes out of the configuration."""
_LONGEST_WAIT_S = 60.0
"""Less than a client waits for an answer; who wants to wait longer asks again."""

Span = Annotated[float, Field(gt=0, le=_LONGEST_S)]


class LeaseBody(bodies.NoBody):
    """A link, for so many seconds; ``wait_s`` is the patience with a node that must not be left."""

    link: str = Field(min_length=1, max_length=500)
    seconds: Span
    why: str = Field(default="", max_length=200)
    wait_s: Annotated[float, Field(ge=0, le=_LONGEST_WAIT_S)] = 0.0


class RenewBody(bodies.NoBody):
    """Seconds from now."""

    seconds: Span


class GiveBackBody(bodies.NoBody):
    """A lease by its number, or its link."""

    target: str = Field(min_length=1, max_length=500)


def routes(control: Control) -> Sequence[web.RouteDef]:
    """The routes of this area."""

    async def links(request: web.Request) -> web.Response:
        return many(await control.links.links())

    async def link(request: web.Request) -> web.Response:
        return one(await control.links.link(request.match_info["name"]))

    async def finding(request: web.Request) -> web.Response:
        return one(await control.links.diagnose(request.match_info["name"]))

    async def leases(request: web.Request) -> web.Response:
        return many(await control.links.leases())

    async def lease(request: web.Request) -> web.Response:
        body = await read_body(request, LeaseBody)
        who = asked(request, "lease", link=body.link, seconds=body.seconds)
        return one(
            await control.links.lease(LeaseRequest(body.link, body.seconds, who, body.why, body.wait_s))
        )

    async def renew(request: web.Request) -> web.Response:
        body, number = await read_body(request, RenewBody), _number(request.match_info["id"])
        who = asked(request, "renew-lease", lease=number, seconds=body.seconds)
        return one(await control.links.renew(number, body.seconds, asked_by=who))

    async def give_back(request: web.Request) -> web.Response:
        body = await read_body(request, GiveBackBody)
        who = asked(request, "give-back", target=body.target)
        return one(await control.links.give_back(body.target, asked_by=who))

    return [
        web.get("/v1/links", links),
        web.get("/v1/links/{name}", link),
        web.get("/v1/links/{name}/finding", finding),
        web.get("/v1/leases", leases),
        web.post("/v1/leases", lease),
        web.post("/v1/leases/{id}/renew", renew),
        web.post("/v1/leases/give-back", give_back),
    ]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise MessageMalformed(f"{text!r} is no number of a lease")
    return int(text)
