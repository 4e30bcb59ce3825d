"""How the local API answers: views as JSON, and errors with code, message and remedy."""

import logging
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from flashers.api.plain import dump
from gateway.api.errors import BodyTooLarge, NoSuchPath, as_json, status_of
from gateway.control import Progress
from gateway.model.views import Event
from transports.errors import TenderError

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is told as JSON; a bug is told as one, and its details stay in the log."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge as error:
        return _error(BodyTooLarge(error.reason))
    except web.HTTPException as error:
        return _error(NoSuchPath(f"{request.method} {request.path}: {error.reason}"), error.status)
    except TenderError as error:
        log.info("refused path=%s code=%s", request.path, error.code)
        return _error(error)
    except Exception:
        log.exception("bug path=%s", request.path)
        return _error(TenderError("a bug in the service; its log has the details"), 500)


def _error(error: TenderError, status: int | None = None) -> web.Response:
    return web.json_response(as_json(error), status=status or status_of(error))


def one(view: object) -> web.Response:
    """One view."""
    return web.Response(text=dump(view), content_type="application/json")


def many(views: Iterable[object]) -> web.Response:
    """A list of views."""
    return web.Response(text=f"[{','.join(map(dump, views))}]", content_type="application/json")


def line(value: Event | Progress) -> bytes:
    """One thing that happened, for those who watch."""
    kind = "event" if isinstance(value, Event) else "progress"
    return f'{{"{kind}":{dump(value)}}}\n'.encode()
