"""An import is the old state or the new one, whatever ends it; and a bad export changes nothing."""

import asyncio
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flashers.api import Digest, Firmware, Stamp
from gateway.artifacts.backups import BackupStore
from gateway.artifacts.files import make_folder
from gateway.artifacts.store import ArtifactStore
from gateway.clock import now
from gateway.journal import Database, Journal
from gateway.journal.database import newest_shape
from gateway.journal.journal import Told
from gateway.lock import StateInUse, only_one
from gateway.model.records import Target
from gateway.state.contents import Artifacts, Member, write
from gateway.state.errors import (
    ExportDamaged,
    ExportLocked,
    ExportTooNew,
    ExportTruncated,
    NoExport,
    NoState,
    StateThere,
)
from gateway.state.exporting import export_running, export_stopped
from gateway.state.importing import READY, REPLACED, OtherGateway, import_state, look_into, settle
from gateway.state.keys import Opener, Recipient, Seal, keygen
from gateway.state.sealing import Header, Sealer
from transports.errors import TenderError

KNOWN_GOOD, READ_OUT, SPARE = b"known good" * 1000, b"read from a node", b"nobody needs it"
STEPS = (
    "unpack",
    "sync",
    "commit",
    "put aside",
    "move store",
    "move backups",
    "move releases",
    "move journal",
    "clean",
)


@dataclass
class Place:
    """A state folder with something in it, an export of it, and what opens that."""

    folder: Path
    recipient: Recipient
    opener: Opener

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def file(self) -> Path:
        return self.folder / "site.tender-state"

    async def export(self, what: Artifacts = "known-good") -> None:
        seal = Seal.to(self.recipient)
        await export_stopped("gw", self.state, self.file, seal, what, {"gateway.name": "gw"})

    async def take(self, state: Path | None = None, *, replace: bool = False) -> None:
        await import_state(self.file, self.opener, state or self.state, "gw", replace=replace)


def target(data: bytes, *, private: bool = False) -> Target:
    return Target(Digest.sha256(data), Firmware(None, "1"), len(data), "raw", version="1", private=private)


async def fill(state: Path, word: str) -> None:
    """A journal that says ``word``, and artifacts that it needs."""
    make_folder(state)
    journal = Journal(Database(state / "journal.sqlite"), "gw", now)
    await journal.open()
    await journal.know_nodes(["n1", "n2"])
    await journal.set_meta("word", word)
    await journal.tell(Told("gateway.started", data={"word": word}))
    await journal.add_baseline("p", "app", target(KNOWN_GOOD))
    await journal.add_baseline("p", "radio", target(READ_OUT, private=True))
    await journal.close()
    store = await ArtifactStore.open(state / "store", cap=1 << 30)
    await store.put_bytes(KNOWN_GOOD)
    await store.put_bytes(SPARE)
    await BackupStore(state / "backups").save(READ_OUT)


async def word(state: Path) -> str | None:
    """What a service would find after its start."""
    settle(state)
    if not (state / "journal.sqlite").exists():
        return None
    journal = Journal(Database(state / "journal.sqlite"), "gw", now)
    await journal.open()
    try:
        for digest in await journal.pinned():
            name = digest.value.hex()
            assert (state / "store/sha256" / name[:2] / name).exists() or (state / "backups" / name).exists()
        return await journal.meta("word")
    finally:
        await journal.close()


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """A state that says ``exported``, and its export."""
    recipient = keygen(tmp_path / "key.pem")
    place = Place(tmp_path, recipient, Opener(key_file=tmp_path / "key.pem"))
    await fill(place.state, "exported")
    await place.export()
    return place


def fingerprints(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


async def test_all_that_nodes_need_comes_back_also_what_was_read_from_them(place: Place) -> None:
    shutil.rmtree(place.state)
    await place.take()
    assert await word(place.state) == "exported"
    store = await ArtifactStore.open(place.state / "store", cap=1 << 30)
    assert await store.open_verified(Digest.sha256(KNOWN_GOOD)) == KNOWN_GOOD
    assert not store.has(Digest.sha256(SPARE))
    assert await BackupStore(place.state / "backups").open_verified(Digest.sha256(READ_OUT)) == READ_OUT
    assert (place.state / "backups").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("what", "have"), [("all", 3), ("known-good", 2), ("none", 0)])
async def test_as_much_firmware_goes_along_as_was_asked_for(place: Place, what: Artifacts, have: int) -> None:
    await place.export(what)
    contents = await look_into(place.file, place.opener)
    names = [member.name for member in contents.members if member.name.startswith(("store/", "backups/"))]
    assert len(names) == have
    assert len(contents.lacking) == (2 if what == "none" else 0)


async def test_tables_that_the_export_never_heard_of_come_along(place: Place) -> None:
    connection = sqlite3.connect(place.state / "journal.sqlite")
    connection.execute("CREATE TABLE of_another_area (word TEXT)")
    connection.execute("INSERT INTO of_another_area VALUES ('kept')")
    connection.commit()
    connection.close()
    await place.export()
    shutil.rmtree(place.state)
    await place.take()
    connection = sqlite3.connect(place.state / "journal.sqlite")
    assert connection.execute("SELECT word FROM of_another_area").fetchall() == [("kept",)]
    connection.close()


async def test_no_event_of_the_new_life_has_the_number_of_one_of_the_lost(place: Place) -> None:
    lost = Journal(Database(place.state / "journal.sqlite"), "gw", now)
    await lost.open()
    for _ in range(5):  # after the export, and told upstream
        await lost.tell(Told("gateway.started"))
    told = {event.id for event in await lost.events()}
    await lost.close()
    shutil.rmtree(place.state)
    await place.take()
    journal = Journal(Database(place.state / "journal.sqlite"), "gw", now)
    await journal.open()
    await journal.tell(Told("gateway.started"))
    events = await journal.events()
    assert events[0].id in told, "what was untold when it was exported is told as it was"
    assert events[-1].id not in told
    assert events[-1].id.epoch > lost.epoch
    assert events[-1].id.sequence > events[0].id.sequence
    await journal.close()


async def test_a_clock_that_went_back_does_not_take_the_epoch_back(place: Place) -> None:
    journal = Journal(Database(place.state / "journal.sqlite"), "gw", lambda: Stamp(0, False))
    await journal.open()
    before = journal.epoch
    epochs = [await journal.begin_anew("import", {}, costly=False) for _ in range(5)]
    assert before < epochs[0]
    assert sorted(set(epochs)) == epochs
    await journal.close()


async def test_a_running_service_is_exported_as_it_is_at_one_moment(place: Place) -> None:
    journal = Journal(Database(place.state / "journal.sqlite"), "gw", now)
    await journal.open()
    writing = True

    async def write() -> int:
        count = 0
        while writing:
            count += 1
            await journal.set_meta_and_tell(
                "count", str(count), [Told("gateway.started", data={"count": count})]
            )
        return count

    writer = asyncio.create_task(write())
    await asyncio.sleep(0)
    await export_running(journal, place.state, place.file, Seal.to(place.recipient), "known-good", {})
    writing = False
    assert await writer > 1
    await journal.close()
    other = place.folder / "other"
    await place.take(other)
    copy = Journal(Database(other / "journal.sqlite"), "gw", now)
    await copy.open()
    counts = [event.data["count"] for event in await copy.events(limit=100_000) if "count" in event.data]
    assert counts == list(range(1, len(counts) + 1))
    assert await copy.meta("count") == (str(len(counts)) if counts else None)
    await copy.close()


# Bad input


async def _refused(
    place: Place,
    error: type[TenderError] | tuple[type[TenderError], ...],
    opener: Opener | None = None,
    *,
    replace: bool = True,
) -> None:
    before = fingerprints(place.state)
    with pytest.raises(error) as caught:
        await import_state(place.file, opener or place.opener, place.state, "gw", replace=replace)
    assert caught.value.code
    assert caught.value.what_to_do
    assert fingerprints(place.state) == before


async def test_a_journal_is_not_written_over_unless_that_is_said(place: Place) -> None:
    await _refused(place, StateThere, replace=False)


async def test_a_running_service_is_not_pulled_the_state_from_under(place: Place) -> None:
    with only_one(place.state):
        await _refused(place, StateInUse)


async def test_the_wrong_key_changes_nothing(place: Place) -> None:
    keygen(place.folder / "other.pem")
    await _refused(place, ExportLocked, Opener(key_file=place.folder / "other.pem"))
    await _refused(place, ExportLocked, Opener(passphrase="guessed"))


async def test_a_cut_export_changes_nothing(place: Place) -> None:
    whole = place.file.read_bytes()
    for size in (len(whole) - 1, len(whole) // 2, 500):
        place.file.write_bytes(whole[:size])
        await _refused(place, ExportTruncated)
    place.file.write_bytes(b"")
    await _refused(place, NoExport)
    place.file.unlink()
    await _refused(place, NoExport)


async def test_a_flipped_bit_changes_nothing(place: Place) -> None:
    whole = bytearray(place.file.read_bytes())
    for position in range(700, len(whole) - 1, len(whole) // 5):
        bad = bytearray(whole)
        bad[position] ^= 4
        place.file.write_bytes(bad)
        # In the last piece, a bit that is another and an end that is missing look the same.
        await _refused(place, (ExportDamaged, ExportTruncated))


async def test_a_newer_journal_is_refused_by_an_older_binary(place: Place) -> None:
    """As a newer Tender would have written it: with a shape that is not known here."""
    journal = place.state / "journal.sqlite"
    data = journal.read_bytes()
    member = Member(name=journal.name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    contents = await look_into(place.file, place.opener)
    newer = contents.model_copy(update={"shape": newest_shape() + 1, "members": (member,)})
    seal = Seal.to(place.recipient)
    with place.file.open("wb") as file:
        sealer = Sealer(file, seal, Header(seal=seal.table))
        write(newer, lambda _: journal, sealer)
        sealer.finish()
    await _refused(place, ExportTooNew)


async def test_another_gateways_export_is_only_taken_if_that_is_said(place: Place) -> None:
    shutil.rmtree(place.state)
    with pytest.raises(OtherGateway):
        await import_state(place.file, place.opener, place.state, "attic")
    assert await word(place.state) is None
    await import_state(place.file, place.opener, place.state, "attic", other_gateway=True)
    assert await word(place.state) == "exported"


async def test_nothing_is_exported_where_there_is_nothing(tmp_path: Path, place: Place) -> None:
    with pytest.raises(NoState):
        await export_stopped("gw", tmp_path / "empty", tmp_path / "x", Seal.to(place.recipient), "none", {})
    assert not (tmp_path / "x").exists()


# Killed


@pytest.fixture(params=["over an old state", "into an empty folder"])
async def over(request: pytest.FixtureRequest, place: Place) -> Place:
    """Where the import goes."""
    shutil.rmtree(place.state)
    if request.param == "over an old state":
        await fill(place.state, "old")
    return place


@pytest.mark.parametrize("at", STEPS)
async def test_an_import_that_is_killed_leaves_the_old_or_the_new(over: Place, at: str) -> None:
    old = await word(over.state)
    _killed_at(over, at)
    found = await word(over.state)
    committed = STEPS.index(at) > STEPS.index("commit")
    assert found == ("exported" if committed else old)
    assert not (over.state / READY).exists()
    if not committed:
        await over.take(replace=True)
        assert await word(over.state) == "exported"
    if old is not None:
        kept = sqlite3.connect(over.state / REPLACED / "journal.sqlite")
        assert kept.execute("SELECT value FROM meta WHERE key = 'word'").fetchall() == [("old",)]
        kept.close()
    left = {path.name for path in over.state.iterdir()}
    assert not [name for name in left if name.startswith("import-")]


@pytest.mark.parametrize("first", STEPS[3:])
async def test_what_takes_up_a_killed_import_may_be_killed_as_well(over: Place, first: str) -> None:
    _killed_at(over, first)
    for second in STEPS[3:]:
        _settle_killed_at(over.state, second)
    assert await word(over.state) == "exported"


def _killed_at(place: Place, at: str) -> None:
    def run() -> None:
        def step(name: str) -> None:
            if name == at:
                os._exit(9)

        asyncio.run(import_state(place.file, place.opener, place.state, "gw", replace=True, step=step))

    assert _in_a_child(run) == 9, f"there is no step {at!r}"


def _settle_killed_at(state: Path, at: str) -> None:
    def run() -> None:
        settle(state, lambda name: os._exit(9) if name == at else None)

    _in_a_child(run)


def _in_a_child(run: Callable[[], None]) -> int:
    """Run it in a process that can die; its exit code."""
    child = os.fork()
    if not child:
        try:
            run()
        except BaseException:  # noqa: BLE001 - nothing may come back into the test's own run
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """No unfinished file stays beside an export."""
    yield
    assert not list(tmp_path.glob("*.tmp"))
    assert not list(tmp_path.glob(".*.tmp"))
