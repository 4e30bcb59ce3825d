"""The power fails at every single write of a journal's life: what was acknowledged is there."""

import hashlib
import json
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.journal import Database, Journal
from tests.gateway.journal import scribe
from tests.gateway.journal.replay import TRACED, Disk, Files, trace
from tests.gateway.journal.scribe import NAME, fingerprint, stamp

ACK = f"{NAME}.ack"


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """Thousands of images need no platter."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    folder = memory / f"tender-{tmp_path.name}"
    folder.mkdir(exist_ok=True)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.peer
@pytest.mark.slow
async def test_no_acknowledged_commit_is_lost_or_halved_wherever_the_power_fails(
    tmp_path: Path, quick_folder: Path
) -> None:
    calls = trace(tmp_path, scribe.__name__, NAME)
    prints = [json.loads(call.data) for call in calls if call.name == ACK]
    assert len(set(prints)) > len(prints) * 0.9
    chance, disk, acknowledged, seen = random.Random(11), Disk(TRACED), 0, set[bytes]()
    images = 0
    for call in calls:
        if call.name == ACK:
            acknowledged += 1
            continue
        disk.happened(call)
        for files in disk.images(chance):
            key = hashlib.sha256(repr((sorted(files.items()), acknowledged)).encode()).digest()
            if key in seen:
                continue
            seen.add(key)
            images += 1
            found = await _what_is_there(quick_folder / str(images), files)
            if not acknowledged:
                continue  # it is sound; what it holds was not promised to anybody yet
            allowed = prints[acknowledged - 1 : acknowledged + 1]
            assert found in allowed, f"after {acknowledged} commits, at {call.kind} of {call.name}"
    syncs = sum(call.kind == "s" for call in calls)
    sys.stdout.write(
        f"\n{len(calls)} calls traced, {syncs} of them syncs, {len(prints)} commits; {images} images opened\n"
    )
    assert images > 2_000


async def _what_is_there(folder: Path, files: Files) -> str:
    """Open what the crash left, as a gateway that starts again does."""
    _lay_out(folder, files)
    journal = Journal(Database(folder / NAME, threaded=False), "gw", stamp)
    await journal.open()
    try:
        (sound,) = await journal.database.run(lambda c: c.execute("PRAGMA integrity_check").fetchone())
        assert sound == "ok"
        records = await journal.attempts(limit=10_000)
        numbers = [event.id.sequence for event in await journal.events(limit=100_000)]
        assert numbers == list(range(1, len(numbers) + 1))
        ended = {
            event.attempt for event in await journal.events(limit=100_000) if event.kind == "attempt.done"
        }
        assert ended == {record.id for record in records if record.done}, "a report without its record"
        return await journal.database.run(fingerprint)
    finally:
        await journal.close()
        shutil.rmtree(folder)


def _lay_out(folder: Path, files: Files) -> None:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
