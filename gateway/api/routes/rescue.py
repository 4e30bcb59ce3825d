"""What the local API offers for nodes that do not answer."""

from typing import Literal

from aiohttp import web

from gateway.api import bodies
from gateway.api.answers import one
from gateway.api.asking import asked, read_body
from gateway.control import Control


class PowerBody(bodies.NoBody):
    """A step that somebody asks for."""

    action: Literal["cycle", "reset"]
    step: str | None = None
    force: bool = False
    yes_all: bool = False


def routes(control: Control) -> list[web.RouteDef]:
    """Power, recover, identify."""

    async def power(request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await read_body(request, PowerBody)
        who = asked(request, "power", node=name, action=body.action, step=body.step, force=body.force)
        return one(
            await control.rescue.power(
                name, body.action, step=body.step, force=body.force, yes_all=body.yes_all, asked_by=who
            )
        )

    async def recover(request: web.Request) -> web.Response:
        return one(await control.rescue.recover(request.match_info["name"]))

    async def recover_now(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await read_body(request, bodies.NoBody)
        return one(await control.rescue.recover_now(name, asked_by=asked(request, "recover", node=name)))

    async def identify(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await read_body(request, bodies.NoBody)
        return one(await control.rescue.identify(name, asked_by=asked(request, "identify", node=name)))

    return [
        web.post("/v1/nodes/{name}/power", power),
        web.get("/v1/nodes/{name}/recover", recover),
        web.post("/v1/nodes/{name}/recover", recover_now),
        web.post("/v1/nodes/{name}/identify", identify),
    ]
