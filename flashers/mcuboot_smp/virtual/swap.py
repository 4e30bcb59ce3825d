"""Exchange two slots so that no loss of power can stop half way.

Page by page through a scratch page, each of the three copies followed by a mark in
a journal in flash.  Before its mark a copy can be made again, because what it reads
is still there; after it, it need not be.  So a swap that was begun is finished at
the next boot, from wherever it stopped (MCUboot's design document, "Swap using
scratch" and "Reset recovery", in our own layout).

Journal: kind of swap, number of pages (u16), finished, then three marks a page.
"""

from enum import IntEnum

from flashers.mcuboot_smp.virtual.slots import SET, Flag, Slots

_KIND, _COUNT, _FINISHED, _MARKS = 0, 1, 3, 4


class Swap(IntEnum):
    """What a swap is for; the numbers are written into the journal."""

    TEST = 0x02
    PERMANENT = 0x03
    REVERT = 0x04


def begin(slots: Slots, image: int, kind: Swap, pages: int) -> None:
    """Note that these pages are to be exchanged; from the last operation on it will be done."""
    _clear(slots, image)
    at, _ = slots.journal(image)
    slots.flash.program(at + _COUNT, pages.to_bytes(2, "little"))
    slots.flash.program(at + _KIND, bytes((kind,)))


def finish(slots: Slots, image: int) -> bool:
    """Do what is left of a swap that was begun; whether there was one."""
    at, _ = slots.journal(image)
    flash = slots.flash
    kind, low, high, finished = flash.read(at, _MARKS)
    if kind not in {*Swap}:
        return False
    if finished != SET:
        for page in range(low | high << 8):
            _exchange(slots, image, page, at + _MARKS + 3 * page)
        slots.erase_trailer(image, 0)
        slots.set_flag(image, 0, Flag.PENDING)
        if kind != Swap.TEST:
            slots.set_flag(image, 0, Flag.IMAGE_OK)
        slots.set_flag(image, 0, Flag.COPY_DONE)
        slots.erase_trailer(image, 1)
        flash.program(at + _FINISHED, bytes((SET,)))
    _clear(slots, image)
    return True


def _exchange(slots: Slots, image: int, page: int, marks: int) -> None:
    first, second = slots.address(image, 0, page), slots.address(image, 1, page)
    copies = ((second, slots.scratch), (first, second), (slots.scratch, first))
    for number, (source, target) in enumerate(copies):
        if slots.flash.read(marks + number, 1)[0] != SET:
            slots.write_page(target, slots.flash.read(source, slots.flash.page))
            slots.flash.program(marks + number, bytes((SET,)))


def _clear(slots: Slots, image: int) -> None:
    # The first page last: as long as it says what was begun, it also says that it is finished.
    at, pages = slots.journal(image)
    for page in reversed(range(pages)):
        slots.erase_page(at + page * slots.flash.page)
