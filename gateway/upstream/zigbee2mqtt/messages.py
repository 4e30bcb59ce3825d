"""zigbee2mqtt's messages about updates: what is asked, and how it is answered.

Facts of version 2.12: a request is an object with ``id`` (a bare name is taken as well, as it was
before 3.0) below ``BASE/bridge/request/device/ota_update/``; its answer repeats ``transaction`` and
stands below ``BASE/bridge/response/…``; a node's state has an object ``update``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from transports.errors import TenderError


class BadRequest(TenderError):
    """The request cannot be understood."""

    code = "zigbee2mqtt-bad-request"
    remedy = 'Send an object as {"id": "NODE"}.'


class NotVerified(TenderError):
    """A request brings an image, or where to get one, and nothing is flashed that nobody signed."""

    code = "zigbee2mqtt-unsigned"
    remedy = "Make a release of the image, sign it and add it; a request without url and hex updates to that."


class Verb(StrEnum):
    """What is asked for."""

    CHECK = "check"
    UPDATE = "update"
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    ABORT = "update/abort"


class UpdateState(StrEnum):
    """zigbee2mqtt's words for how far an update is."""

    IDLE = "idle"
    AVAILABLE = "available"
    UPDATING = "updating"
    SCHEDULED = "scheduled"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``id`` is a node's name, or its address as ``0x00124b001caabbcc``."""

    verb: Verb
    id: str
    downgrade: bool = False
    transaction: str | int | None = None


def read(place: str, payload: bytes) -> Request:
    """Read a request; ``place`` is what follows ``…/ota_update/``.

    Raises:
        BadRequest: it is none.
        NotVerified: it brings its own image.
    """
    verb, downgrade = _verb(place)
    try:
        text = payload.decode()
        try:
            body = json.loads(text)
        except ValueError:
            body = text
    except UnicodeDecodeError as error:
        raise BadRequest("the payload is no text") from error
    if not isinstance(body, dict):
        body = {"id": body}
    name = body.get("id")
    if not isinstance(name, str) or not name:
        raise BadRequest("the request names no node")
    if body.get("url") or body.get("hex"):
        raise NotVerified("the request brings an image of its own")
    transaction = body.get("transaction")
    return Request(verb, name, downgrade, transaction if isinstance(transaction, str | int) else None)


def _verb(place: str) -> tuple[Verb, bool]:
    downgrade = place.endswith("/downgrade")
    try:
        verb = Verb(place.removesuffix("/downgrade"))
    except ValueError as error:
        raise BadRequest(f"nothing is known of ota_update/{place}") from error
    if downgrade and verb in (Verb.UNSCHEDULE, Verb.ABORT):
        raise BadRequest(f"nothing is known of ota_update/{place}")
    return verb, downgrade


def transaction_of(payload: bytes) -> str | int | None:
    """The transaction of a request that cannot be understood otherwise."""
    try:
        body = json.loads(payload)
    except ValueError:
        return None
    found = body.get("transaction") if isinstance(body, dict) else None
    return found if isinstance(found, str | int) else None


def answer(data: Mapping[str, Any], transaction: str | int | None) -> bytes:
    """An answer to what was done."""
    return _written({"data": dict(data), "status": "ok"}, transaction)


def refusal(error: TenderError, transaction: str | int | None) -> bytes:
    """An answer to what was not; beside zigbee2mqtt's sentence it has our code and remedy."""
    body = {
        "data": {},
        "status": "error",
        "error": error.message,
        "code": error.code,
        "remedy": error.what_to_do,
    }
    return _written(body, transaction)


def _written(body: dict[str, Any], transaction: str | int | None) -> bytes:
    if transaction is not None:
        body["transaction"] = transaction
    return json.dumps(body, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Update:
    """The ``update`` object of a node's state; versions are file versions, None if unknown.

    ``progress`` is in percent, ``remaining`` in seconds.
    """

    state: UpdateState
    installed: int | None
    latest: int | None
    source: str | None = None
    progress: float | None = None
    remaining: int | None = None

    def payload(self) -> bytes:
        """As it is published."""
        update: dict[str, Any] = {
            "state": self.state.value,
            "installed_version": self.installed,
            "latest_version": self.latest,
            "latest_source": self.source,
            "latest_release_notes": None,
        }
        if self.progress is not None:
            update["progress"] = round(self.progress, 2)
        if self.remaining is not None:
            update["remaining"] = self.remaining
        return json.dumps({"update": update}).encode()
