"""The local API's routes about the nodes themselves: coming, going, labels, rounds of looks."""

from typing import Annotated

from aiohttp import web
from pydantic import Field

from gateway.api import bodies
from gateway.api.answers import one
from gateway.api.asking import asked, read_body
from gateway.control import Control
from gateway.errors import MessageMalformed
from gateway.service.nodes.errors import RoundUnknown
from gateway.verbs.nodes import AdoptRequest, NodeQuery, ProbeAll

_QUERY = frozenset({"on", "where", "profile", "state", "stale", "no_known_good"})


class AdoptBody(bodies.NoBody):
    """What a node is, and where."""

    profile: str = Field(min_length=1)
    link: str = Field(min_length=1)
    labels: dict[str, str] = Field(default_factory=dict)


class RenameBody(bodies.NoBody):
    """The name that a node has from now on."""

    name: str = Field(min_length=1)


class LabelBody(bodies.NoBody):
    """Labels to set, or to take away (null)."""

    labels: dict[str, str | None]


class QueryBody(bodies.NoBody):
    """Which nodes; see the query of ``GET /v1/nodes``."""

    on: str | None = None
    where: dict[str, str] = Field(default_factory=dict)
    profile: str | None = None
    state: str | None = None
    stale_s: Annotated[float, Field(ge=0)] | None = None
    no_known_good: bool = False

    def query(self) -> NodeQuery:
        """The same as a plain value."""
        return NodeQuery(**dict(self))


class ProbeAllBody(bodies.NoBody):
    """A round of looks."""

    stale_s: Annotated[float, Field(ge=0)] | None = None
    allow_restart: bool = False
    where: QueryBody = QueryBody()


def routes(control: Control) -> list[web.RouteDef]:
    """What can be asked about nodes."""

    async def adopt(request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await read_body(request, AdoptBody)
        who = asked(request, "node-adopt", node=name, profile=body.profile, link=body.link)
        return one(
            await control.roster.adopt(AdoptRequest(name, body.profile, body.link, body.labels), asked_by=who)
        )

    async def replace(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await read_body(request, bodies.NoBody)
        return one(await control.roster.replace(name, asked_by=asked(request, "node-replace", node=name)))

    async def forget(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await read_body(request, bodies.NoBody)
        await control.roster.forget(name, asked_by=asked(request, "node-forget", node=name))
        return web.json_response({"forgotten": name})

    async def rename(request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await read_body(request, RenameBody)
        who = asked(request, "node-rename", node=name, to=body.name)
        return one(await control.roster.rename(name, body.name, asked_by=who))

    async def label(request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await read_body(request, LabelBody)
        return one(
            await control.roster.label(name, body.labels, asked_by=asked(request, "node-label", node=name))
        )

    async def accept(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await read_body(request, bodies.NoBody)
        return one(await control.roster.accept(name, asked_by=asked(request, "node-accept", node=name)))

    async def probe_all(request: web.Request) -> web.Response:
        body = await read_body(request, ProbeAllBody)
        who = asked(request, "probe-all", stale_s=body.stale_s, allow_restart=body.allow_restart)
        wanted = ProbeAll(body.stale_s, body.allow_restart, body.where.query())
        return one(await control.roster.probe_all(wanted, asked_by=who))

    async def probe_round(request: web.Request) -> web.Response:
        text = request.match_info["number"]
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise RoundUnknown(f"{text!r} is no number of a round")
        return one(await control.roster.probe_round(int(text)))

    return [
        web.post("/v1/nodes/{name}/adopt", adopt),
        web.post("/v1/nodes/{name}/replace", replace),
        web.post("/v1/nodes/{name}/forget", forget),
        web.post("/v1/nodes/{name}/rename", rename),
        web.post("/v1/nodes/{name}/label", label),
        web.post("/v1/nodes/{name}/accept", accept),
        web.post("/v1/probes", probe_all),
        web.get("/v1/probes/{number}", probe_round),
    ]


def read_query(request: web.Request) -> NodeQuery | None:
    """What ``GET /v1/nodes`` is asked for; None for every node.

    ``where`` is ``label=value`` and may be given several times, ``stale`` are seconds.

    Raises:
        MessageMalformed: it is not of this form.
    """
    query = request.query
    if not query:
        return None
    unknown = set(query) - _QUERY
    if unknown:
        raise MessageMalformed(f"{min(unknown)}: nodes are selected by {', '.join(sorted(_QUERY))}")
    where: dict[str, str] = {}
    for text in query.getall("where", []):
        label, equals, value = text.partition("=")
        if not equals or not label:
            raise MessageMalformed(f"where: {text!r} is not LABEL=VALUE")
        where[label] = value
    try:
        stale_s = float(query["stale"]) if "stale" in query else None
    except ValueError:
        stale_s = -1.0
    if stale_s is not None and not 0 <= stale_s < float("inf"):
        raise MessageMalformed(f"stale: {query['stale']!r} are no seconds")
    return NodeQuery(
        on=query.get("on"),
        where=where,
        profile=query.get("profile"),
        state=query.get("state"),
        stale_s=stale_s,
        no_known_good=query.get("no_known_good") == "true",
    )
