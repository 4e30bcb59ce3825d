"""The state over the local API: shown, rebuilt, and exported as a stream of sealed bytes.

Whoever asks brings the seal ready made: a passphrase never comes here, and what goes out
can be read by nobody on the way.
"""

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field

from gateway.api import bodies
from gateway.api.answers import one
from gateway.api.asking import asked, read_body
from gateway.artifacts.files import off_loop
from gateway.control import Control
from gateway.state.contents import Artifacts
from gateway.state.keys import Seal, SealTable

_BLOCK = 1 << 20
"""Bytes that are sent at a time."""


class RebuildBody(bodies.NoBody):
    """Whether nodes are asked although that restarts their applications."""

    allow_restart: bool = False


class ExportBody(bodies.NoBody):
    """With what it is sealed, and which firmware goes along."""

    seal: SealTable
    secret: Annotated[str, Field(pattern=r"^([0-9a-f]{64}|[0-9a-f]{192})$", repr=False)]
    artifacts: Artifacts = "known-good"


def routes(control: Control) -> Sequence[web.RouteDef]:
    """The routes of this area."""

    async def show(_: web.Request) -> web.Response:
        return one(await control.state.show())

    async def rebuild(request: web.Request) -> web.Response:
        body = await read_body(request, RebuildBody)
        who = asked(request, "state-rebuild", allow_restart=body.allow_restart)
        return one(await control.state.rebuild(allow_restart=body.allow_restart, asked_by=who))

    async def export(request: web.Request) -> web.StreamResponse:
        body = await read_body(request, ExportBody)
        who = asked(request, "state-export", artifacts=body.artifacts)
        seal = Seal(body.seal, bytes.fromhex(body.secret))
        async with control.state.export(seal, body.artifacts, asked_by=who) as exported:
            response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
            response.content_length = exported.size
            await response.prepare(request)
            file = await off_loop(lambda: exported.path.open("rb"))
            try:
                while block := await off_loop(lambda: file.read(_BLOCK)):
                    await response.write(block)
            finally:
                file.close()
            return response

    return [
        web.get("/v1/state", show),
        web.post("/v1/state/rebuild", rebuild),
        web.post("/v1/state/export", export),
    ]
