"""Whether the journal is whole, and of a shape that this Tender knows."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.journal.database import migrations
from gateway.support.ground import Ailment, Badness, Ground
from gateway.support.journal_file import NAME, journal_copy


def check(ground: Ground) -> Sequence[Ailment]:
    """By the service if it runs, else from the file."""
    if ground.overview is not None:
        return _judged(ground.service.get("journal", "check"))
    if ground.loaded is None:
        return []
    state = ground.loaded.config.state
    try:
        with journal_copy(state) as copy:
            found = copy.check()
            return _judged({"schema": found.schema, "findings": list(found.findings)})
    except FileNotFoundError:
        return []  # there is none before the first start
    except OSError as error:
        text = f"{state / NAME}: {error.strerror}"
        return [Ailment(Badness.WAITS, "journal-not-seen", text, "Ask again as root.", "sudo tender doctor")]


def _judged(check: Mapping[str, Any]) -> list[Ailment]:
    newest = migrations()[-1][0]
    if check["schema"] > newest:
        text = f"The journal has shape {check['schema']}; this Tender knows shapes up to {newest}."
        remedy = "Install the newer Tender again; the journal is left as it is."
        return [Ailment(Badness.BROKEN, "journal-too-new", text, remedy, "tender --version")]
    if check["findings"] == ["ok"]:
        return []
    remedy = "Save what can be read first; the service begins a new journal and keeps the damaged file."
    text = f"The journal is damaged: {'; '.join(check['findings'][:3])}"
    return [Ailment(Badness.BROKEN, "journal-damaged", text, remedy, "tender support-bundle")]
