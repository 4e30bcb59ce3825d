"""What the gateway has to do without is said, nothing is lost, and nothing new begins without a journal."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from flashers.api import Stamp
from flashers.sim import Behaviour
from gateway.journal.database import Database
from gateway.journal.errors import JournalDamaged
from gateway.journal.journal import Journal
from tests.gateway.service.site import (
    NEW,
    NEWER,
    OLD,
    RELAY,
    SENSOR,
    Bench,
    Running,
    firmware,
    outcomes,
    runs,
    virtual,
)


def journal(bench: Bench) -> Path:
    return bench.folder / "state" / "journal.sqlite"


def kept(bench: Bench) -> list[Path]:
    """The damaged journals that are kept."""
    return sorted(journal(bench).parent.glob("journal.sqlite.damaged-*[0-9]"))


def scribble(path: Path) -> None:
    """Overwrite pages in the middle of the file; what is in the write-ahead log goes with it."""
    Path(f"{path}-wal").unlink(missing_ok=True)
    Path(f"{path}-shm").unlink(missing_ok=True)
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        for page in range(1, size // 4096):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)


def scribble_under_it(path: Path) -> None:
    """Overwrite what a running gateway reads: the file's pages, and the frames of the log before it."""
    other = sqlite3.connect(path)  # somebody else's write lets it forget the pages that it has in memory
    with other:
        other.execute("INSERT OR REPLACE INTO meta VALUES ('somebody', 'else')")
    other.close()
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with Path(f"{path}-wal").open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(32)
        file.write(b"\xa5" * (size - 32))


def truncate(path: Path) -> None:
    Path(f"{path}-wal").unlink(missing_ok=True)
    with path.open("r+b") as file:
        file.truncate(file.seek(0, 2) // 2)


def empty(path: Path) -> None:
    Path(f"{path}-wal").unlink(missing_ok=True)
    path.write_bytes(b"")


def behead(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\x00" * 512)


async def stocked(bench: Bench, running: Running) -> None:
    await running.gateway.add_release(bench.release(NEW), asked_by="test")
    file = bench.folder / "old.hex"
    file.write_bytes(firmware(RELAY, OLD))
    await running.gateway.add_baseline(file, profile=RELAY, component="app", version=OLD)


def codes(status: object) -> list[str]:
    return [reason.code for reason in status.degraded]  # type: ignore[attr-defined]


@pytest.mark.parametrize("break_it", [scribble, truncate, empty, behead])
def test_a_journal_found_broken_at_the_start_is_kept_aside_and_begun_anew(
    tmp_path: Path, break_it: object
) -> None:
    @virtual
    async def test(bench: Bench) -> None:
        bench.node("sensor", SENSOR)
        bench.node("relay", RELAY)
        async with bench.gateway() as running:
            await stocked(bench, running)
            await running.deploy(all_at_once=True)
            assert outcomes(await running.ended()) == ["succeeded", "succeeded"]
            epoch = (await running.gateway.status()).epoch
        break_it(journal(bench))  # type: ignore[operator]
        async with bench.gateway() as running:
            gateway = running.gateway
            status = await gateway.status()
            assert codes(status) == ["journal-lost"]
            assert status.epoch > epoch
            assert status.draining is not None
            assert len(kept(bench)) == 1
            events = await gateway.site.journal.events()
            (lost,) = (event for event in events if event.kind == "journal.lost")
            assert lost.data["kept"] == kept(bench)[0].name
            assert lost.id.sequence == 1
            # The inventory is made anew from what the nodes say, where asking costs nothing.
            await running.until(lambda: gateway.site.inventory.view("sensor").state == "ok", within=60)
            (part,) = (await running.view("sensor")).components
            assert part.firmware is not None
            assert part.firmware.identity == bench.identity(SENSOR, NEW, Behaviour.HEALTHY)
            assert (await running.view("relay")).state == "unknown", "a look would restart it"
            # Nothing is begun until somebody has looked.
            await gateway.add_release(bench.release(NEWER), asked_by="test")
            await running.deploy("again", "sensor", version=NEWER)
            await asyncio.sleep(120)
            assert runs(bench, "sensor", SENSOR, NEW)
            await gateway.standing.undrain(asked_by="alice")
            assert codes(await gateway.status()) == []
            assert outcomes(await running.ended()) == ["succeeded"]
        async with bench.gateway() as running:
            assert codes(await running.gateway.status()) == []
            assert len(kept(bench)) == 1

    test(tmp_path)


@virtual
async def test_a_journal_that_breaks_under_a_transfer_is_begun_anew_from_memory(bench: Bench) -> None:
    bench.node("relay", RELAY)
    bench.node("sensor", SENSOR)
    async with bench.gateway() as running:
        gateway = running.gateway
        await stocked(bench, running)
        epoch = gateway.site.journal.epoch
        await running.deploy("d", "relay", all_at_once=True)
        await running.until(lambda: gateway.supervisor.exposed)
        scribble_under_it(journal(bench))
        status = await gateway.status()  # it answers, whatever its journal does
        await running.until(lambda: gateway.site.journal.epoch > epoch, within=60)
        status = await gateway.status()
        assert codes(status) == ["journal-lost"]
        assert len(kept(bench)) == 1
        # What was inside its window is finished, under its own number.
        (record,) = await running.ended()
        assert outcomes([record]) == ["succeeded"]
        assert runs(bench, "relay", RELAY, NEW)
        assert gateway.site.inventory.known_goods("relay")["app"].firmware.version == NEW
        # And what is new waits.
        await running.deploy("e", "sensor")
        await asyncio.sleep(60)
        assert runs(bench, "sensor", SENSOR, OLD)
        numbers = [each.id for each in await running.records()]
        assert numbers == sorted(set(numbers))
        await gateway.standing.undrain(asked_by="alice")
        assert outcomes(await running.ended()) == ["succeeded", "succeeded"]
        kinds = [event.kind for event in running.kept]
        assert kinds.count("journal.lost") == 1
    async with bench.gateway() as running:
        assert codes(await running.gateway.status()) == []
        assert outcomes(await running.records()) == ["succeeded", "succeeded"]


@virtual
async def test_only_the_newest_damaged_journals_are_kept(bench: Bench) -> None:
    bench.node("sensor", SENSOR)
    found = list[str]()
    for _ in range(5):
        async with bench.gateway():
            pass
        behead(journal(bench))
        found = [each.name for each in kept(bench)]
    assert len(found) == 3


async def test_a_journal_that_is_only_read_is_never_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"no database at all, and long enough to be looked at" * 100)
    book = Journal(Database(path), "gw", _clock)
    with pytest.raises(JournalDamaged):
        await book.open()
    await book.close()
    assert names(tmp_path) == ["journal.sqlite"]


async def test_a_database_of_something_else_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE accounts (name TEXT)")
    other.close()
    book = Journal(Database(path), "gw", _clock)
    with pytest.raises(Exception, match="something else"):
        await book.open(mend=True)
    await book.close()
    assert names(tmp_path) == ["journal.sqlite"]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def _clock() -> Stamp:
    return Stamp(1_790_000_000_000, synchronised=True)
