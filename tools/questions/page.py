"""The page of the ten questions, as it is made by asking them."""

import re
from collections.abc import Sequence

from tools.questions.scenes import SCENES, Scene
from tools.questions.site import RELAYS, SENSORS, Answer

_HEAD = """# Ten questions at three in the morning

Each has one command that answers it, for a person as shown here and for a program with `--json`.
This page is made by `make questions`: for each question a failure is staged on a site of its own, with
{sensors} two-slot sensors and {relays} single-slot relays (virtual nodes behind real ports), a real
broker, and the service as a process; the command is run, and its answer is held against what the
virtual nodes themselves say. A test does the same in every run.

What stands after `$` was typed, what stands below was printed. Numbers in brackets are exit codes other
than 0.
"""
_LONG = 60


def page(played: Sequence[tuple[Scene, Sequence[Answer], str]]) -> str:
    """The page as Markdown."""
    parts = [_HEAD.format(sensors=len(SENSORS), relays=len(RELAYS))]
    for number, (scene, answers, truth) in enumerate(played, 1):
        parts.append(f"## {number}. {scene.question}\n\n{scene.staged}\n")
        parts += [_shown(answer) for answer in answers]
        parts.append(f"Held against the nodes: {truth}.\n")
    return "\n".join(parts)


def questions() -> list[str]:
    """The headings that the page has to have."""
    return [f"## {number}. {scene.question}" for number, scene in enumerate(SCENES, 1)]


def _shown(answer: Answer) -> str:
    code = f"   [{answer.code}]" if answer.code else ""
    text = re.sub(r" \(pid \d+\)", "", answer.text.rstrip())
    lines = [line.rstrip() for line in text.splitlines()]
    if len(lines) > _LONG:
        lines = [*lines[: _LONG - 1], f"… and {len(lines) - _LONG + 1} more lines"]
    return "\n".join(["```", f"$ {answer.command}{code}", *lines, "```", ""])
