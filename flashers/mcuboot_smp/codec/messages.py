"""One SMP message: an eight byte header and a CBOR map.

Source: Zephyr documentation, "SMP Protocol Specification" (services/device_mgmt/
smp_protocol).  The header is, in network order: reserved (3 bits), version (2 bits),
operation (3 bits); flags; length of what follows (u16); group (u16); sequence (u8);
command (u8).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import cbor2

from flashers.api import ProtocolError

HEADER = struct.Struct(">BBHHBB")
VERSION_1 = 0
"""The original protocol: errors are a plain ``rc``."""
VERSION_2 = 1
"""The present one: a group's own errors come as ``err`` with their group."""

_DEPTH = 8
"""Containers within containers; the deepest real answer (slot info) has four."""
_STANDARD_TAGS = (
    *range(6),
    *(25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799),
)


class BadMessage(ProtocolError):
    """These bytes are no SMP message."""

    code = "bad-message"


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer.

    ``op`` is one of :class:`~flashers.mcuboot_smp.codec.words.Op` or another number that
    somebody sent; ``body`` holds what the CBOR map had under text keys.
    """

    op: int
    group: int
    command: int
    sequence: int
    body: Mapping[str, Any]
    version: int = VERSION_2


def encode_packet(message: Message) -> bytes:
    """The bytes of a message, without the framing of any medium."""
    return head(message, payload := cbor2.dumps(dict(message.body))) + payload


def head(message: Message, payload: bytes) -> bytes:
    """The header that belongs before this payload."""
    first = (message.version << 3) | message.op
    return HEADER.pack(first, 0, len(payload), message.group, message.sequence, message.command)


def decode_packet(packet: bytes) -> Message:
    """Read a whole message.

    Raises:
        BadMessage: it is too short, its length is wrong, or its body is no CBOR map of
            plain values.
    """
    if len(packet) < HEADER.size:
        raise BadMessage(f"{len(packet)} bytes are shorter than the header of a message")
    first, _, length, group, sequence, command = HEADER.unpack_from(packet)
    if length != len(packet) - HEADER.size:
        raise BadMessage(f"the header speaks of {length} bytes, {len(packet) - HEADER.size} came")
    return Message(first & 7, group, command, sequence, _body(packet[HEADER.size :]), first >> 3 & 3)


def _body(payload: bytes) -> dict[str, Any]:
    if not payload:
        return {}
    try:
        body = cbor2.loads(payload, max_depth=_DEPTH, tag_hook=_refuse, semantic_decoders=_NO_TAGS)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError) as error:
        raise BadMessage(f"the body is no CBOR: {error}") from error
    if not isinstance(body, dict):
        raise BadMessage(f"the body is a {type(body).__name__}, not a map")
    return {key: value for key, value in body.items() if isinstance(key, str)}


def _refuse(*_: object) -> NoReturn:
    # SMP uses none, and a tag makes a decoder build whatever a stranger asks for.
    raise ValueError("a tagged value")


_NO_TAGS: dict[int, Any] = dict.fromkeys(_STANDARD_TAGS, _refuse)
