"""What is remembered of a node, and for how long."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.journal import Database, Journal
from gateway.model.nodes import Renamed
from tests.gateway.journal.scribe import stamp


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[Journal]:
    journal = await _opened(path)
    yield journal
    await journal.close()


async def _opened(path: Path) -> Journal:
    journal = Journal(Database(path), "gw", stamp)
    await journal.open()
    return journal


async def test_a_word_outlives_the_process_and_is_forgotten_when_that_is_said(
    journal: Journal, path: Path
) -> None:
    await journal.keep_word("n1", 1, "advertised", "257=1a2b", 7)
    await journal.keep_word("n1", 1, "other", "x", 7)
    await journal.keep_word("n1", 1, "other", None, 8)
    await journal.close()
    again = await _opened(path)
    assert await again.words("n1", 1) == {"advertised": "257=1a2b"}
    await again.keep_word("n1", 1, "advertised", "258=1a2b", 9)
    assert await again.words("n1", 1) == {"advertised": "258=1a2b"}
    assert await again.words("n2", 1) == {}
    await again.close()


async def test_a_new_board_by_an_old_name_knows_nothing_of_the_old_one(journal: Journal) -> None:
    await journal.keep_word("n1", 1, "advertised", "257=1a2b", 7)
    await journal.renew_node("n1")
    board = (await journal.kept())["n1"].generation
    assert board == 2
    assert await journal.words("n1", board) == {}
    assert await journal.words("n1", 1) == {}


async def test_a_word_goes_with_its_node_to_another_name(journal: Journal) -> None:
    await journal.keep_word("n1", 1, "advertised", "257=1a2b", 7)
    await journal.keep_word("n2", 1, "advertised", "999=ffff", 3)
    await journal.renew_node("n1")
    board = (await journal.kept())["n1"].generation
    await journal.keep_word("n1", board, "advertised", "300=1a2b", 8)
    await journal.rename_node("n1", "n2", Renamed("n1"))
    kept = await journal.kept()
    assert await journal.words("n2", kept["n2"].generation) == {"advertised": "300=1a2b"}
    assert await journal.words("n1", kept["n1"].generation) == {}


async def test_whether_an_older_image_was_taken_is_what_the_last_one_that_tried_has_shown(
    journal: Journal,
) -> None:
    assert await journal.downgrades() == []
    await journal.keep_downgrade("plug", "TS011F", "30", 4, taken=True)
    await journal.keep_downgrade("plug", "TS011F", "31", 4, taken=True)
    await journal.keep_downgrade("plug", "TS011F", "30", 5, taken=False)
    found = await journal.downgrades()
    assert [(each.version, each.taken, each.attempt) for each in found] == [("30", False, 5), ("31", True, 4)]
    assert {(each.profile, each.model) for each in found} == {("plug", "TS011F")}
