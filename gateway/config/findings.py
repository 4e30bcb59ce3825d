"""What is wrong in a text that somebody wrote, where, and what would be right.

pydantic tells what it expected in its own terms.  Here it is said in the terms of
whoever wrote the file: file and line, the key as it stands there, the nearest known
one, the allowed values.  All findings are told at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.config.nearest import nearest
from gateway.config.positions import Path
from gateway.config.shapes import choices_at, keys_at, written
from transports.errors import TenderError

SECRET_WORDS = ("password", "secret", "token", "passphrase", "passkey")
"""A key with one of these in its name is never shown with its value."""

Locate = Callable[[Path], str]
"""From a place in a document to what a person would open: ``file:line``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; ``key`` is dotted, ``where`` is ``file:line`` or another origin."""

    code: str
    where: str
    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.code}: {self.message}\n    {self.remedy}"


class Findings(TenderError):
    """A text has something wrong in it; ``findings`` are all of them."""

    code = "bad-text"
    remedy = "Correct what the findings name."

    def __init__(self, summary: str, findings: Sequence[Finding]) -> None:
        self.findings = tuple(sorted(findings, key=_in_order))
        lines = [summary, *(f"  {finding}" for finding in self.findings)]
        super().__init__("\n".join(lines))


def _in_order(finding: Finding) -> tuple[str, int]:
    file, _, line = finding.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (finding.where, 0)


def is_secret(key: str) -> bool:
    """Whether the value of this key may be shown to nobody."""
    return any(word in key.casefold() for word in SECRET_WORDS)


def dotted(path: Path) -> str:
    """A place as it is written: ``nodes.th-1.link``, ``health[2].pattern``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def from_validation(
    error: ValidationError, model: type[BaseModel], locate: Locate, *, family: str, prefix: Path = ()
) -> list[Finding]:
    """Every complaint of pydantic as a finding; ``prefix`` is where ``model`` stands in the document.

    ``family`` begins the codes: ``config-unknown-key``, ``profile-bad-value``.
    """
    found = []
    for detail in error.errors(include_url=False):
        own = written(model, detail["loc"])
        path = (*prefix, *own)
        code, message, remedy = _tell(detail, model, path, own)
        found.append(Finding(f"{family}-{code}", locate(path), dotted(path), message, remedy))
    return found


def _tell(
    detail: Any,  # an ErrorDetails of pydantic, whose context depends on its type
    model: type[BaseModel],
    path: Path,
    own: Path,
) -> tuple[str, str, str]:
    key, context = dotted(path), detail.get("ctx", {})
    given = "that value" if any(is_secret(str(part)) for part in path) else _shown(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            known = keys_at(model, own[:-1])
            close = nearest(str(own[-1]), known)
            listed = f"Known here: {', '.join(known)}."
            return (
                "unknown-key",
                f"{key} is not known",
                f"Did you mean {close}?  {listed}" if close else listed,
            )
        case "missing" | "union_tag_not_found":
            tag = str(context.get("discriminator", "")).strip("'")
            lacking = f"{key}.{tag}" if tag else key
            choices = choices_at(model, (*own, tag) if tag else own)
            return "missing-key", f"{lacking} is missing", _one_of(choices) or f"Add {lacking}."
        case "enum" | "literal_error" | "union_tag_invalid":
            choices = choices_at(model, own)
            if detail["type"] == "union_tag_invalid":
                tag = str(context["discriminator"]).strip("'")
                key, given = f"{key}.{tag}", repr(context["tag"])
                choices = choices_at(model, (*own, tag))
            close = nearest(given.strip("'"), choices)
            hint = f"Did you mean {close!r}?  " if close else ""
            return "bad-value", f"{key} cannot be {given}", f"{hint}{_one_of(choices)}"
        case "value_error":
            about = key if isinstance(detail["input"], dict) else f"{key} = {given}"
            return "bad-value", f"{about}: {context['error']}", "Correct the value."
        case "string_pattern_mismatch":
            return "bad-value", f"{key} cannot be {given}", f"It has to match {context['pattern']}."
        case kind:
            expected = _EXPECTED.get(kind.partition("_")[0]) or str(detail["msg"])
            expected = expected.removeprefix("Input should be ").removeprefix("a valid ")
            wrong_type = kind.endswith(("_type", "_parsing", "_from_float"))
            code = "bad-type" if wrong_type else "out-of-range" if _is_range(kind) else "bad-value"
            return code, f"{key} cannot be {given}", f"It has to be {expected}."


_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "dict": "a table",
    "model": "a table",
    "tuple": "a list",
    "list": "a list",
    "path": "a path",
}
"""What pydantic's types are called in a file, by the first word of its error type."""


def _is_range(kind: str) -> bool:
    return kind.startswith(("greater_than", "less_than", "too_", "string_too")) or kind.endswith("_too_long")


def _one_of(choices: Sequence[str]) -> str:
    return f"One of: {', '.join(choices)}." if choices else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
