"""Pauses, holds and recalls over the local API; what each does is its verb's to say."""

from collections.abc import Sequence

from aiohttp import web
from pydantic import Field

from gateway.api.answers import many, one
from gateway.api.asking import asked, read_body
from gateway.api.bodies import NoBody
from gateway.control import Control
from gateway.errors import MessageMalformed

_WHY_MAX = 500


class ScopeBody(NoBody):
    """One deployment, or all of them and everything else."""

    deployment: str | None = Field(default=None, min_length=1, max_length=128)
    all: bool = False
    why: str = Field(default="", max_length=_WHY_MAX)

    def scope(self) -> str | None:
        """The deployment, or None for everything.  Raises MessageMalformed: neither or both were named."""
        if (self.deployment is None) is not self.all:
            raise MessageMalformed("deployment: name one, or say all, and not both")
        return self.deployment


class HoldBody(NoBody):
    """Why a release is held."""

    why: str = Field(default="", max_length=_WHY_MAX)


class RecallBody(HoldBody):
    """A recall."""

    back: bool = False


def routes(control: Control) -> Sequence[web.RouteDef]:
    """The routes, for this gateway."""

    async def deployment(request: web.Request) -> web.Response:
        return one(await control.rollout.deployment(request.match_info["id"]))

    async def pause(request: web.Request) -> web.Response:
        body = await read_body(request, ScopeBody)
        who = asked(request, "pause", deployment=body.scope())
        return one(await control.rollout.pause(body.scope(), asked_by=who, why=body.why))

    async def resume(request: web.Request) -> web.Response:
        body = await read_body(request, ScopeBody)
        who = asked(request, "resume", deployment=body.scope())
        return one(await control.rollout.resume(body.scope(), asked_by=who))

    async def activate(request: web.Request) -> web.Response:
        name = request.match_info["id"]
        await read_body(request, NoBody)
        who = asked(request, "activate", deployment=name)
        return one(await control.rollout.activate(name, asked_by=who))

    async def hold(request: web.Request) -> web.Response:
        release, body = request.match_info["release"], await read_body(request, HoldBody)
        who = asked(request, "hold", release=release)
        return one(await control.rollout.hold(release, asked_by=who, why=body.why))

    async def unhold(request: web.Request) -> web.Response:
        release = request.match_info["release"]
        await read_body(request, NoBody)
        await control.rollout.unhold(release, asked_by=asked(request, "unhold", release=release))
        return many(await control.rollout.marks())

    async def recall(request: web.Request) -> web.Response:
        release, body = request.match_info["release"], await read_body(request, RecallBody)
        who = asked(request, "recall", release=release, back=body.back)
        return one(await control.rollout.recall(release, back=body.back, asked_by=who, why=body.why))

    async def marks(request: web.Request) -> web.Response:
        return many(await control.rollout.marks())

    async def budget(request: web.Request) -> web.Response:
        return one(await control.rollout.budget(request.match_info["name"]))

    return [
        web.get("/v1/deployments/{id}", deployment),
        web.post("/v1/deployments/{id}/activate", activate),
        web.post("/v1/pause", pause),
        web.post("/v1/resume", resume),
        web.get("/v1/marks", marks),
        web.post("/v1/releases/{release}/hold", hold),
        web.post("/v1/releases/{release}/unhold", unhold),
        web.post("/v1/releases/{release}/recall", recall),
        web.get("/v1/nodes/{name}/budget", budget),
    ]
