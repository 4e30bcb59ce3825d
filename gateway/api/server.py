"""Serve the gateway's verbs over HTTP on a Unix socket.

Who may open the socket may ask; the folder and the socket's mode (0660) say who that
is.  Everything that is answered is a view as JSON, or an error with code, message
and remedy.  Nothing here knows more of the gateway than :class:`~gateway.control.Control`.
"""

import asyncio
import logging
from pathlib import Path

from aiohttp import web

from gateway.api import bodies
from gateway.api.answers import answer_errors, line, many, one
from gateway.api.asking import asked, read_body
from gateway.api.listening import bound_socket
from gateway.api.routes import AREAS
from gateway.api.routes.nodes import read_query
from gateway.api.spool import clear, spooled
from gateway.control import Control
from gateway.errors import AttemptUnknown, MessageMalformed
from gateway.service.nodes.query import select

log = logging.getLogger(__name__)

JSON_LIMIT = 1 << 20
"""Bytes of a request that is not a file."""
UPLOAD_LIMIT = 512 << 20
"""Bytes of a release file."""
HEARTBEAT = 15.0
"""Seconds without news after which a watcher is sent an empty line, to learn whether it is still there."""
LAST_WORDS = 0.2
"""Seconds without news after which a watcher of a stopping service has heard everything."""
BACKLOG = 64


class ApiServer:
    """The local API of one gateway.

    Args:
        control: what can be asked.
        path: of the socket.
        spool: a folder for files while they arrive, and for nothing else.
    """

    def __init__(
        self, control: Control, path: Path, *, spool: Path, upload_limit: int = UPLOAD_LIMIT
    ) -> None:
        self._control = control
        self._path = path
        self._spool = spool
        self._upload_limit = upload_limit
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Listen.

        Raises:
            SocketInUse: a service answers there.
            SocketDenied: the socket cannot be made.
        """
        clear(self._spool)
        self._stopping.clear()
        app = web.Application(middlewares=[answer_errors], client_max_size=JSON_LIMIT)
        app.add_routes(self._routes())
        # A client that goes away does not take back what it asked for.
        runner = web.AppRunner(app, handler_cancellation=False, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        try:
            listening = bound_socket(self._path)
            await web.SockSite(runner, listening, backlog=BACKLOG).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        log.info("listening socket=%s", self._path)

    async def stop(self) -> None:
        """Take the socket away, end the watchers, and let what is under way finish for a moment."""
        if self._runner is None:
            return
        self._path.unlink(missing_ok=True)
        self._stopping.set()
        await self._runner.cleanup()
        self._runner = None

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/status", self._status),
            web.get("/v1/nodes", self._nodes),
            web.get("/v1/nodes/{name}", self._node),
            web.get("/v1/nodes/{name}/explain", self._explain),
            web.post("/v1/nodes/{name}/probe", self._probe),
            web.post("/v1/nodes/{name}/rollback", self._rollback),
            web.get("/v1/deployments", self._deployments),
            web.post("/v1/deployments", self._deploy),
            web.put("/v1/desired", self._desired),
            web.get("/v1/attempts", self._attempts),
            web.get("/v1/attempts/{id}", self._attempt),
            web.post("/v1/cancel", self._cancel),
            web.get("/v1/releases", self._releases),
            web.post("/v1/releases", self._add_release),
            web.post("/v1/baselines", self._add_baseline),
            web.get("/v1/watch", self._watch),
            *(route for routes in AREAS for route in routes(self._control)),
        ]

    async def _status(self, request: web.Request) -> web.Response:
        return one(await self._control.status())

    async def _nodes(self, request: web.Request) -> web.Response:
        query = read_query(request)
        views = await self._control.nodes()
        return many(views if query is None else select(views, query))

    async def _node(self, request: web.Request) -> web.Response:
        return one(await self._control.node(request.match_info["name"]))

    async def _explain(self, request: web.Request) -> web.Response:
        return one(await self._control.explain(request.match_info["name"]))

    async def _probe(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await read_body(request, bodies.ProbeBody)
        asked(request, "probe", node=name, allow_restart=body.allow_restart)
        return one(await self._control.probe(name, allow_restart=body.allow_restart))

    async def _rollback(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await read_body(request, bodies.NoBody)
        who = asked(request, "rollback", node=name)
        return one(await self._control.rollback(name, asked_by=who))

    async def _deployments(self, request: web.Request) -> web.Response:
        return many(await self._control.deployments())

    async def _deploy(self, request: web.Request) -> web.Response:
        body = await read_body(request, bodies.DeployBody)
        who = asked(request, "deploy", deployment=body.id, release=f"{body.product} {body.version}")
        return one(await self._control.deploy(body.request(who)))

    async def _desired(self, request: web.Request) -> web.Response:
        body = await read_body(request, bodies.DesiredBody)
        who = asked(request, "desired", revision=body.revision)
        wanted = tuple(each.request(who, body.revision) for each in body.deployments)
        await self._control.desired(body.revision, wanted)
        return many(await self._control.deployments())

    async def _attempts(self, request: web.Request) -> web.Response:
        node, open_only = request.query.get("node"), request.query.get("open") == "true"
        return many(await self._control.attempts(node=node, open_only=open_only))

    async def _attempt(self, request: web.Request) -> web.Response:
        text = request.match_info["id"]
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise AttemptUnknown(f"{text!r} is no number of an attempt")
        return one(await self._control.attempt(int(text)))

    async def _cancel(self, request: web.Request) -> web.Response:
        body = await read_body(request, bodies.CancelBody)
        who = asked(request, "cancel", target=body.target)
        return many(await self._control.cancel(body.target, asked_by=who))

    async def _releases(self, request: web.Request) -> web.Response:
        return many(await self._control.releases())

    async def _add_release(self, request: web.Request) -> web.Response:
        who = asked(request, "add-release")
        async with spooled(request.content, self._spool, self._upload_limit) as file:
            return one(await self._control.add_release(file, asked_by=who))

    async def _add_baseline(self, request: web.Request) -> web.Response:
        query = request.query
        if "profile" not in query:
            raise MessageMalformed("profile: a baseline is for nodes of one profile")
        asked(request, "add-baseline", profile=query["profile"])
        async with spooled(request.content, self._spool, self._upload_limit) as file:
            view = await self._control.add_baseline(
                file,
                profile=query["profile"],
                component=query.get("component", "app"),
                version=query.get("version"),
            )
        return one(view)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        """Every event and the latest progress, one JSON object a line, until the client goes away."""
        source = self._control.watch()
        following = asyncio.ensure_future(anext(source, None))
        # Whoever has read the answer's head is told of everything that happens from then on.
        await asyncio.sleep(0)
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await response.prepare(request)
            while True:
                await asyncio.wait(
                    {following, stopping}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED
                )
                if stopping.done():
                    # What has happened so far is still told, the farewell included.
                    await asyncio.wait({following}, timeout=LAST_WORDS)
                    if not following.done():
                        return response
                if not following.done():
                    await response.write(b"\n")
                    continue
                happened = following.result()
                if happened is None:
                    return response
                following = asyncio.ensure_future(anext(source, None))
                await response.write(line(happened))
        except ConnectionError:
            return response
        finally:
            stopping.cancel()
            following.cancel()
