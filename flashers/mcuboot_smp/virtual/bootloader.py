"""MCUboot as a virtual node has it: which image runs after a restart, and what becomes of the other.

Source: MCUboot's design document, "Image trailer", "Swap types", "Direct-XIP", "RAM
load", and its table that derives the kind of swap from the two trailers.  Images
are judged as MCUboot judges them: digest, key, security counter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flashers.api import BadImage
from flashers.mcuboot_smp.image import McubootImage, read_image
from flashers.mcuboot_smp.params import Mode
from flashers.mcuboot_smp.virtual import swap
from flashers.mcuboot_smp.virtual.options import NodeOptions
from flashers.mcuboot_smp.virtual.slots import Flag, Slots
from flashers.mcuboot_smp.virtual.swap import Swap


@dataclass(frozen=True, slots=True)
class Running:
    """An image that was started: the slot that it runs from, and what it is."""

    slot: int
    image: McubootImage
    body: bytes


class Bootloader:
    """Boots one node; its memory is the flash alone."""

    def __init__(self, slots: Slots, mode: Mode, options: NodeOptions) -> None:
        self.slots = slots
        self.mode = mode
        self.options = options

    def boot(self) -> Mapping[int, Running] | None:
        """What runs now, by image number; None if not every image can run.

        Raises:
            PowerCut: power failed at one of the flash operations.
        """
        # Interrupted swaps come first, of all images: they share the scratch page.
        resumed = {image for image in range(self.slots.images) if self._resumes(image)}
        started: dict[int, Running] = {}
        for image in range(self.slots.images):
            found = self._start(image, resumed=image in resumed)
            if found is None:
                return None
            started[image] = found
        return started

    def next_swap(self, image: int) -> Swap | None:
        """What the next boot would do with the two slots."""
        first, second = self.slots.trailer(image, 0), self.slots.trailer(image, 1)
        if second.pending:
            return Swap.PERMANENT if second.image_ok else Swap.TEST
        if self.mode is Mode.SWAP and first.pending and first.copy_done and not first.image_ok:
            return Swap.REVERT
        return None

    def valid(self, image: int, slot: int) -> Running | None:
        """The image in a slot, if MCUboot would start it."""
        contents = self.slots.contents(image, slot)
        try:
            found = read_image(contents)
        except BadImage:
            return None
        key, least = self.options.key_hash, self.options.security_counter
        if key is not None and (found.key_hash is None or found.key_hash.hex() != key.lower()):
            return None
        if least is not None and (found.security_counter is None or found.security_counter < least):
            return None
        begin = found.header.header_size
        return Running(slot, found, contents[begin : begin + found.header.size])

    def settled(self, image: int, slot: int) -> bool:
        """Whether what runs from this slot still runs after any number of restarts."""
        if self.mode is Mode.DIRECT_XIP_REVERT:
            trailer = self.slots.trailer(image, slot)
            if trailer.copy_done and not trailer.image_ok:
                return False
        if self.mode in {Mode.SWAP, Mode.OVERWRITE}:
            return self.next_swap(image) is None
        if self.mode is Mode.SERIAL_RECOVERY:
            return True
        best = max(self._candidates(image), key=_rank, default=None)
        return best is not None and best.slot == slot

    # What each mode does with an image

    def _resumes(self, image: int) -> bool:
        """Finish a swap that was interrupted: this boot's one swap, and what it brought is started."""
        return self.mode is Mode.SWAP and swap.finish(self.slots, image)

    def _start(self, image: int, *, resumed: bool) -> Running | None:
        match self.mode:
            case Mode.SWAP:
                if not resumed:
                    self._swap_if_asked(image)
                return self.valid(image, 0)
            case Mode.OVERWRITE:
                self._copy_if_asked(image)
                return self.valid(image, 0)
            case Mode.SERIAL_RECOVERY:
                return self.valid(image, 0)
            case Mode.DIRECT_XIP | Mode.RAM_LOAD:
                return max(self._candidates(image), key=_rank, default=None)
            case Mode.DIRECT_XIP_REVERT:
                return self._start_on_trial(image)

    def _swap_if_asked(self, image: int) -> None:
        kind = self.next_swap(image)
        if kind is None:
            return
        new = self._acceptable(image, kind)
        if new is None:
            if kind is Swap.REVERT:
                self.slots.set_flag(image, 0, Flag.IMAGE_OK)  # there is nothing to go back to
            else:
                self.slots.drop(image, 1)
            return
        old = self.slots.image(image, 0)
        size = max(new.image.end, old.end if old else 0)
        swap.begin(self.slots, image, kind, -(-size // self.slots.flash.page))
        swap.finish(self.slots, image)

    def _copy_if_asked(self, image: int) -> None:
        if self.next_swap(image) is None:
            return
        new = self._acceptable(image, Swap.PERMANENT)
        if new is not None:
            for page in range(-(-new.image.end // self.slots.flash.page)):
                source = self.slots.address(image, 1, page)
                data = self.slots.flash.read(source, self.slots.flash.page)
                self.slots.write_page(self.slots.address(image, 0, page), data)
        self.slots.drop(image, 1)

    def _acceptable(self, image: int, kind: Swap) -> Running | None:
        if self.options.reject == "boot" and kind is not Swap.REVERT:
            return None
        new, old = self.valid(image, 1), self.valid(image, 0)
        if new is None or old is None or kind is Swap.REVERT or not self.options.no_downgrade:
            return new
        return new if new.image.header.version >= old.image.header.version else None

    def _candidates(self, image: int) -> list[Running]:
        found = [self.valid(image, slot) for slot in (0, 1)]
        return [
            one
            for one in found
            if one is not None
            and (self.mode is not Mode.DIRECT_XIP_REVERT or self.slots.trailer(image, one.slot).pending)
        ]

    def _start_on_trial(self, image: int) -> Running | None:
        while (best := max(self._candidates(image), key=_rank, default=None)) is not None:
            trailer = self.slots.trailer(image, best.slot)
            if trailer.copy_done and not trailer.image_ok:
                self.slots.drop(image, best.slot)  # it had its chance
                continue
            self.slots.set_flag(image, best.slot, Flag.COPY_DONE)
            return best
        return None


def _rank(running: Running) -> tuple[tuple[int, int, int, int], bool]:
    return running.image.header.version, running.slot == 0
