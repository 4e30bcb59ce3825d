"""JSON that means one thing only.

Two readers may disagree about a key that occurs twice, about ``NaN`` or about
numbers without end.  What is signed must not leave room for that.
"""

import json
from typing import Any, NoReturn

from gateway.releases.errors import BadRelease


def loads(data: bytes, *, what: str, limit: int) -> Any:
    """The value that these bytes say.

    Raises:
        BadRelease: too long (over ``limit`` bytes), not UTF-8, not JSON, or ambiguous.
    """
    if len(data) > limit:
        raise BadRelease(f"the {what} has {len(data)} bytes; at most {limit} are read")
    try:
        return json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRelease(f"the {what} is not plain JSON: {error}") from error


def dumps(value: Any) -> bytes:
    """The one way in which we write a value: sorted, dense, UTF-8."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
