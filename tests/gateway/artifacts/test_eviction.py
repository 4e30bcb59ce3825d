"""Eviction, driven by hypothesis against a model that knows only the promise."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from flashers.api.data import Digest
from gateway.artifacts.errors import ArtifactMissing, StoreFull
from gateway.artifacts.store import ArtifactStore

T = TypeVar("T")

CAP = 1000
BLOBS = [bytes([number]) * size for number, size in enumerate((100, 200, 300, 400, 500, 250, 350, 150))]
DIGESTS = [Digest.sha256(data) for data in BLOBS]
numbers = st.integers(0, len(BLOBS) - 1)


class Evictions(RuleBasedStateMachine):
    """Puts, uses, pins, holds and restarts in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.root = Path(tempfile.mkdtemp())
        self.pinned: set[Digest] = set()
        self.held: dict[Digest, ExitStack] = {}
        self.there: set[Digest] = set()
        self.store = self.reopened()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def reopened(self) -> ArtifactStore:
        return self.run(ArtifactStore.open(self.root, cap=CAP, pinned=lambda: self.pinned, keep_free=0))

    @rule(number=numbers)
    def put(self, number: int) -> None:
        digest = DIGESTS[number]
        needed = self.needed_bytes()
        try:
            self.run(self.store.put_bytes(BLOBS[number]))
        except StoreFull:
            # Refused only if what is needed leaves no room.
            assert needed + len(BLOBS[number]) > CAP
            assert digest not in self.there

    @rule(number=numbers)
    def use(self, number: int) -> None:
        digest = DIGESTS[number]
        try:
            assert self.run(self.store.open_verified(digest)) == BLOBS[number]
        except ArtifactMissing:
            assert digest not in self.there

    @rule(number=numbers)
    def pin(self, number: int) -> None:
        if self.store.has(DIGESTS[number]):
            self.pinned.add(DIGESTS[number])

    @rule(number=numbers)
    def unpin(self, number: int) -> None:
        self.pinned.discard(DIGESTS[number])

    @rule(number=numbers)
    def hold(self, number: int) -> None:
        digest = DIGESTS[number]
        if digest not in self.held and self.store.has(digest):
            self.held[digest] = ExitStack()
            self.held[digest].enter_context(self.store.hold(digest))

    @rule(number=numbers)
    def let_go(self, number: int) -> None:
        if (stack := self.held.pop(DIGESTS[number], None)) is not None:
            stack.close()

    @rule()
    def restart(self) -> None:
        for stack in self.held.values():
            stack.close()
        self.held.clear()
        self.store = self.reopened()

    def needed(self) -> set[Digest]:
        return self.pinned | set(self.held)

    def needed_bytes(self) -> int:
        return sum(len(data) for data, digest in zip(BLOBS, DIGESTS, strict=True) if digest in self.needed())

    @invariant()
    def what_is_needed_is_there_the_cap_holds_and_the_books_are_true(self) -> None:
        assert all(self.store.has(digest) for digest in self.needed())
        on_disk = {path.name: path.stat().st_size for path in (self.root / "sha256").glob("*/*")}
        assert sum(on_disk.values()) <= CAP
        assert self.store.room.used == sum(on_disk.values())
        assert {digest.value.hex() for digest in DIGESTS if self.store.has(digest)} == set(on_disk)
        self.there = {digest for digest in DIGESTS if self.store.has(digest)}

    def teardown(self) -> None:
        self.runner.close()
        shutil.rmtree(self.root)


TestEvictions = Evictions.TestCase
TestEvictions.settings = settings(stateful_step_count=25)
