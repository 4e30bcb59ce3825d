"""Which of several images a flash holds, by reading as little of it as possible."""

from collections.abc import Awaitable, Callable, Iterable

from flashers.api import FirmwareImage
from flashers.stk500.image import pages


async def held_images(
    candidates: Iterable[FirmwareImage], page_size: int, read: Callable[[int, int], Awaitable[bytes]]
) -> list[FirmwareImage]:
    """The images whose every byte is in flash, the largest first.

    Each page is read once for all candidates, and none for a candidate that is already
    excluded; so a flash that holds none of them costs a page or two.  An image that is
    the beginning of a larger one can be held together with it.

    Args:
        candidates: what to compare with.
        page_size: bytes of a page.
        read: gives so many bytes from an address.
    """
    left = [(image, {page.address: page for page in pages(image, page_size)}) for image in candidates]
    for address in sorted({address for _, wanted in left for address in wanted}):
        if not any(address in wanted for _, wanted in left):
            continue
        flash = await read(address, page_size)
        left = [
            (image, wanted) for image, wanted in left if address not in wanted or wanted[address].holds(flash)
        ]
    return sorted((image for image, _ in left), key=lambda image: image.size, reverse=True)
