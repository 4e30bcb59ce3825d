"""Raw ZCL over MQTT, for the user's own software while Tender owns the coordinator.

Out: ``BASE/NODE/zcl`` for each frame that a node sends.  In: ``BASE/bridge/request/zcl`` with ``id``
(the node's name or address), ``cluster``, ``command`` and what else :class:`ZclRequest` has; the
answer comes at ``BASE/bridge/response/zcl`` with the same ``transaction``.
"""

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.model.zigbee import HeardFrame, ZclAnswer
from gateway.upstream.zigbee2mqtt.messages import BadRequest
from gateway.verbs.zigbee import ZclRequest, ZigbeeVerbs

_U8 = Annotated[int, Field(ge=0, le=0xFF)]
_U16 = Annotated[int, Field(ge=0, le=0xFFFF)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    cluster: _U16
    command: _U8
    endpoint: Annotated[int, Field(ge=1, le=240)] = 1
    payload: str = Field(default="", max_length=160)
    general: bool = False
    to_client: bool = False
    manufacturer: _U16 | None = None
    answer_within: Annotated[float, Field(gt=0, le=50)] | None = 8.0
    transaction: str | int | None = None


def asked(base: str) -> str:
    """Where frames are asked for."""
    return f"{base}/bridge/request/zcl"


def answers(base: str) -> str:
    """Where it is said what came of it."""
    return f"{base}/bridge/response/zcl"


async def read(payload: bytes, zigbee: ZigbeeVerbs) -> ZclRequest:
    """Read a request, and find its node: one that is looked after, or any that joined.

    Raises:
        BadRequest: it cannot be understood, or nobody of that name or address joined.
    """
    try:
        body = _Asked.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadRequest(f"{where or 'the request'}: {first['msg']}") from error
    wanted = body.id.lower().removeprefix("0x").replace(":", "")
    for joined in await zigbee.joined():
        if body.id == joined.node or wanted == joined.ieee.replace(":", ""):
            values = body.model_dump(exclude={"id", "transaction"})
            return ZclRequest(joined.network, joined.ieee, **values)
    raise BadRequest(f"nobody called {body.id!r} has joined", remedy="`tender zigbee nodes` lists who has.")


def answered(request: ZclRequest, found: ZclAnswer | None) -> dict[str, Any]:
    """The answer's data."""
    said: dict[str, Any] = {"ieee": request.ieee, "cluster": request.cluster}
    return said if found is None else said | asdict(found)


def said(frame: HeardFrame) -> dict[str, Any]:
    """A frame as it is published."""
    return asdict(frame)
