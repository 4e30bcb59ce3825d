"""How a virtual node fetches a file: block by block, or page by page and then what is missing.

One request is under way at a time.  What is not answered is asked for again, so often, and then the
node gives up until it is notified or its patience is renewed; what it has, it keeps.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from flashers.zigbee_ota.codec import (
    BadCommand,
    File,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    Status,
)
from flashers.zigbee_ota.codec.header import FIXED_SIZE, Header
from flashers.zigbee_ota.virtual.board import Board
from flashers.zigbee_ota.virtual.judging import refusal

_LONG_WAIT = 5.0
"""Seconds: a node that is told to wait for longer does not stay awake for it."""
_AT_ONCE = 0.02


class GaveUp(Protocol):
    """Who is told that nothing comes any more."""

    def __call__(self, *, discard: bool) -> None:
        """The server said so (``discard``), or says nothing."""
        ...


class Fetching:
    """One file on its way into the node's store."""

    def __init__(
        self,
        board: Board,
        complete: Callable[[], None],
        gave_up: GaveUp,
        refuse: Callable[[File], None],
    ) -> None:
        self._board = board
        self._complete = complete
        self._gave_up = gave_up
        self._refuse = refuse
        self.period = 0
        """MinimumBlockPeriod, in milliseconds."""
        self.reset()

    def reset(self) -> None:
        """Nothing is on its way."""
        self._file: File | None = None
        self._size = 0
        self._paging = self._board.options.asks == "pages"
        self._page: dict[int, bytes] = {}
        self._page_from = self._page_end = 0
        self._filling = False
        """A page is over, and what is missing of it is asked for block by block."""
        self._tries = 0
        self._judged = False
        self._strange = False
        self.attentive = False
        self._asked_at = 0.0
        """When a block was asked for last."""

    def begin(self, file: File, size: int) -> None:
        """Go on with this file from where the store is."""
        self.reset()
        self._file, self._size = file, size
        self.attentive = True
        self._board.timers.stop("go on")
        self._next()

    def no_pages(self) -> None:
        """The server knows no page requests: blocks, then."""
        if self._file is not None and self._paging:
            self._paging = False
            self._no_page()
            self._next()

    # Asking

    def _next(self) -> None:
        """Ask for what comes next, or be done."""
        if self._file is None:
            return
        store = self._board.store
        if store.offset >= self._size:
            store.flush()
            self.reset()
            self._board.timers.stop("block")
            self._complete()
        elif self._paging and store.offset >= self._page_end:
            self._ask_page()
        else:
            self._ask_block()

    def _ask_page(self) -> None:
        board, options, file = self._board, self._board.options, self._file
        if file is None:
            return
        offset = board.store.offset
        self._no_page()
        self._page_from = offset
        self._page_end = offset + min(options.page_size, self._size - offset)
        board.counts.pages += 1
        size = min(options.block, self._page_end - offset)
        board.ask(ImagePageRequest(file, offset, size, self._page_end - offset, options.spacing_ms))
        self._oddities(file, offset, size)
        self._wait_for_page()
        self.attentive = True
        board.attentive()

    def _no_page(self) -> None:
        self._page_from = self._page_end = 0
        self._filling = False
        self._page.clear()

    def _wait_for_page(self) -> None:
        options = self._board.options
        wait = options.reply_timeout + options.spacing_ms / 1000
        self._board.timers.later("block", wait, self._page_over)

    def _page_over(self) -> None:
        """No more blocks of the page come: those that are missing are asked for one by one."""
        if self._page or self._board.store.offset > self._page_from:
            self._filling = True
            self._ask_block()
            return
        self._no_page()
        self._unanswered()

    def _ask_block(self) -> None:
        board, options, file = self._board, self._board.options, self._file
        if file is None:
            return
        offset = board.store.offset
        end = min((self._page_end or self._size, *(at for at in self._page if at > offset)))
        size = min(options.block, end - offset)
        self._asked_at = asyncio.get_running_loop().time()
        period = self.period if options.period else None
        request = ImageBlockRequest(file, offset, size, period=period)
        for _ in range(1 + options.floods):
            board.counts.blocks += 1
            board.ask(request)
        self._oddities(file, offset, size)
        board.timers.later("block", options.reply_timeout, self._unanswered)
        self.attentive = True
        board.attentive()

    def _oddities(self, file: File, offset: int, size: int) -> None:
        """What no node should ask for, once in a download."""
        board, options = self._board, self._board.options
        if self._strange or not offset:
            return
        self._strange = True
        if options.beyond_end:
            board.ask(ImageBlockRequest(file, self._size + 1000, size))
            board.ask(ImageBlockRequest(file, 0xFFFFFFF0, 255))
        if options.other_image:
            other = File(file.manufacturer, file.image_type ^ 0x00FF, file.version)
            board.ask(ImageBlockRequest(other, offset, size))

    def _unanswered(self) -> None:
        self._tries += 1
        options = self._board.options
        if self._tries > options.retries or options.impatient:
            self._end(discard=False)
        else:
            self._next()

    def _end(self, *, discard: bool) -> None:
        self.reset()
        self._board.timers.stop("block")
        self._gave_up(discard=discard)

    # What comes

    def received(self, said: ImageBlockResponse) -> None:
        """A block, or a word instead of one."""
        if self._file is None:
            self._board.counts.unwanted += 1
        elif said.status == Status.SUCCESS:
            self._block(said)
        elif said.status == Status.WAIT_FOR_DATA:
            self._told_to_wait(said)
        else:
            self._end(discard=said.status == Status.ABORT)

    def _told_to_wait(self, said: ImageBlockResponse) -> None:
        board, options = self._board, self._board.options
        board.counts.waits += 1
        if said.period is not None and options.period:
            self.period = said.period
        if options.impatient:
            self._end(discard=False)
            return
        self._tries = 0
        after = _AT_ONCE if options.ignores_wait else float(max(0, said.ask_at - said.now))
        self._no_page()
        self._ask_after(max(after, _AT_ONCE))

    def _ask_after(self, seconds: float) -> None:
        self.attentive = seconds <= _LONG_WAIT
        self._board.timers.later("block", seconds, self._next)

    def _block(self, said: ImageBlockResponse) -> None:
        board, store = self._board, self._board.store
        offset, size = said.offset, len(said.data)
        fits = said.file == self._file and 0 < size <= board.options.block
        if self._page_end:
            fits &= store.offset <= offset <= self._page_end - size and offset not in self._page
        else:
            fits &= offset == store.offset and offset + size <= self._size
        if not fits:
            board.counts.unwanted += 1
            return
        board.counts.taken += 1
        self._tries = 0
        if self._page_end:
            self._block_of_page(offset, said.data)
            return
        store.append(said.data)
        if not self._is_for_me():
            return
        pause = self._pause()
        if pause > 0:
            self._ask_after(pause)
        else:
            self._next()

    def _pause(self) -> float:
        """What is left of the period that is to be kept between two requests."""
        if not self.period or not self._board.options.period:
            return 0.0
        return self._asked_at + self.period / 1000 - asyncio.get_running_loop().time()

    def _block_of_page(self, offset: int, data: bytes) -> None:
        store = self._board.store
        self._page[offset] = data
        while (piece := self._page.pop(store.offset, None)) is not None:
            store.append(piece)
            if not self._is_for_me():
                return
        # When the last one has come, those that are missing will not.
        self._filling |= offset + len(data) >= self._page_end
        if store.offset >= self._page_end:
            self._no_page()
            self._next()
        elif self._filling:
            self._ask_block()
        else:
            self._wait_for_page()

    def _is_for_me(self) -> bool:
        """Judge the header as soon as it is there."""
        store, file = self._board.store, self._file
        if self._judged or file is None or store.offset < FIXED_SIZE:
            return file is not None
        start = store.begun(128)
        length = int.from_bytes(start[6:8], "little")
        if store.offset < min(length, 128):
            return True
        self._judged = True
        try:
            wrong = refusal(self._board, Header.decode(start), file, self._size)
        except BadCommand as error:
            wrong = error.message
        if not wrong:
            return True
        self.reset()
        self._board.timers.stop("block")
        self._refuse(file)
        return False
