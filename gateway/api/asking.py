"""What every route does first: read the body, and say in the log who asks for what."""

import logging

from aiohttp import web

from gateway.api import bodies
from gateway.api.peer import asked_by

log = logging.getLogger("gateway.api")


async def read_body(request: web.Request, kind: type[bodies.Body]) -> bodies.Body:
    """The request's body, checked.  Raises MessageMalformed."""
    return bodies.read_body(kind, await request.read())


def asked(request: web.Request, verb: str, **facts: object) -> str:
    """Log who wants what, and tell who it is."""
    transport = request.transport
    who = asked_by(transport.get_extra_info("socket")) if transport is not None else "somebody"
    log.info("asked verb=%s by=%r %s", verb, who, " ".join(f"{key}={value}" for key, value in facts.items()))
    return who
