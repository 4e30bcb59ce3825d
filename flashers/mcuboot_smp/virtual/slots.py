"""Where a virtual node keeps its images: slots with trailers in a simulated flash.

Each image number has two slots of equal size.  The last page of a slot is its
trailer with MCUboot's three flags, one byte each (MCUboot's design document, "Image
trailer"): a flag of one byte is set by one flash operation, wholly or not at all.
Behind all slots lie a scratch page and, for each image number, the journal of a swap.
"""

from dataclasses import dataclass
from enum import IntEnum

from flashers.mcuboot_smp.image import McubootImage, peek
from flashers.sim import SimFlash

SET = 0x01
BLANK = 0xFF


class Flag(IntEnum):
    """The trailer's flags, by their place in it."""

    PENDING = 0
    """MCUboot's magic: this slot takes part in a swap."""
    COPY_DONE = 1
    IMAGE_OK = 2


@dataclass(frozen=True, slots=True)
class Trailer:
    """A slot's flags."""

    pending: bool
    copy_done: bool
    image_ok: bool


class Slots:
    """The images in flash; ``images`` is how many image numbers there are."""

    def __init__(self, flash: SimFlash, images: int, slot_pages: int) -> None:
        self.flash = flash
        self.images = images
        self.pages = slot_pages - 1
        self._slot_size = slot_pages * flash.page
        self.scratch = images * 2 * self._slot_size
        self._journal_pages = journal_pages(flash.page, slot_pages)

    @classmethod
    def made(cls, images: int, page: int, slot_pages: int) -> "Slots":
        """Slots on a flash that is just large enough."""
        pages = images * (2 * slot_pages + journal_pages(page, slot_pages)) + 1
        return cls(SimFlash(pages * page, page), images, slot_pages)

    def copy(self) -> "Slots":
        """The same contents in another flash, to try something out on."""
        flash = SimFlash(len(self.flash), self.flash.page)
        flash.preload(0, bytes(self.flash.data))
        return Slots(flash, self.images, self.pages + 1)

    @property
    def room(self) -> int:
        """The largest image."""
        return self.pages * self.flash.page

    def address(self, image: int, slot: int, page: int = 0) -> int:
        """Where a page of a slot begins."""
        return (2 * image + slot) * self._slot_size + page * self.flash.page

    def journal(self, image: int) -> tuple[int, int]:
        """Where the journal of this image's swaps begins, and its pages."""
        return self.scratch + (1 + image * self._journal_pages) * self.flash.page, self._journal_pages

    def contents(self, image: int, slot: int) -> bytes:
        """All that a slot can hold."""
        return self.flash.read(self.address(image, slot), self.room)

    def image(self, image: int, slot: int) -> McubootImage | None:
        """What a slot says that it holds, unchecked."""
        return peek(self.contents(image, slot))

    # Writing

    def erase_page(self, address: int) -> None:
        """Erase a page, unless it is blank already."""
        if self.flash.read(address, self.flash.page).count(BLANK) != self.flash.page:
            self.flash.erase(address)

    def write_page(self, address: int, data: bytes) -> None:
        """Replace a page by these bytes."""
        self.erase_page(address)
        if data.count(BLANK) != len(data):
            self.flash.program(address, data)

    def prepare(self, image: int, slot: int, size: int) -> None:
        """Erase what an image of this size and its trailer need."""
        self.erase_trailer(image, slot)
        for page in range(-(-size // self.flash.page)):
            self.erase_page(self.address(image, slot, page))

    def write(self, image: int, slot: int, offset: int, data: bytes) -> None:
        """Program bytes of an image into erased pages."""
        at, size = self.address(image, slot) + offset, self.flash.page
        while data:
            piece = data[: size - at % size]
            self.flash.program(at, piece)
            at, data = at + len(piece), data[len(piece) :]

    def drop(self, image: int, slot: int) -> None:
        """Make a slot's image unusable, and then forget that it was pending."""
        self.erase_page(self.address(image, slot))
        self.erase_trailer(image, slot)

    # Trailers

    def trailer(self, image: int, slot: int) -> Trailer:
        """The slot's flags."""
        flags = self.flash.read(self.address(image, slot, self.pages), len(Flag))
        return Trailer(*(value == SET for value in flags))

    def set_flag(self, image: int, slot: int, flag: Flag) -> None:
        """Set one flag, if it is not set."""
        at = self.address(image, slot, self.pages) + flag
        if self.flash.read(at, 1)[0] != SET:
            self.flash.program(at, bytes((SET,)))

    def erase_trailer(self, image: int, slot: int) -> None:
        """Clear all flags."""
        self.erase_page(self.address(image, slot, self.pages))

    def preload(self, image: int, data: bytes) -> None:
        """Put a confirmed image into the first slot, as a programmer on the bench would."""
        self.flash.preload(self.address(image, 0), data)
        self.flash.preload(self.address(image, 0, self.pages), bytes((SET,) * len(Flag)))


def journal_pages(page: int, slot_pages: int) -> int:
    """Pages that the marks of one swap take; see :mod:`flashers.mcuboot_smp.virtual.swap`."""
    return -(-(4 + 3 * (slot_pages - 1)) // page)
