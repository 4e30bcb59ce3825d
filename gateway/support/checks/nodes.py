"""What the service says of its nodes and of itself; without it, what the journal last had."""

from collections.abc import Sequence

from gateway.support.ground import Ailment, Badness, Ground
from gateway.support.journal_file import journal_copy

_SAID_ELSEWHERE = frozenset({"clock-not-synchronised", "disk-little"})
_LAST = """SELECT node, outcome, open FROM attempts
    WHERE id IN (SELECT max(id) FROM attempts GROUP BY node) ORDER BY node"""


def check(ground: Ground) -> Sequence[Ailment]:
    """Every concern of the overview, in the doctor's words."""
    if ground.overview is None:
        return _from_the_file(ground)
    found = []
    for concern in ground.overview["concerns"]:
        if concern["code"] not in _SAID_ELSEWHERE:
            because = concern["because"]
            remedy = f"{because[:1].upper()}{because[1:]}." if because else "It waits for a person."
            level = Badness(concern["level"])
            command = concern["next"] or "tender status"
            if command == "tender doctor":
                command = "journalctl -u tender -n 50"
            found.append(Ailment(level, concern["code"], concern["message"], remedy, command))
    return found


def _from_the_file(ground: Ground) -> list[Ailment]:
    if ground.loaded is None:
        return []
    try:
        with journal_copy(ground.loaded.config.state) as copy:
            rows = copy.rows(_LAST)
    except OSError:
        return []  # the check of the journal tells it
    wounded = [node for node, outcome, _ in rows if outcome == "wounded"]
    unfinished = [node for node, _, is_open in rows if is_open]
    found = []
    if wounded:
        text = f"When the service last ran, these were wounded: {', '.join(wounded[:8])}."
        remedy = "They are brought back when the service runs and they answer."
        found.append(Ailment(Badness.BROKEN, "wounded", text, remedy, "systemctl start tender"))
    if unfinished:
        text = f"Attempts are open on {', '.join(unfinished[:8])}; they go on when the service runs."
        found.append(
            Ailment(Badness.WAITS, "attempts-open", text, "Start the service.", "systemctl start tender")
        )
    return found
