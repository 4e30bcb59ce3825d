"""Processes killed, disks full: the store has whole files under their digest, or none."""

import hashlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flashers.api.data import Digest
from gateway.artifacts.store import ArtifactStore
from tests.gateway.artifacts.writer import content

PROJECT = Path(__file__).resolve().parents[3]
WRITER = [sys.executable, "-m", "tests.gateway.artifacts.writer"]


@contextmanager
def writer(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([*WRITER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    try:
        with process:
            yield process
    finally:
        process.kill()


def killed_while_writing(folder: Path, chance: random.Random) -> list[str]:
    """What the writer had said when it died, at a moment that nobody has chosen."""
    said: list[str] = []
    with writer(folder) as process:
        assert process.stdout is not None
        said.extend(process.stdout.readline() for _ in range(chance.randint(1, 30)))
        # Somewhere inside the next file: it takes about this long.
        time.sleep(chance.uniform(0, 0.01))
        process.send_signal(signal.SIGKILL)
        said.extend(process.stdout)
    assert process.returncode == -signal.SIGKILL
    return said


async def check_store(folder: Path, said: list[str]) -> None:
    stored = {path.name: path for path in (folder / "sha256").glob("*/*")}
    for name, path in stored.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == name, "a file is not what its name says"
    store = await ArtifactStore.open(folder, cap=1 << 30, keep_free=0)
    assert not list((folder / "incoming").iterdir())
    assert store.usage().artifacts == len(stored)
    done = [line.split()[1] for line in said if line.startswith("done")]
    for name in done[-5:]:  # older ones may have made way
        await store.open_verified(Digest.parse(f"sha256:{name}"))


async def test_a_process_killed_while_writing_leaves_whole_files_or_none(tmp_path: Path) -> None:
    chance = random.Random(20251121)
    for _ in range(8):
        await check_store(tmp_path, killed_while_writing(tmp_path, chance))


@pytest.mark.slow
async def test_sixty_processes_killed_while_writing_leave_whole_files_or_none(tmp_path: Path) -> None:
    chance = random.Random(7)
    halves = 0
    for _ in range(60):
        said = killed_while_writing(tmp_path, chance)
        halves += len(list((tmp_path / "incoming").iterdir()))
        await check_store(tmp_path, said)
    assert halves > 5, "too few of them were in the middle of a file"


@pytest.mark.peer
def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_we_say_so(tmp_path: Path) -> None:
    """The order of the system calls, as the kernel saw them: it is what a loss of power leaves."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace here")
    trace = tmp_path / "trace"
    calls = "trace=write,fsync,rename,openat,close"
    traced = [strace, "-f", "-y", "-e", calls, "-o", str(trace), *WRITER, str(tmp_path / "store"), "3"]
    done = subprocess.run(traced, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120)
    if "PTRACE" in done.stderr:
        pytest.skip("no process may be traced here")
    assert done.returncode == 0, done.stderr
    unsynced: set[str] = set()
    unnamed: set[str] = set()
    published = 0
    for line in trace.read_text().splitlines():
        if found := re.search(r"\bwrite\(\d+<(.*/incoming/[^>]*)>", line):
            unsynced.add(found[1])
        elif found := re.search(r"\bfsync\(\d+<([^>]*)>", line):
            unsynced.discard(found[1])
            unnamed.discard(found[1])
        elif found := re.search(r'\brename\("([^"]*)", "([^"]*/sha256/[^"]*)"', line):
            assert found[1] not in unsynced, "it has its name before its bytes are on the disk"
            unnamed.add(str(Path(found[2]).parent))
            published += 1
        elif "done " in line:
            assert not unnamed, "we said so before its name was on the disk"
    assert published == 3


def test_a_disk_quota_reached_in_the_middle_of_a_file_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    """The kernel refuses to make any file longer than a limit: a full disk, as far as one file sees it."""
    script = (
        "import asyncio, resource, sys\n"
        "from pathlib import Path\n"
        "from gateway.artifacts.store import ArtifactStore\n"
        "from gateway.artifacts.errors import DiskFull\n"
        "async def main(folder):\n"
        "    store = await ArtifactStore.open(folder, cap=1 << 30, keep_free=0)\n"
        "    small = await store.put_bytes(bytes(1000))\n"
        f"    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, {resource.RLIM_INFINITY}))\n"
        "    try: await store.put_bytes(bytes(100_000))\n"
        "    except DiskFull as error: print(error.code, store.room.used)\n"
        "    assert await store.open_verified(small) == bytes(1000)\n"
        "    await store.put_bytes(bytes(40_000))\n"
        "asyncio.run(main(Path(sys.argv[1])))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == ("disk-full 1000\n", 0), done.stderr
    assert not list((tmp_path / "incoming").iterdir())


def test_a_full_disk_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    """On a real file system of one megabyte, in a namespace of its own."""
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from gateway.artifacts.store import ArtifactStore\n"
        "from gateway.artifacts.files import off_loop\n"
        "from gateway.artifacts.errors import DiskFull\n"
        "async def main(folder):\n"
        "    store = await ArtifactStore.open(folder / 'store', cap=1 << 30, keep_free=0)\n"
        "    kept = await store.put_bytes(bytes(100_000))\n"
        "    with store.hold(kept):\n"
        "        try: await store.put_bytes(b'x' * 2_000_000)\n"
        "        except DiskFull as error: print('beforehand', error.code)\n"
        "        half = b'y' * 700_000\n"
        "        def others():\n"
        "            yield half[:100_000]\n"
        "            try: (folder / 'others').write_bytes(bytes(900_000))\n"
        "            except OSError: pass\n"
        "            yield half[100_000:]\n"
        "        from flashers.api.data import Digest\n"
        "        try: await store.put(others(), Digest.sha256(half), len(half))\n"
        "        except DiskFull as error: print('in the middle', error.code)\n"
        "        assert await store.open_verified(kept) == bytes(100_000)\n"
        "        (folder / 'others').unlink()\n"
        "        await store.put([half], Digest.sha256(half), len(half))\n"
        "asyncio.run(main(Path(sys.argv[1])))\n"
    )
    command = 'mount -t tmpfs -o size=1m tmpfs $0 && exec $1 -c "$2" $0'
    inside = [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        command,
        str(tmp_path),
        sys.executable,
        script,
    ]
    trial = subprocess.run(
        [*inside[:5], "mount -t tmpfs tmpfs $0", str(tmp_path)], capture_output=True, check=False, timeout=30
    )
    if trial.returncode != 0:
        pytest.skip("no file system may be mounted here")
    done = subprocess.run(
        inside, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["beforehand disk-full", "in the middle disk-full"]


def test_the_writers_artifacts_are_all_different() -> None:
    assert len({content(number) for number in range(50)}) == 50
