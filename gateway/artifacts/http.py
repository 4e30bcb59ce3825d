"""What an HTTP answer means for a download that may have begun before.

Pure: status and headers in, a decision out (RFC 9110: section 13.1.5 If-Range,
14.2 Range, 14.4 Content-Range, 15.3.7 status 206, 15.5.17 status 416).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.artifacts.partial import Origin

_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)")

# What may pass by itself: request time-out, too early, too many requests, and trouble of the server's own.
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Append:
    """The body follows the bytes that are there; ``size`` is the whole file's, if it is told."""

    size: int | None


@dataclass(frozen=True, slots=True)
class Anew:
    """The body starts with the first byte; what was there is worth nothing."""

    origin: Origin


@dataclass(frozen=True, slots=True)
class Complete:
    """The server confirms that what is there is the whole, unchanged file."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    """The answer cannot be used; ask again from the first byte."""

    why: str


@dataclass(frozen=True, slots=True)
class Later:
    """Trouble that may pass; ``after`` is the server's own wish in seconds, if it has one."""

    why: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Never:
    """This address will not give the file."""

    why: str


Meaning = Append | Anew | Complete | AskAgain | Later | Never


def request_headers(offset: int, origin: Origin | None) -> dict[str, str]:
    """Ask for the rest after ``offset`` bytes, of the same file if we know how to name it."""
    # Compressed, offsets would count other bytes than ours.
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if origin is not None and origin.validator is not None:
            headers["If-Range"] = origin.validator
    return headers


def judge_answer(
    status: int, headers: Mapping[str, str], *, url: str, have: int, origin: Origin | None
) -> Meaning:
    """What to do with an answer to :func:`request_headers`.

    ``have`` bytes are there; ``origin`` is what is known of them if they come from the
    same ``url``, and None if they come from elsewhere.  ``headers`` must find names
    whatever their case.
    """
    if status in {200, 206} and headers.get("Content-Encoding", "identity") not in {"", "identity"}:
        return Never(f"it is sent with Content-Encoding {headers['Content-Encoding']!r}, unasked")
    match status:
        case 200:
            return Anew(Origin(url, validator_of(headers), _whole_number(headers.get("Content-Length"))))
        case 206:
            return _judge_part(headers, url=url, have=have, origin=origin)
        case 416:
            return _judge_no_part(headers, have=have, origin=origin)
        case _ if status in _PASSING or status >= 500:
            return Later(f"the server answers {status}", _seconds(headers.get("Retry-After")))
        case _:
            return Never(f"the server answers {status}")


def _judge_part(headers: Mapping[str, str], *, url: str, have: int, origin: Origin | None) -> Meaning:
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is None or found[1] is None:
        return Never(f"a part comes with Content-Range {headers.get('Content-Range', '')[:60]!r}")
    size = None if found[3] == "*" else int(found[3])
    validator = validator_of(headers)
    if int(found[1]) == 0:
        return Anew(Origin(url, validator, size))
    if int(found[1]) != have:
        return AskAgain(f"the server sends from byte {found[1]}, not from {have}")
    if origin is not None:
        if origin.size is not None and size is not None and size != origin.size:
            return AskAgain(f"the file has {size} bytes now, not {origin.size}")
        if origin.validator is not None and validator is not None and validator != origin.validator:
            return AskAgain("the file has changed on the server")
    return Append(size)


def _judge_no_part(headers: Mapping[str, str], *, have: int, origin: Origin | None) -> Meaning:
    if not have:
        return Never("the server refuses even the first byte")
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is not None and found[3] == str(have) and origin is not None and origin.validator is not None:
        # It got as far as judging the range, so If-Range held: the same file, and all of it here.
        return Complete()
    return AskAgain(f"the server's file ends before byte {have}")


def validator_of(headers: Mapping[str, str]) -> str | None:
    """What If-Range may name the file by: a strong ETag, else its date."""
    tag = headers.get("ETag", "")
    if tag.startswith('"') and tag.endswith('"') and len(tag) <= 512:
        return tag
    return headers.get("Last-Modified") or None


def _whole_number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None


def _seconds(text: str | None) -> float | None:
    number = _whole_number(text)
    return None if number is None else float(number)
