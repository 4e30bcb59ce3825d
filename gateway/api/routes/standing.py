"""Draining, and what nodes are heard to say, over the local API."""

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field

from gateway.api import bodies
from gateway.api.answers import one
from gateway.api.asking import asked, read_body
from gateway.control import Control


class DrainBody(bodies.NoBody):
    """For how long, in seconds; until it is undone if it is left out."""

    for_s: Annotated[float, Field(gt=0, le=366 * 86_400)] | None = None


class DataBody(bodies.NoBody):
    """How many messages of the node were heard since the last report."""

    count: Annotated[int, Field(ge=1, le=1_000_000)] = 1


def routes(control: Control) -> Sequence[web.RouteDef]:
    """The routes of this area."""

    async def standing(request: web.Request) -> web.Response:
        return one(await control.standing.standing())

    async def drain(request: web.Request) -> web.Response:
        body = await read_body(request, DrainBody)
        who = asked(request, "drain", for_s=body.for_s)
        return one(await control.standing.drain(for_s=body.for_s, asked_by=who))

    async def undrain(request: web.Request) -> web.Response:
        await read_body(request, bodies.NoBody)
        return one(await control.standing.undrain(asked_by=asked(request, "undrain")))

    async def heard(request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await read_body(request, DataBody)
        return one(await control.standing.heard(name, count=body.count))

    async def data(request: web.Request) -> web.Response:
        return one(await control.standing.data(request.match_info["name"]))

    return [
        web.get("/v1/drain", standing),
        web.post("/v1/drain", drain),
        web.post("/v1/undrain", undrain),
        web.post("/v1/nodes/{name}/data", heard),
        web.get("/v1/nodes/{name}/data", data),
    ]
