"""The OTA client of a virtual node: from a notify, or its own wish, to a file that is started.

It follows the specification (ZCL revision 8, 11.11 to 11.13, 11.16 on its states) and no server of
ours: it asks by offset, repeats what is not answered, waits when it is told to, judges header and
bytes by itself, and starts a file when it is allowed to.
"""

import random

from flashers.zigbee_ota.codec import (
    File,
    ImageBlockResponse,
    ImageNotify,
    QueryNextImageRequest,
    QueryNextImageResponse,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
)
from flashers.zigbee_ota.codec.frames import Answer
from flashers.zigbee_ota.codec.words import ANY, ANY_VERSION, FOREVER, Command, UpgradeStatus
from flashers.zigbee_ota.virtual.board import Board
from flashers.zigbee_ota.virtual.fetching import Fetching
from flashers.zigbee_ota.virtual.judging import refusal

_QUERIES = 3
"""How often a query is sent until it counts as unanswered."""
_ENDS = 3
"""The same for an end request, each time that it is due; and how many such times there are (11.13.9.3)."""
_SOON = 1.0
"""Seconds from a start until it goes on with what it had."""
_GOODBYE = 0.3
"""Seconds from the last answer to the restart."""


class OtaClient:
    """One node's client; ``status`` is its ImageUpgradeStatus."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.status = UpgradeStatus.NORMAL
        self.fetching = Fetching(board, self._complete, self._gave_up, self._refuse)
        self._queries_left = self._ends_left = 0
        self._awaits_end = False
        self._unanswered_rounds = 0
        self._random = random.Random(board.own.ieee)
        self.bent = not board.options.bent

    @property
    def attentive(self) -> bool:
        """Whether an answer is awaited."""
        return self._awaits_end or self.fetching.attentive or self._board.timers.waits("query")

    @property
    def period(self) -> int:
        """MinimumBlockPeriod, in milliseconds."""
        return self.fetching.period

    @property
    def downloaded(self) -> int:
        """DownloadedFileVersion."""
        found = self._board.store.download
        return found[0].version if found is not None and self._board.store.settings.staged else ANY_VERSION

    def started(self) -> None:
        """The node has booted; RAM holds nothing."""
        self.status = UpgradeStatus.NORMAL
        self._unanswered_rounds = 0
        self._awaits_end = False
        self.fetching.reset()
        store, timers, options = self._board.store, self._board.timers, self._board.options
        if store.settings.staged:
            self.status = UpgradeStatus.COMPLETE
            timers.later("go on", _SOON, self._ask_to_start)
        elif store.download is not None and options.forgets:
            store.discard()
        elif store.download is not None:
            self.status = UpgradeStatus.DOWNLOADING
            timers.later("go on", _SOON, self.query)
        if options.asks_every:
            timers.later("own query", options.asks_every, self._own_query)

    # What comes

    def received(self, said: Answer) -> None:
        """The server said something."""
        match said:
            case ImageNotify():
                self._notified(said)
            case QueryNextImageResponse():
                self._offered(said)
            case ImageBlockResponse():
                self.fetching.received(said)
            case UpgradeEndResponse():
                self._may_start(said)
            case _:
                pass
        self._board.attentive()

    def refused(self, command: int, status: int) -> None:
        """The server answered a request by a status alone."""
        if command == Command.IMAGE_PAGE_REQUEST:
            self.fetching.no_pages()
        elif command == Command.QUERY_NEXT_IMAGE_REQUEST and status:
            self._nothing_offered()
        self._board.attentive()

    def _notified(self, said: ImageNotify) -> None:
        board, own = self._board, self._board.own
        if board.options.ignores_notify or self.fetching.attentive:
            return
        if board.options.single_minded and self.status is not UpgradeStatus.NORMAL:
            return
        if said.manufacturer not in (None, ANY, own.manufacturer):
            return
        if said.image_type not in (None, ANY, own.image_type):
            return
        if said.jitter < 100 and self._random.randint(1, 100) > said.jitter:
            return
        self.query()

    # Queries

    def _own_query(self) -> None:
        self._board.timers.later("own query", self._board.options.asks_every, self._own_query)
        if self.status is UpgradeStatus.NORMAL:
            self.query()

    def query(self) -> None:
        """Ask what there is."""
        self._queries_left = _QUERIES
        self._send_query()

    def _send_query(self) -> None:
        board = self._board
        self._queries_left -= 1
        board.counts.queries += 1
        own = board.own
        file = File(own.manufacturer, own.image_type, board.version)
        board.ask(QueryNextImageRequest(file, own.hardware))
        board.timers.later("query", board.options.reply_timeout, self._query_unanswered)
        board.attentive()

    def _query_unanswered(self) -> None:
        if self._queries_left and not self._board.options.impatient:
            self._send_query()
        else:
            self._nothing_offered()

    def _nothing_offered(self) -> None:
        board = self._board
        board.timers.stop("query")
        if self.status is UpgradeStatus.DOWNLOADING:
            board.timers.later("go on", board.options.tries_again, self.query)
        board.attentive()

    def _offered(self, said: QueryNextImageResponse) -> None:
        board = self._board
        if not board.timers.waits("query"):
            return  # it was not asked
        board.timers.stop("query")
        file = said.file if said.status == Status.SUCCESS else None
        if file is None or not self._wants(file):
            if file is not None and board.options.says_no:
                board.counts.refused += 1
                board.ask(UpgradeEndRequest(Status.INVALID_IMAGE, file))
            self._nothing_offered()
            return
        if said.size > min(board.store.room, board.options.room or board.store.room):
            board.complain(Command.QUERY_NEXT_IMAGE_RESPONSE, Status.INSUFFICIENT_SPACE)
            self._nothing_offered()
            return
        same = board.store.download == (file, said.size)
        if same and board.store.settings.staged:
            self._ask_to_start()
            return
        board.timers.stop("end")
        board.timers.stop("start")
        self._awaits_end = False
        if not same:
            board.store.begin(file, said.size)
        self.status = UpgradeStatus.DOWNLOADING
        self.fetching.begin(file, said.size)

    def _wants(self, file: File) -> bool:
        board, own = self._board, self._board.own
        if (file.manufacturer, file.image_type) != (own.manufacturer, own.image_type):
            return False
        if board.options.no_downgrade:
            return file.version > board.version
        return file.version != board.version  # what runs is not fetched again

    # The end of a download

    def _gave_up(self, *, discard: bool) -> None:
        """Nobody answers any more, or the server ended it."""
        board = self._board
        board.counts.gave_up += 1
        download = board.store.download
        if board.options.aborts and not discard and download is not None:
            board.ask(UpgradeEndRequest(Status.ABORT, download[0]))
            discard = True
        if discard:
            board.store.discard()
            self.status = UpgradeStatus.NORMAL
        else:
            board.timers.later("go on", board.options.tries_again, self.query)
        board.attentive()

    def _refuse(self, file: File) -> None:
        """It is not for this node, or it is not what it should be."""
        board = self._board
        board.counts.refused += 1
        board.store.discard()
        self.status = UpgradeStatus.NORMAL
        board.counts.ends += 1
        board.ask(UpgradeEndRequest(Status.INVALID_IMAGE, file))
        board.attentive()

    def _complete(self) -> None:
        board = self._board
        if not self.bent:
            self.bent = True
            board.store.bend()
        board.timers.later("check", board.options.check_s, self._checked)
        board.attentive()

    def _checked(self) -> None:
        board, store = self._board, self._board.store
        download = store.download
        if download is None:
            return
        file, size = download
        found = store.contents(store.standby)
        whole = found is not None and found.app is not None and found.header.total == size
        if found is None or not whole or refusal(board, found.header, file, size):
            self._refuse(file)
            return
        if board.options.wants_more:
            self.status = UpgradeStatus.WAIT_FOR_MORE
            board.ask(UpgradeEndRequest(Status.REQUIRE_MORE_IMAGE, file))
            return
        store.save(staged=True)
        self.status = UpgradeStatus.COMPLETE
        self._unanswered_rounds = 0
        self._ask_to_start()

    # The start of what is there

    def _ask_to_start(self) -> None:
        self._ends_left = _ENDS
        self._send_end()

    def _send_end(self) -> None:
        board = self._board
        download = board.store.download
        if download is None:
            return
        self._ends_left -= 1
        self._awaits_end = True
        board.counts.ends += 1
        board.ask(UpgradeEndRequest(Status.SUCCESS, download[0]))
        board.timers.later("end", board.options.reply_timeout, self._end_unanswered)
        board.attentive()

    def _end_unanswered(self) -> None:
        board, options = self._board, self._board.options
        self._awaits_end = False
        if options.no_waiting:
            self._start()
        elif self._ends_left:
            self._send_end()
        else:
            self._unanswered_rounds += 1
            if options.starts_alone and self._unanswered_rounds >= _ENDS:
                self._start()
            else:
                board.timers.later("end", options.end_every, self._ask_to_start)
        board.attentive()

    def _may_start(self, said: UpgradeEndResponse) -> None:
        board, options = self._board, self._board.options
        download = board.store.download
        if download is None or not board.store.settings.staged or not _about(said.file, download[0]):
            return
        if options.only_if_asked and not self._awaits_end:
            return
        self._unanswered_rounds = 0
        self._awaits_end = False
        board.timers.stop("end")
        if said.upgrade_at == FOREVER and not options.no_waiting:
            self.status = UpgradeStatus.WAITING
            board.timers.stop("start")
            board.timers.later("end", options.end_every, self._ask_to_start)
            return
        after = 0 if options.no_waiting else max(0, said.upgrade_at - said.now)
        self.status = UpgradeStatus.COUNT_DOWN
        board.timers.later("start", after + _GOODBYE, self._start)

    def _start(self) -> None:
        self._board.start_staged()


def _about(named: File, own: File) -> bool:
    return (
        named.manufacturer in (ANY, own.manufacturer)
        and named.image_type in (ANY, own.image_type)
        and named.version in (ANY_VERSION, own.version)
    )
