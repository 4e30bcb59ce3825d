"""Frozen values to JSON text and back, for the journal and for other processes.

The shapes are the dataclasses themselves; bytes are hexadecimal.  Reading is
strict about types and ignores nothing: text that does not fit raises.
"""

from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from transports.errors import TenderError

PLAIN = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")
"""Set as ``__pydantic_config__`` on a dataclass that holds bytes; it is not inherited."""

T = TypeVar("T")


class BadRecord(TenderError):
    """Stored text does not have the shape that this version of Tender expects."""

    code = "bad-record"
    remedy = "Restore the state folder from a backup, or report this with `tender attempt show --json`."


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    # Building one takes milliseconds, using it microseconds.
    adapter = _adapters.get(kind)
    if adapter is None:
        adapter = _adapters[kind] = TypeAdapter(kind)
    return adapter


def dump(value: object) -> str:
    """The JSON text of a frozen value."""
    return _adapter(type(value)).dump_json(value).decode()


def load(kind: type[T], text: str) -> T:
    """The value that ``dump`` made this text of.

    Raises:
        BadRecord: the text has another shape.
    """
    try:
        value: T = _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise BadRecord(f"{kind.__name__}: {error.errors()[0]['msg']}") from error
    return value
