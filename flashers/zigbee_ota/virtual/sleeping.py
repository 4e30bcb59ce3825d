"""When a virtual node whose receiver is off asks its parent whether something is there for it.

Rarely while nothing goes on, often while it waits for an answer or updates itself, and for a while
after its check-in, if whoever answers that wants it to (Poll Control; ZCL revision 8, 3.16).
"""

from collections.abc import Callable

from flashers.zigbee_ota.codec import BadCommand
from flashers.zigbee_ota.codec.parts import u16
from flashers.zigbee_ota.codec.words import POLL_CONTROL, PollCommand, Status
from flashers.zigbee_ota.virtual.options import NodeOptions
from flashers.zigbee_ota.virtual.timers import Timers
from transports.zcl import Zcl, ZigbeeRadio

FAST_POLL_TIMEOUT = 40
"""Quarters of a second for which it polls fast if it is not said (FastPollTimeout, the default)."""
_LISTENS = 7.0
"""Seconds for which it waits for the answer to a check-in (3.16.5.4)."""
_AFTER_BOOT = 5.0
"""Seconds for which a node that has just announced itself listens: whoever heard it may have a question."""


class Sleep:
    """The polling of one node; without effect where its receiver is on."""

    def __init__(
        self,
        options: NodeOptions,
        timers: Timers,
        send: Callable[[Zcl], None],
        attentive: Callable[[], bool],
    ) -> None:
        self._options = options
        self._timers = timers
        self._send = send
        self._attentive = attentive
        self._interval: float | None = -1.0
        self.radio: ZigbeeRadio | None = None

    def begin(self) -> None:
        """It has booted."""
        if not self._options.sleepy:
            return
        self._interval = -1.0
        self._fast(_AFTER_BOOT)
        if self._options.check_in:
            self._timers.later("check in", self._options.check_in, self._check_in)

    def review(self) -> None:
        """Something has changed: poll as often as that needs."""
        options = self._options
        if not options.sleepy or self.radio is None:
            return
        interval: float | None = None if options.deep else options.long_poll
        if self._attentive() or self._timers.waits("fast poll"):
            interval = options.fast_poll
        if interval != self._interval:
            self._interval = interval
            self.radio.poll(interval)

    def command(self, frame: Zcl) -> Status:
        """An answer to its check-in, or an order to sleep."""
        if frame.command == PollCommand.FAST_POLL_STOP:
            self._timers.stop("fast poll")
            self.review()
            return Status.SUCCESS
        if frame.command != PollCommand.CHECK_IN:
            return Status.UNSUPPORTED_COMMAND
        try:
            wanted, quarters = bool(frame.payload[:1] > b"\0"), u16(frame.payload, 1)
        except BadCommand:
            return Status.MALFORMED_COMMAND
        if wanted:
            self._fast((quarters or FAST_POLL_TIMEOUT) / 4)
        else:
            self._timers.stop("fast poll")
            self.review()
        return Status.SUCCESS

    def _check_in(self) -> None:
        self._timers.later("check in", self._options.check_in, self._check_in)
        self._send(Zcl(POLL_CONTROL, PollCommand.CHECK_IN, to_client=True))
        self._fast(_LISTENS)

    def _fast(self, seconds: float) -> None:
        self._timers.later("fast poll", seconds, self.review)
        self.review()
