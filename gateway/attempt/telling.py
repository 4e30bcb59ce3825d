"""What upstream is told of an attempt: one event for each phase, one for the end.

Everything in them comes from the record that is written in the same transaction.
"""

from collections.abc import Mapping

from flashers.api import Evidence, Firmware
from gateway.journal.journal import Told
from gateway.model.records import Record


def phase_told(record: Record) -> Told:
    """The attempt entered a phase."""
    data: dict[str, object] = {"phase": record.phase.value, "profile": record.profile}
    if record.turned is not None:
        data["why"] = {"code": record.turned.code, "message": record.turned.message}
    return _told("attempt.phase", record, data)


def done_told(record: Record) -> Told:
    """The attempt ended."""
    result = record.result
    if result is None:
        raise ValueError(f"attempt {record.id} has not ended")
    data: dict[str, object] = {
        "outcome": result.outcome.value,
        "code": result.code,
        "message": result.message,
        "remedy": result.remedy,
        "profile": record.profile,
        "before": {part.component.id: firmware_plain(part.before) for part in record.parts},
        "want": {part.component.id: firmware_plain(part.want.firmware) for part in record.parts},
        "after": {component: firmware_plain(firmware) for component, firmware in result.after.items()},
        "evidence": [evidence_plain(piece) for piece in result.evidence],
        "rollback": result.rollback.value,
        "reasons": [{"code": reason.code, "message": reason.message} for reason in result.reasons],
        "bytes_sent": record.bytes_sent,
        "seconds": round(record.seconds, 1),
        "origin": record.origin.value,
        "asked_by": record.asked_by,
        "revision": record.provenance.revision,
        "config": record.provenance.config,
        "tender": record.provenance.tender,
    }
    return _told("attempt.done", record, data)


def firmware_plain(firmware: Firmware | None) -> Mapping[str, str | None] | None:
    """A firmware for people and upstreams: digest as ``algorithm:hex``; None where it is not known."""
    if firmware is None:
        return None
    return {
        "version": firmware.version,
        "digest": str(firmware.identity) if firmware.identity is not None else None,
    }


def evidence_plain(piece: Evidence) -> Mapping[str, object]:
    """A piece of evidence for people and upstreams."""
    plain: dict[str, object] = {"of": piece.of.value, "kind": piece.kind.value, "detail": piece.detail}
    if piece.at is not None:
        plain["at"] = {"unix_ms": piece.at.unix_ms, "synchronised": piece.at.synchronised}
    return plain


def _told(kind: str, record: Record, data: Mapping[str, object]) -> Told:
    return Told(kind, node=record.node, attempt=record.id, deployment=record.deployment, data=data)
