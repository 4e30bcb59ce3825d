"""How `tender flash` says what came of it: one JSON object, or a few lines for a person."""

from collections.abc import Mapping

from flashers.api import Firmware, RollbackKind
from gateway.attempt.telling import evidence_plain, firmware_plain
from gateway.model.outcomes import ACTS_NEXT, EXIT_CODES, Outcome
from gateway.model.records import Record, Result


def exit_code(result: Result, *, accept_readback: bool) -> int:
    """The exit code of the outcomes table; ``--accept readback`` turns ``flashed`` into 0.

    Not so where it is the old firmware whose bytes are proved: that is no success.
    """
    went_back = result.rollback is not RollbackKind.NONE
    if result.outcome is Outcome.FLASHED and accept_readback and not went_back:
        return 0
    return EXIT_CODES[result.outcome]


def as_json(record: Record) -> dict[str, object]:
    """The object that `--json` prints; null where something cannot be known."""
    result = _result(record)
    part = record.parts[0]
    error = None
    if result.code:
        error = {"code": result.code, "message": result.message, "remedy": result.remedy}
    available = record.rollback if record.prepared else RollbackKind.NONE
    return {
        "node": record.node,
        "profile": record.profile,
        "outcome": result.outcome.value,
        "evidence": [evidence_plain(piece) for piece in result.evidence],
        "before": _firmware(part.before or _already(record)),
        "after": _firmware(result.after.get(part.component.id)),
        "rollback_available": available.value if available is not RollbackKind.NONE else None,
        "rollback_done": result.rollback.value if result.rollback is not RollbackKind.NONE else None,
        "error": error,
        "bytes_sent": record.bytes_sent,
        "seconds": round(record.seconds, 2),
    }


def as_text(record: Record) -> str:
    """The same for a person."""
    result = _result(record)
    part = record.parts[0]
    lines = [f"{record.node}: {result.outcome}"]
    if result.message:
        lines.append(f"  {result.message}")
    lines += [f"  {reason.message}" for reason in result.reasons[1:]]
    lines.append(f"  before    {_named(part.before or _already(record))}")
    lines.append(f"  after     {_named(result.after.get(part.component.id))}")
    proof = ", ".join(f"{piece.of} by {piece.kind}" for piece in result.evidence) or "none"
    lines.append(f"  evidence  {proof}")
    lines.append(f"  rollback  {_rollback(record, result)}")
    lines.append(f"  sent      {record.bytes_sent:,} bytes in {record.seconds:.1f} s")
    if ACTS_NEXT[result.outcome] != "nobody":
        lines.append(f"  next      {result.remedy or 'acts: ' + ACTS_NEXT[result.outcome]}")
    return "\n".join(lines)


def _already(record: Record) -> Firmware | None:
    """A node that was found on the target had that before."""
    result = _result(record)
    if record.prepared or result.outcome not in (Outcome.ALREADY_THERE, Outcome.FLASHED, Outcome.REFUSED):
        return None
    return result.after.get(record.parts[0].component.id)


def _firmware(firmware: Firmware | None) -> Mapping[str, str | None]:
    return firmware_plain(firmware) or {"version": None, "digest": None}


def _named(firmware: Firmware | None) -> str:
    if firmware is None:
        return "unknown"
    digest = str(firmware.identity)[:23] + "…" if firmware.identity is not None else ""
    return " ".join(word for word in (firmware.version or "", digest) if word) or "unknown"


def _rollback(record: Record, result: Result) -> str:
    if result.rollback is not RollbackKind.NONE:
        return f"done: {result.rollback}"
    if record.rollback_refused:
        return "none: such nodes took nothing older once they ran this"
    if record.rollback is RollbackKind.NONE:
        return "none"
    seen = "seen to work on this model" if record.rollback_seen else "not yet seen to work on this model"
    return f"not needed; {record.rollback} was there ({seen})"


def _result(record: Record) -> Result:
    if record.result is None:
        raise ValueError(f"attempt {record.id} has not ended")
    return record.result
