"""Zigbee networks over the local API: who may join, who did, what is kept, and frames of others' software."""

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field

from gateway.api import bodies
from gateway.api.answers import many, one
from gateway.api.asking import asked, read_body
from gateway.control import Control
from gateway.verbs.zigbee import LONGEST_PERMIT_S, ZclRequest

_U8 = Annotated[int, Field(ge=0, le=0xFF)]
_U16 = Annotated[int, Field(ge=0, le=0xFFFF)]
_LONGEST_ANSWER_S = 50.0


class PermitBody(bodies.NoBody):
    """For so long, and through which router."""

    seconds: Annotated[float, Field(ge=0, le=LONGEST_PERMIT_S)] = 60.0
    through: str | None = Field(default=None, max_length=23)


class RestoreBody(bodies.NoBody):
    """Which backup, as the list calls it."""

    name: str = Field(min_length=1, max_length=100)


class ZclBody(bodies.NoBody):
    """A frame; see :class:`gateway.verbs.zigbee.ZclRequest`."""

    endpoint: Annotated[int, Field(ge=1, le=240)]
    cluster: _U16
    command: _U8
    payload: str = Field(default="", max_length=160)
    general: bool = False
    to_client: bool = False
    manufacturer: _U16 | None = None
    answer_within: Annotated[float, Field(gt=0, le=_LONGEST_ANSWER_S)] | None = 8.0


def routes(control: Control) -> Sequence[web.RouteDef]:
    """The routes of this area."""

    async def networks(request: web.Request) -> web.Response:
        return many(await control.zigbee.networks())

    async def nodes(request: web.Request) -> web.Response:
        return many(await control.zigbee.joined(request.query.get("network")))

    async def permit(request: web.Request) -> web.Response:
        body, name = await read_body(request, PermitBody), request.match_info["name"]
        who = asked(request, "permit", network=name, seconds=body.seconds)
        return one(await control.zigbee.permit(name, body.seconds, through=body.through, asked_by=who))

    async def interview(request: web.Request) -> web.Response:
        name, ieee = request.match_info["name"], request.match_info["ieee"]
        await read_body(request, bodies.NoBody)
        who = asked(request, "interview", network=name, ieee=ieee)
        return one(await control.zigbee.interview(name, ieee, asked_by=who))

    async def dismiss(request: web.Request) -> web.Response:
        name, ieee = request.match_info["name"], request.match_info["ieee"]
        await read_body(request, bodies.NoBody)
        who = asked(request, "dismiss", network=name, ieee=ieee)
        return one(await control.zigbee.dismiss(name, ieee, asked_by=who))

    async def zcl(request: web.Request) -> web.Response:
        body = await read_body(request, ZclBody)
        name, ieee = request.match_info["name"], request.match_info["ieee"]
        who = asked(request, "zcl", network=name, ieee=ieee, cluster=body.cluster, command=body.command)
        answer = await control.zigbee.zcl(ZclRequest(name, ieee, **body.model_dump()), asked_by=who)
        return one(answer)

    async def backups(request: web.Request) -> web.Response:
        return many(await control.zigbee.backups(request.match_info["name"]))

    async def back_up(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await read_body(request, bodies.NoBody)
        return one(await control.zigbee.back_up(name, asked_by=asked(request, "back-up", network=name)))

    async def restore(request: web.Request) -> web.Response:
        body, name = await read_body(request, RestoreBody), request.match_info["name"]
        who = asked(request, "restore", network=name, backup=body.name)
        return one(await control.zigbee.restore(name, body.name, asked_by=who))

    return [
        web.get("/v1/zigbee", networks),
        web.get("/v1/zigbee/nodes", nodes),
        web.post("/v1/zigbee/{name}/permit", permit),
        web.post("/v1/zigbee/{name}/nodes/{ieee}/interview", interview),
        web.post("/v1/zigbee/{name}/nodes/{ieee}/dismiss", dismiss),
        web.post("/v1/zigbee/{name}/nodes/{ieee}/zcl", zcl),
        web.get("/v1/zigbee/{name}/backups", backups),
        web.post("/v1/zigbee/{name}/backups", back_up),
        web.post("/v1/zigbee/{name}/restore", restore),
    ]
