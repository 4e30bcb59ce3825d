"""Write the pages of an image and read every one of them back.

All pages are written before the first is proved: a bent address makes the loader
write a page somewhere else, which only a look at everything afterwards can find.  The
pages at the beginning that are right already are left alone; after a power cut those
are the ones that had been written.
"""

from collections.abc import Sequence

from flashers.api import ImageMismatch, Session
from flashers.stk500.image import Page
from flashers.stk500.loader import LoaderLink

REWRITES = 2
"""How often pages that read back wrong are written again: a bent byte on the line, not a worn cell."""


async def bring(loader: LoaderLink, session: Session, pages: Sequence[Page]) -> None:
    """Make the flash hold these pages, and prove it.

    Raises:
        ImageMismatch: it still does not, after writing again.
        NodeSilent, ProtocolError: the loader is gone, or cannot be understood.
        WrongHardware: another part answers than before.
        LinkError: the link is lost.
    """
    page_size = len(pages[0].data)
    headway = _Headway(session, pages)
    todo = await _after_good_beginning(loader, pages, page_size)
    headway.written(sum(page.size for page in pages[: len(pages) - len(todo)]))
    for _ in range(1 + REWRITES):
        for page in todo:
            await loader.write(page.address, page.data)
            headway.written(page.size)
        todo = []
        for page in pages:
            if page.holds(await loader.read(page.address, page_size)):
                headway.proved(page.size)
            else:
                todo.append(page)
        if not todo:
            return
        session.note(f"{len(todo)} pages read back wrong, the first at {todo[0].address:#x}")
    raise ImageMismatch(f"{len(todo)} pages read back wrong, the first at {todo[0].address:#x}")


async def _after_good_beginning(loader: LoaderLink, pages: Sequence[Page], page_size: int) -> Sequence[Page]:
    for index, page in enumerate(pages):
        if not page.holds(await loader.read(page.address, page_size)):
            return pages[index:]
    return ()


class _Headway:
    """Tells how far it is; writing is half of it, proving the other, and it never goes back."""

    def __init__(self, session: Session, pages: Sequence[Page]) -> None:
        self._session = session
        self._total = sum(page.size for page in pages)
        self._written = 0
        self._proved = 0

    def written(self, size: int) -> None:
        """So many more bytes of the image are in flash."""
        self._written = min(self._total, self._written + size)
        self._tell()

    def proved(self, size: int) -> None:
        """So many more bytes were read back and are right."""
        self._proved = min(self._total, self._proved + size)
        self._tell()

    def _tell(self) -> None:
        self._session.progress((self._written + self._proved) // 2, self._total)
