"""The ten questions, each asked in its staged failure, and each answer held against the truth."""

from pathlib import Path

import pytest

from tools.questions.__main__ import play
from tools.questions.page import page, questions
from tools.questions.scenes import SCENES, Scene

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ten-questions.md"


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scene", SCENES, ids=[scene.question for scene in SCENES])
async def test_the_answer_is_true(scene: Scene) -> None:
    played = await play(scene)
    _, answers, truth = played
    assert answers, "nobody asked anything"
    assert truth
    assert scene.question in page([played])


def test_the_page_has_every_question() -> None:
    text = PAGE.read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == questions()


def test_the_page_was_made_by_asking() -> None:
    text = PAGE.read_text()
    assert text.count("Held against the nodes: ") == len(SCENES)
    assert text.count("\n$ tender ") >= len(SCENES)
    assert "/tmp" not in text, "a path of the machine that made it"
