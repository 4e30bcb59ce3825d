"""Nodes on the air over the local API: who is heard, and whose each node is."""

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field

from gateway.api import bodies
from gateway.api.answers import one
from gateway.api.asking import asked, read_body
from gateway.control import Control
from gateway.verbs.discovery import LONGEST_LISTEN_S


class ListenBody(bodies.NoBody):
    """For so long, on every adapter."""

    seconds: Annotated[float, Field(gt=0, le=LONGEST_LISTEN_S)]


class HandoverBody(bodies.NoBody):
    """To which gateway, by its name."""

    to: str = Field(min_length=1, max_length=64)


class ClaimBody(bodies.NoBody):
    """``take_over``: whoever had it."""

    take_over: bool = False


def routes(control: Control) -> Sequence[web.RouteDef]:
    """The routes of this area."""

    async def air(request: web.Request) -> web.Response:
        return one(await control.discovery.air())

    async def listen(request: web.Request) -> web.Response:
        body = await read_body(request, ListenBody)
        who = asked(request, "listen", seconds=body.seconds)
        return one(await control.discovery.listen(body.seconds, asked_by=who))

    async def owner(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await control.node(name)
        return one(await control.discovery.owner(name))

    async def handover(request: web.Request) -> web.Response:
        body, name = await read_body(request, HandoverBody), request.match_info["name"]
        who = asked(request, "handover", node=name, to=body.to)
        return one(await control.discovery.handover(name, body.to, asked_by=who))

    async def claim(request: web.Request) -> web.Response:
        body, name = await read_body(request, ClaimBody), request.match_info["name"]
        who = asked(request, "claim", node=name, take_over=body.take_over)
        return one(await control.discovery.claim(name, over=body.take_over, asked_by=who))

    return [
        web.get("/v1/air", air),
        web.post("/v1/air/listen", listen),
        web.get("/v1/nodes/{name}/owner", owner),
        web.post("/v1/nodes/{name}/handover", handover),
        web.post("/v1/nodes/{name}/claim", claim),
    ]
