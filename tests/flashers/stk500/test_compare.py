"""Finding out which image a flash holds, by reading little."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import FirmwareImage
from flashers.stk500.compare import held_images
from tests.flashers.stk500.world import PAGE, parsed


class Memory:
    """A flash that counts which pages are read."""

    def __init__(self, data: bytes) -> None:
        self.data = data.ljust(16 * PAGE, b"\xff")
        self.read_pages: list[int] = []

    async def read(self, address: int, size: int) -> bytes:
        self.read_pages.append(address // PAGE)
        return self.data[address : address + size]

    def held(self, *candidates: FirmwareImage) -> list[FirmwareImage]:
        return asyncio.run(held_images(candidates, PAGE, self.read))


def numbered(*numbers: int) -> bytes:
    """Pages filled with a number each."""
    return b"".join(bytes([number]) * PAGE for number in numbers)


A = parsed(numbered(1, 2, 3, 4))
B = parsed(numbered(1, 2, 9, 4))
C = parsed(numbered(5, 6))
A_AND_MORE = parsed(numbered(1, 2, 3, 4, 5))


def test_the_one_that_is_there_is_found_and_read_once() -> None:
    flash = Memory(numbered(1, 2, 3, 4))
    assert flash.held(B, C, A) == [A]
    assert flash.read_pages == [0, 1, 2, 3]


def test_reading_stops_when_every_candidate_is_excluded() -> None:
    flash = Memory(numbered(7, 2, 3, 4))
    assert flash.held(A, B, C) == []
    assert flash.read_pages == [0]


def test_nothing_is_read_for_a_candidate_that_is_excluded() -> None:
    flash = Memory(numbered(5, 6, 3, 4))
    assert flash.held(A, C, A_AND_MORE) == [C]
    assert flash.read_pages == [0, 1]


def test_without_candidates_nothing_is_read() -> None:
    flash = Memory(b"")
    assert flash.held() == []
    assert flash.read_pages == []


def test_of_images_that_begin_alike_the_largest_comes_first() -> None:
    flash = Memory(numbered(1, 2, 3, 4, 5, 6))
    assert flash.held(A, A_AND_MORE) == [A_AND_MORE, A]


def test_a_stale_tail_behind_the_image_does_not_matter() -> None:
    odd = parsed(numbered(1, 2)[:-5])
    flash = Memory(numbered(1, 2)[:-5] + b"stale tail")
    assert flash.held(odd) == [odd]


NUMBERS = st.lists(st.integers(0, 2), min_size=1, max_size=6)


@pytest.mark.parametrize("cut", [0, 1, PAGE - 1])
@given(NUMBERS, st.lists(NUMBERS, max_size=5))
def test_reading_little_finds_what_reading_everything_would(
    cut: int, flash: list[int], candidates: list[list[int]]
) -> None:
    memory = Memory(numbered(*flash))
    images = [parsed(numbered(*numbers)[: len(numbers) * PAGE - cut]) for numbers in candidates]
    expected = [image for image in images if memory.data.startswith(image.payload)]
    found = memory.held(*images)
    assert sorted(map(id, found)) == sorted(map(id, expected))
    assert [image.size for image in found] == sorted((image.size for image in expected), reverse=True)
    assert len(set(memory.read_pages)) == len(memory.read_pages)
