"""A real HTTP server on loopback that does what servers do: cut off, ignore Range, change, and lie.

It also runs as a process of its own: ``python -m tests.gateway.artifacts.server``.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Behave = Callable[["FileServer", web.Request], Awaitable[web.StreamResponse]]

CHUNK = 4096


@dataclass
class FileServer:
    """One file. ``script`` are behaviours of the next requests; then it behaves well."""

    content: bytes
    etag: str | None = '"v1"'
    last_modified: str | None = None
    script: list[Behave] = field(default_factory=list)
    port: int = 0
    sent: int = 0
    """Bytes of content that were given to the connection."""
    requests: list[dict[str, str]] = field(default_factory=list)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/file"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(dict(request.headers))
        behave = self.script.pop(0) if self.script else answer_well
        return await behave(self, request)

    def headers(self) -> dict[str, str]:
        marks = {"ETag": self.etag, "Last-Modified": self.last_modified}
        return {name: value for name, value in marks.items() if value is not None}

    def same(self, request: web.Request) -> bool:
        """Whether If-Range holds, or was not asked."""
        condition = request.headers.get("If-Range")
        return condition is None or condition in {self.etag, self.last_modified}

    async def send(
        self, response: web.StreamResponse, request: web.Request, data: bytes, *, cut: int | None = None
    ) -> web.StreamResponse:
        """Send data; after ``cut`` bytes the connection breaks."""
        await response.prepare(request)
        for start in range(0, len(data), CHUNK):
            piece = data[start : start + CHUNK]
            if cut is not None and start + len(piece) > cut:
                piece = data[start:cut]
            if piece:
                self.sent += len(piece)
                await response.write(piece)
            if cut is not None and start + CHUNK >= cut:
                assert request.transport is not None
                # The line breaks a moment after the last byte, not in the same instant.
                for _ in range(30):
                    await asyncio.sleep(0)
                request.transport.close()
                return response
        await response.write_eof()
        return response


def part(server: FileServer, request: web.Request) -> tuple[web.StreamResponse, bytes]:
    """The right answer's head, and the data that belongs to it."""
    wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    if wanted is None or not server.same(request):
        response = web.StreamResponse(headers=server.headers())
        response.content_length = len(server.content)
        return response, server.content
    start, size = int(wanted[1]), len(server.content)
    if start >= size:
        return web.StreamResponse(status=416, headers={"Content-Range": f"bytes */{size}"}), b""
    response = web.StreamResponse(status=206, headers=server.headers())
    response.headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    response.content_length = size - start
    return response, server.content[start:]


async def answer_well(server: FileServer, request: web.Request) -> web.StreamResponse:
    return await server.send(*_asked(server, request))


def _asked(server: FileServer, request: web.Request) -> tuple[web.StreamResponse, web.Request, bytes]:
    response, data = part(server, request)
    return response, request, data


def cut_after(count: int) -> Behave:
    """Answer well, and break the connection after that many bytes."""

    async def behave(server: FileServer, request: web.Request) -> web.StreamResponse:
        return await server.send(*_asked(server, request), cut=count)

    return behave


def status(code: int, **headers: str) -> Behave:
    """Answer with a bare status."""

    async def behave(server: FileServer, request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers={name.replace("_", "-"): v for name, v in headers.items()})

    return behave


def change(content: bytes, etag: str | None, then: Behave = answer_well) -> Behave:
    """Somebody puts another file on the server just before this request."""

    async def behave(server: FileServer, request: web.Request) -> web.StreamResponse:
        server.content, server.etag = content, etag
        return await then(server, request)

    return behave


async def ignore_range(server: FileServer, request: web.Request) -> web.StreamResponse:
    """Send everything, whatever was asked."""
    response = web.StreamResponse(headers=server.headers())
    response.content_length = len(server.content)
    return await server.send(response, request, server.content)


async def ignore_if_range(server: FileServer, request: web.Request) -> web.StreamResponse:
    """Send the range of what is there now, although it is not the same file any more."""
    server_etag, server.etag = server.etag, request.headers.get("If-Range", server.etag)
    response, data = part(server, request)
    server.etag = server_etag
    response.headers["ETag"] = server_etag or ""
    return await server.send(response, request, data)


def without_length(count: int | None = None) -> Behave:
    """Answer in chunks of unknown sum; or, with ``count``, just that many bytes of it."""

    async def behave(server: FileServer, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=server.headers())
        response.enable_chunked_encoding()
        return await server.send(response, request, server.content[:count])

    return behave


async def endless(server: FileServer, request: web.Request) -> web.StreamResponse:
    """More than anybody asked for, without saying how much."""
    response = web.StreamResponse(headers=server.headers())
    response.enable_chunked_encoding()
    return await server.send(response, request, server.content + bytes(10 << 20))


def wrong_start(by: int) -> Behave:
    """Send another part than the one that was asked for, and say so."""

    async def behave(server: FileServer, request: web.Request) -> web.StreamResponse:
        response, data = part(server, request)
        if response.status == 206:
            size = len(server.content)
            response.headers["Content-Range"] = f"bytes {size - len(data) + by}-{size - 1}/{size}"
            response.content_length, data = len(data) - by, data[by:]
        return await server.send(response, request, data)

    return behave


def silent_after(count: int, until: asyncio.Event) -> Behave:
    """Send so much, and then nothing more, without hanging up."""

    async def behave(server: FileServer, request: web.Request) -> web.StreamResponse:
        response, data = part(server, request)
        await response.prepare(request)
        server.sent += len(data[:count])
        await response.write(data[:count])
        await until.wait()
        return response

    return behave


def mute(until: asyncio.Event) -> Behave:
    """Take the request, and answer nothing."""

    async def behave(server: FileServer, request: web.Request) -> web.StreamResponse:
        await until.wait()
        return web.Response(status=500)

    return behave


def redirect(location: str, code: int = 302) -> Behave:
    """Send the asker somewhere else."""
    return status(code, Location=location)


@asynccontextmanager
async def serving(server: FileServer, tls: object = None) -> AsyncIterator[FileServer]:
    """The server at work on a free port."""
    application = web.Application()
    application.router.add_get("/{any:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)  # type: ignore[arg-type]
    await site.start()
    server.port = runner.addresses[0][1]
    server.scheme = "https" if tls else "http"
    try:
        yield server
    finally:
        await runner.cleanup()
