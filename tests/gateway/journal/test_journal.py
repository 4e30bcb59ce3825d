"""What the journal keeps, in which order, and when it says no."""

import asyncio
import hashlib
import json
import resource
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flashers.api import Digest, Firmware, Identity, Role, RollbackKind, Seen, Strength
from gateway.attempt import advance
from gateway.attempt.steps import Finish
from gateway.attempt.telling import done_told, phase_told
from gateway.journal import Database, Journal, compaction
from gateway.journal.database import APPLICATION_ID, migrations
from gateway.journal.errors import JournalDiskError, JournalError, JournalTooNew
from gateway.journal.journal import Told
from gateway.model.nodes import Place
from gateway.model.outcomes import Outcome, Phase
from gateway.model.records import RECORD_SCHEMA, Observation, Record, Target
from gateway.model.views import Event
from tests.gateway.journal.scribe import record, stamp


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[Journal]:
    """A journal on a disk, empty."""
    journal = await _opened(path)
    yield journal
    await journal.close()


async def _opened(path: Path) -> Journal:
    journal = Journal(Database(path), "gw", stamp)
    await journal.open()
    return journal


def _contents(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


# Refusals


async def test_a_newer_journal_is_refused_and_left_as_it_is(path: Path) -> None:
    journal = await _opened(path)
    await journal.tell(Told("gateway.started"))
    await journal.close()
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {migrations()[-1][0] + 1}")
    newer.close()
    before = _contents(path.parent)
    with pytest.raises(JournalTooNew) as caught:
        await Journal(Database(path), "gw", stamp).open()
    assert "newer Tender" in caught.value.what_to_do
    assert _contents(path.parent) == before


async def test_a_newer_journal_that_was_killed_is_left_as_it_is_with_all_it_had_not_tidied_up(
    path: Path,
) -> None:
    journal = await _opened(path)
    await journal.tell(Told("gateway.started"))
    await journal.close()
    killed = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA user_version = 999')\n"
        "os._exit(0)\n"
    )
    command = [sys.executable, "-c", killed, str(path)]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)
    names = [path, path.with_name(f"{path.name}-wal")]
    before = [file.read_bytes() for file in names]
    assert before[1], "the newer one's word is still in its log"
    with pytest.raises(JournalTooNew):
        await Journal(Database(path), "gw", stamp).open()
    assert [file.read_bytes() for file in names] == before


async def test_a_database_of_somebody_else_is_refused_and_left_as_it_is(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.commit()
    other.close()
    before = _contents(path.parent)
    with pytest.raises(JournalError, match="something else"):
        await Journal(Database(path), "gw", stamp).open()
    assert _contents(path.parent) == before


@pytest.mark.parametrize("damage", ["no database at all", "cut in half", "overwritten"])
async def test_a_damaged_file_has_a_named_error_and_a_way_out(path: Path, damage: str) -> None:
    journal = await _opened(path)
    for _ in range(30):
        await journal.create(record, phase_told)
    await journal.close()
    _damage(path, damage)
    with pytest.raises(JournalError) as caught:
        await _read_all(path)
    assert caught.value.code == "journal-broken"
    assert "export" in caught.value.what_to_do


def _damage(path: Path, damage: str) -> None:
    data = path.read_bytes()
    match damage:
        case "no database at all":
            path.write_bytes(b"this is a text, and a long one at that " * 100)
        case "cut in half":
            path.write_bytes(data[: len(data) // 2])
        case _:
            path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))


async def _read_all(path: Path) -> None:
    damaged = await _opened(path)
    try:
        await damaged.attempts()
    finally:
        await damaged.close()


async def test_a_record_of_a_newer_tender_is_refused_rather_than_misread(journal: Journal) -> None:
    made = await journal.create(record, phase_told)
    newer = replace(made, schema=RECORD_SCHEMA + 1)
    await journal.save(newer)
    with pytest.raises(JournalTooNew):
        await journal.open_attempts()


async def test_migrations_are_numbered_without_gaps_and_mark_the_file_as_ours(path: Path) -> None:
    numbers = [number for number, _ in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    journal = await _opened(path)
    assert await journal.database.run(lambda c: c.execute("PRAGMA user_version").fetchone()) == (numbers[-1],)
    assert await journal.database.run(lambda c: c.execute("PRAGMA application_id").fetchone()) == (
        APPLICATION_ID,
    )
    assert await journal.database.run(lambda c: c.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    await journal.close()


# One transaction


async def test_a_record_and_its_report_are_written_together_or_not_at_all(journal: Journal) -> None:
    made = await journal.create(record, phase_told)
    unwritable = Told("attempt.phase", data={"phase": object()})
    with pytest.raises(Exception):  # noqa: B017 - whatever it is: nothing may be written
        await journal.save(replace(made, phase=Phase.PREPARING), [phase_told(made), unwritable])
    stored = await journal.attempt(made.id)
    assert stored == made
    assert [event.id.sequence for event in await journal.events()] == [1]
    await journal.save(replace(made, phase=Phase.PREPARING), [phase_told(made)])
    assert [event.id.sequence for event in await journal.events()] == [1, 2], "no number was lost"


async def test_those_who_listen_hear_of_what_was_committed_though_the_caller_was_cancelled(
    journal: Journal,
) -> None:
    heard: list[Event] = []
    journal.listen(heard.append)
    task = asyncio.create_task(journal.tell(Told("gateway.started")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await journal.tell(Told("gateway.stopping"))
    stored = [event.kind for event in await journal.events()]
    assert [event.kind for event in heard] == stored
    assert stored[-1] == "gateway.stopping"


# Events


async def test_numbers_grow_and_are_never_used_twice_over_any_number_of_starts(path: Path) -> None:
    seen: list[tuple[int, int]] = []
    for _ in range(4):
        journal = await _opened(path)
        for _ in range(3):
            await journal.tell(Told("gateway.started"))
        unsent = await journal.unsent(10)
        seen += [(event.id.epoch, event.id.sequence) for event in unsent]
        await journal.acknowledged([event.id.sequence for event in unsent])
        # What was told long ago is forgotten; its number is not.
        await journal.database.run(lambda c: c.execute("DELETE FROM events"))
        await journal.close()
    assert seen == sorted(set(seen))
    assert [number for _, number in seen] == list(range(1, 13))
    assert len({epoch for epoch, _ in seen}) == 1


async def test_a_new_journal_begins_a_new_epoch(tmp_path: Path) -> None:
    epochs = set()
    for name in ("one", "other"):
        journal = await _opened(tmp_path / name)
        epochs.add(journal.epoch)
        await journal.close()
    assert len(epochs) == 2


async def test_only_what_upstream_took_is_not_told_again(journal: Journal) -> None:
    for _ in range(5):
        await journal.tell(Told("gateway.started"))
    await journal.acknowledged([1, 2])
    assert [event.id.sequence for event in await journal.unsent(10)] == [3, 4, 5]
    assert (await journal.unsent_depth())[0] == 3
    await journal.nothing_listens()
    assert await journal.unsent(10) == []
    assert len(await journal.events()) == 5


async def test_told_events_are_forgotten_some_time_also_where_nobody_listens(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.events.KEPT_EVENTS", 10)
    await journal.tell(*[Told("gateway.started")] * 40)
    await journal.nothing_listens()
    assert [event.id.sequence for event in await journal.events()] == list(range(31, 41))


async def test_after_months_of_outage_the_ends_remain_and_the_gap_is_named(journal: Journal) -> None:
    phase, end = Told("attempt.phase", node="n", attempt=1), Told("attempt.done", node="n", attempt=1)
    for _ in range(100):
        await journal.tell(*[phase] * 9, end)
    for _ in range(3):
        await journal.database.run(lambda c: compaction.compact(c, most=300))
    left = await journal.unsent(10_000)
    assert len(left) < 500
    assert sum(event.kind == "attempt.done" for event in left) == 100, "an end was dropped"
    numbers = [event.id.sequence for event in left]
    assert numbers == sorted(set(numbers))
    assert numbers[:100] == list(range(1, 101)), "these may be on the wire"
    (gap,) = [event for event in left if event.kind == "journal.gap"]
    missing = set(range(1, 1001)) - set(numbers) | {gap.id.sequence}
    first, last = gap.data["first"], gap.data["last"]
    assert isinstance(first, int)
    assert isinstance(last, int)
    assert (min(missing), max(missing)) == (first, last)
    assert gap.id.sequence == first
    assert left[-1].kind == "attempt.done", "the last state is there"


async def test_a_short_outage_loses_nothing(journal: Journal) -> None:
    await journal.tell(*[Told("attempt.phase", node="n", attempt=1)] * 300)
    await journal.database.run(lambda c: compaction.compact(c, most=300))
    assert len(await journal.unsent(1000)) == 300


# Attempts and what must stay for them


async def test_open_attempts_come_back_in_order_and_ended_ones_do_not(path: Path) -> None:
    journal = await _opened(path)
    first = await journal.create(lambda n: record(n, "a"), phase_told)
    second = await journal.create(lambda n: record(n, "b"), phase_told)
    third = await journal.create(lambda n: record(n, "c"), phase_told)
    ended = _ended(second, Outcome.SUCCEEDED)
    await journal.save(ended, [done_told(ended)])
    await journal.close()
    journal = await _opened(path)
    assert await journal.open_attempts() == [first, third]
    assert await journal.attempt(second.id) == ended
    assert {name: found.id for name, found in (await journal.last_attempts()).items()} == {
        "a": 1,
        "b": 2,
        "c": 3,
    }
    await journal.close()


async def test_one_deployment_never_has_two_attempts_on_a_node(journal: Journal) -> None:
    await journal.create(lambda n: record(n, "a", "d"), phase_told)
    with pytest.raises(JournalError):
        await journal.create(lambda n: record(n, "a", "d"), phase_told)
    assert len(await journal.attempts(deployment="d")) == 1
    assert len(await journal.events()) == 1


async def test_known_good_and_target_of_everything_that_is_not_over_stay_pinned(journal: Journal) -> None:
    def wanting(name: str, node: str, known: str) -> Callable[[int], Record]:
        made = record(0, node)
        part = replace(made.parts[0], want=_target(name), known_good=_target(known))
        return lambda number: replace(made, id=number, parts=(part,))

    older = await journal.create(wanting("older", "n", "oldest"), phase_told)
    assert await journal.pinned() == {_digest("older"), _digest("oldest")}
    ended = _ended(older, Outcome.WOUNDED)
    await journal.save(ended, [done_told(ended)])
    refused = await journal.create(wanting("refused", "n", "r"), phase_told)
    refused = _ended(refused, Outcome.REFUSED)
    await journal.save(refused, [done_told(refused)])
    assert [wound.id for wound in await journal.wounds()] == [older.id], "a refusal heals nothing"
    assert {_digest("older"), _digest("oldest")} <= await journal.pinned()
    newer = await journal.create(wanting("newer", "n", "x"), phase_told)
    newer = _ended(newer, Outcome.SUCCEEDED)
    await journal.save(newer, [done_told(newer)], known_good={"app": newer.parts[0].want})
    assert await journal.wounds() == []
    assert await journal.pinned() == {_digest("newer"), _digest("x")}
    await journal.add_baseline("p", "app", _target("baseline"))
    assert _digest("baseline") in await journal.pinned()


async def test_the_known_good_of_a_node_is_that_of_its_last_success(path: Path) -> None:
    journal = await _opened(path)
    for name in ("one", "two"):
        made = await journal.create(record, phase_told)
        ended = _ended(made, Outcome.SUCCEEDED)
        await journal.save(ended, [done_told(ended)], known_good={"app": _target(name)})
    await journal.close()
    journal = await _opened(path)
    assert await journal.known_goods("n1") == {"app": _target("two")}
    assert await journal.all_known_goods() == {"n1": {"app": _target("two")}}
    await journal.close()


async def test_what_was_seen_and_who_answered_is_remembered(path: Path) -> None:
    journal = await _opened(path)
    seen = Observation(Seen(Role.APP), at=stamp())
    await journal.save_seen("n", seen)
    first = Identity("first", Strength.HW_ID)
    await journal.keep_who("n", first, stamp(), Place("socket 3", "uart:/dev/x"))
    assert not await journal.way_back_seen("p", RollbackKind.REFLASH)
    await journal.way_back_worked("p", RollbackKind.REFLASH, "1")
    await journal.close()
    journal = await _opened(path)
    assert await journal.seen() == {"n": seen}
    kept = (await journal.kept())["n"]
    assert (kept.identity, kept.identity_at) == (first, stamp())
    assert kept.place == Place("socket 3", "uart:/dev/x")
    assert await journal.way_back_seen("p", RollbackKind.REFLASH)
    await journal.close()


async def test_a_state_is_published_until_upstream_has_just_that_one(journal: Journal) -> None:
    await journal.know_nodes(["a", "b"])
    assert [name for name, _ in await journal.stale_states(10)] == ["a", "b"]
    ((_, first), _) = await journal.stale_states(10)
    await journal.save_seen("a", Observation(Seen(Role.APP)))
    await journal.state_published("a", first)
    await journal.state_published("b", 1)
    ((name, newer),) = await journal.stale_states(10)
    assert (name, newer > first) == ("a", True)
    await journal.state_published("a", newer)
    assert await journal.stale_states(10) == []
    await journal.all_states_stale()
    assert len(await journal.stale_states(10)) == 2


async def test_traces_are_kept_for_the_newest_attempts_only(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.attempts.KEPT_TRACES", 3)
    for number in range(1, 6):
        await journal.keep_trace(number, [f"frame {number}"])
    assert [await journal.trace(number) for number in range(1, 6)] == [
        [],
        [],
        ["frame 3"],
        ["frame 4"],
        ["frame 5"],
    ]


# A full disk


_UNTIL_FULL = """
import asyncio, json, resource, sys
from gateway.journal import Database, Journal
from gateway.journal.errors import JournalFull
from gateway.journal.journal import Told
from tests.gateway.journal.scribe import stamp
import signal

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = Journal(Database(sys.argv[1]), "gw", stamp)
    await journal.open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
    told = 0
    try:
        while True:
            await journal.tell(Told("gateway.started", data={"filling": "x" * 3000}))
            told += 1
    except JournalFull as full:
        code = full.code
    during = len(await journal.events(limit=100_000))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await journal.tell(Told("gateway.stopping"))
    await journal.close()
    print(json.dumps({"told": told, "code": code, "during": during}))

asyncio.run(main())
"""


async def test_a_full_disk_is_named_loses_nothing_and_is_over_when_there_is_room(path: Path) -> None:
    root = Path(__file__).parents[3]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _UNTIL_FULL, str(path)],
        check=True,
        capture_output=True,
        timeout=120,
        cwd=root,
    )
    said = json.loads(done.stdout)
    assert said["code"] == JournalDiskError.code, "a file that may not grow is an error to SQLite"
    assert said["told"] > 5
    assert said["during"] == said["told"], "it can still be read"
    journal = await _opened(path)
    events = await journal.events(limit=100_000)
    await journal.close()
    assert [event.id.sequence for event in events] == list(range(1, said["told"] + 2))
    assert events[-1].kind == "gateway.stopping"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def _ended(made: Record, outcome: Outcome) -> Record:
    return advance.finish(made, Finish(outcome), Seen(Role.APP))


def _digest(name: str) -> Digest:
    return Digest.sha256(name.encode())


def _target(name: str) -> Target:
    return Target(_digest(name), Firmware(_digest(name), name), 1, "raw", version=name)


async def test_phases_are_forgotten_before_ends_and_it_is_said_from_where_on(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.events.KEPT_EVENTS", 60)
    monkeypatch.setattr("gateway.journal.events.KEPT_PHASES", 10)
    phase, end = Told("attempt.phase", node="n", attempt=1), Told("attempt.done", node="n", attempt=1)
    for _ in range(20):
        await journal.tell(phase, phase, phase, phase, end)
    await journal.acknowledged(list(range(1, 91)))
    assert await journal.kept_from() == (45, 91)
    kept = await journal.events()
    assert [event.id.sequence for event in kept if event.kind == "attempt.done"] == list(range(45, 101, 5))
    assert [event.id.sequence for event in kept if event.kind == "attempt.phase"] == [
        number for number in range(91, 101) if number % 5
    ]
    only = await journal.history(kind="attempt.done", node="n", limit=2, newest=True)
    assert [event.id.sequence for event in only] == [95, 100]
