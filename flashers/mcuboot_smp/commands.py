"""Requests to the application in words: for health checks, hooks and identification.

``echo:TEXT`` is MCUmgr's echo, answered with the text that comes back.  Anything
else is JSON, ``{"op": "read", "group": 0, "id": 0, "payload": {"d": "hi"}}``, and its
answer is the CBOR map as JSON, with bytes as hexadecimal.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flashers.mcuboot_smp.codec import Group, Op, OsCommand
from flashers.mcuboot_smp.errors import BadCommand
from flashers.mcuboot_smp.requests import Requests

_ECHO = "echo:"
_TRIES = 2


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    op: Literal["read", "write"] = "read"
    group: Annotated[int, Field(ge=0, le=0xFFFF)]
    id: Annotated[int, Field(ge=0, le=0xFF)]
    payload: dict[str, Any] = {}


async def command(requests: Requests, request: bytes, *, reply_timeout: float) -> bytes:
    """Ask the application, and give its answer back.

    Raises:
        BadCommand: the request is neither an echo nor JSON of that shape.
        SmpRefused: the node said no.
        NodeSilent: it did not answer within ``reply_timeout``.
        LinkError: the link was lost.
    """
    text = request.decode(errors="replace")
    each = reply_timeout / _TRIES
    if text.startswith(_ECHO):
        body = await requests.ask(
            Op.WRITE,
            Group.OS,
            OsCommand.ECHO,
            {"d": text.removeprefix(_ECHO)},
            tries=_TRIES,
            reply_timeout=each,
            what="an echo",
        )
        return str(body.get("r", "")).encode()
    try:
        asked = _Request.model_validate_json(request)
    except ValidationError as error:
        raise BadCommand(f"{text[:80]!r} is no command: {error.errors()[0]['msg']}") from error
    op = Op.READ if asked.op == "read" else Op.WRITE
    # A write may not be one that can be carried out twice, so it is sent once.
    tries, each = (_TRIES, each) if op is Op.READ else (1, reply_timeout)
    body = await requests.ask(
        op, asked.group, asked.id, asked.payload, tries=tries, reply_timeout=each, what="a command"
    )
    return json.dumps(body, default=_plain).encode()


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
