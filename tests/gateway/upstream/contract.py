"""The tables of the contract page, made from what the gateway really sends and reads.

    python -m tests.gateway.upstream.contract      writes them into docs/upstream.md

Everything between ``<!-- table: NAME -->`` and ``<!-- end -->`` is theirs; the rest
of the page is written by hand.
"""

import enum
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from gateway.errors import RequestError, VerbUnknown
from gateway.model.outcomes import ACTS_NEXT, Outcome
from gateway.model.views import EVENT_KINDS
from gateway.upstream import claims, errors, messages, outgoing, requests, rollouts
from gateway.upstream.settings import MqttSettings

PAGE = Path(__file__).parents[3] / "docs" / "upstream.md"
BLOCK = re.compile(r"<!-- table: (?P<name>\w+) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)
EXAMPLE = re.compile(r"<!-- example: (?P<name>\w+) -->\n```json\n(?P<body>.*?)```", re.DOTALL)

OUTGOING: tuple[type[BaseModel], ...] = (
    messages.StatusMessage,
    messages.OfflineMessage,
    messages.Warned,
    messages.NodeState,
    messages.ComponentState,
    messages.Firmware,
    messages.Evidence,
    outgoing.Moment,
    messages.EventMessage,
    messages.ProgressMessage,
    messages.ResultMessage,
    messages.AttemptLine,
    rollouts.DeploymentState,
    rollouts.WaveState,
    rollouts.PauseState,
    rollouts.StopState,
    rollouts.MarkState,
    claims.ClaimMessage,
)
INCOMING: tuple[type[BaseModel], ...] = (
    requests.Desired,
    requests.Deployment,
    requests.ReleaseName,
    requests.Select,
    requests.Policy,
    requests.CommandEnvelope,
)
TRUE_OF_THE_NODE = {
    Outcome.SUCCEEDED: "runs the target, with the boot evidence that its type demands, healthy, confirmed",
    Outcome.ALREADY_THERE: "ran the target before; no byte was sent",
    Outcome.FLASHED: "the target's bytes are proved to be in flash; that they boot cannot be proved",
    Outcome.ROLLED_BACK: "runs what it had before, or the known-good, proved; `rollback` says how",
    Outcome.FAILED: "the old firmware still runs, proved; nothing destructive was left",
    Outcome.REFUSED: "untouched; a rule said no",
    Outcome.CANCELLED: "untouched, or taken to the nearest proved state first",
    Outcome.SUPERSEDED: "as `cancelled`, by a newer deployment",
    Outcome.NOT_REACHED: "untouched; it did not answer in time",
    Outcome.WOUNDED: "in its loader, silent, half-written, or on firmware that it cannot leave",
    Outcome.CHANGED_BY_OTHERS: "runs something that is neither the target nor what it had before",
}


def tables() -> dict[str, str]:
    """Every table by its name."""
    found = {model.__name__: _fields(model) for model in (*OUTGOING, *INCOMING)}
    found["settings"] = _settings()
    found["verbs"] = _verbs()
    found["kinds"] = _rows(("kind", "what happened", "data"), [_kind(*each) for each in EVENT_KINDS.items()])
    found["outcomes"] = _rows(
        ("outcome", "what is true of the node", "who acts next"),
        [(f"`{each}`", TRUE_OF_THE_NODE[each], ACTS_NEXT[each]) for each in Outcome],
    )
    found["refusals"] = _rows(("code", "why", "remedy"), [_refusal(each) for each in refusals()])
    return found


def refusals() -> list[type[RequestError]]:
    """Why a message is not even tried."""
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    return [each for each in kinds if issubclass(each, RequestError) and each is not RequestError] + [
        VerbUnknown
    ]


def written(page: str) -> str:
    """The page with its tables made anew."""
    made = tables()
    return BLOCK.sub(
        lambda block: f"<!-- table: {block['name']} -->\n{made[block['name']]}<!-- end -->", page
    )


def _fields(model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        # What we send is left out only where it has no value; what comes in may be left out for a default.
        always = field.default is not None if issubclass(model, outgoing.Outgoing) else field.is_required()
        optional = "" if always else "optional, "
        assert field.description, f"{model.__name__}.{name} says nothing of itself"
        rows.append((f"`{field.alias or name}`", optional + _type(field.annotation), field.description))
    return _rows(("field", "type", "meaning"), rows)


def _settings() -> str:
    rows = []
    for name, field in MqttSettings.model_fields.items():
        assert field.description, f"the setting {name} says nothing of itself"
        default = "required" if field.is_required() else "" if field.default is None else f"`{field.default}`"
        rows.append((f"`{name}`", _type(field.annotation), default, field.description))
    return _rows(("setting", "type", "default", "meaning"), rows)


def _verbs() -> str:
    rows = []
    for verb, model in requests.VERBS.items():
        args = [
            f"`{name}` ({'' if field.is_required() else 'optional, '}{_type(field.annotation)}): "
            f"{field.description}"
            for name, field in model.model_fields.items()
        ]
        rows.append((f"`{verb}`", (model.__doc__ or "").strip(), " ".join(args) or "none"))
    return _rows(("verb", "what it does", "args"), rows)


def _kind(kind: str, text: str) -> tuple[str, str, str]:
    meaning, _, data = text.partition("; data: ")
    return f"`{kind}`", meaning.rstrip(".") + ".", data


def _refusal(kind: type[RequestError]) -> tuple[str, str, str]:
    return f"`{kind.code}`", (kind.__doc__ or "").strip().splitlines()[0], kind.remedy


def _rows(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    cells = [[" ".join(cell.replace("|", "\\|").split()) for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _type(kind: Any) -> str:
    """A type as somebody reads it who writes JSON."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_type(arg) for arg in args if arg is not type(None))
    if origin is Literal:
        return " or ".join(f"`{arg}`" for arg in args)
    if origin is tuple:
        return f"list of {_type(args[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "object" if args[1] is Any else f"object of {_type(args[1])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    if isinstance(kind, type) and issubclass(kind, enum.Enum | SecretStr | Path):
        return "text"
    return {str: "text", int: "integer", float: "number", bool: "true or false"}[kind]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
