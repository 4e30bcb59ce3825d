"""The codes that Tender says, as `docs/errors.md` has them, for `tender explain CODE`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code says, what may be done, and where it comes from."""

    code: str
    says: Sequence[str]
    remedies: Sequence[str]
    places: Sequence[str]


def meaning_of(code: str) -> Meaning | None:
    """The meaning; None for a code that Tender never says (a plugin may say its own)."""
    file = resources.files("gateway.support") / "codes.json"
    known: Mapping[str, Mapping[str, Any]] = json.loads(file.read_text())
    found = known.get(code)
    return None if found is None else Meaning(code, found["says"], found["remedies"], found["from"])
