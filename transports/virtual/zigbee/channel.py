"""One channel that all radios share: who may send when, what collides, what is lost.

Every frame goes through the unslotted CSMA-CA of IEEE 802.15.4 (2011, 5.1.1.4): a random wait,
a look whether the channel is free, a turnaround, the frame; the receiver acknowledges without
looking.  Two whose looks fall into the same moment speak at once and both are lost, and so may
an acknowledgement be.  All radios hear each other, relays as well: there is one channel and no
second place on it.  What a frame carries is of no interest here, only how long it is.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from transports.virtual.zigbee import timing
from transports.virtual.zigbee.agenda import Agenda


class Outcome(StrEnum):
    """How the sending of one frame to its next hop ended."""

    DELIVERED = "delivered"
    NO_ACK = "no-ack"
    NO_ACCESS = "no-access"
    """The channel was never free."""
    OFF = "off"
    """The sender lost its power, or has no network."""
    EXPIRED = "expired"
    """A sleepy node did not ask for it in time."""
    OVERFLOW = "overflow"
    """A parent keeps no more frames for its child."""
    NO_APS_ACK = "no-aps-ack"
    """The far application layer did not acknowledge, whatever became of the frame."""
    TOO_LONG = "too-long"
    """It does not fit into one frame with the route that it needs."""
    NO_ROUTE = "no-route"
    """Nobody knows a node of this address."""


@dataclass(slots=True)
class Counters:
    """What was on the air, for tests and benches; seconds are the channel's."""

    frames: int = 0
    """Sent, each try counted."""
    delivered: int = 0
    retries: int = 0
    collisions: int = 0
    lost: int = 0
    """By chance, by rule, or because the receiver was off."""
    refused: int = 0
    """Given up because the channel was never free."""
    failed: int = 0
    """Given up because nobody acknowledged."""
    bytes: int = 0
    air_seconds: float = 0.0
    """Frames and acknowledgements together."""


@dataclass(slots=True, eq=False)
class Transmission:
    """A frame from one radio to the next one; to ``audience`` where there is none (a broadcast)."""

    sender: "Radio"
    receiver: "Radio | None"
    psdu: int
    content: object
    done: Callable[[Outcome], None] | None = None
    audience: "tuple[Radio, ...]" = ()
    ready: float = 0.0
    tries: int = 0
    taken: bool = False
    """The receiver has it, though the sender may not know."""
    spoiled: bool = False


@dataclass(slots=True, eq=False)
class _Ack:
    """An acknowledgement on the air."""

    of: Transmission
    spoiled: bool = False


Rule = Callable[[Transmission], bool]
"""Says whether the channel loses this frame, this time."""


class Radio:
    """One transceiver: a queue of frames, sent one at a time, and an ear.

    ``received`` is called with each frame once, and with the radio, however often it came.
    """

    __slots__ = ("free_at", "listening", "loss", "name", "on", "queue", "received", "working")

    def __init__(self, name: str, received: "Received") -> None:
        self.name = name
        self.received = received
        self.queue: deque[Transmission] = deque()
        self.on = True
        self.listening = True
        """Off for a sleepy node, save for the moment after its poll."""
        self.working = False
        self.free_at = 0.0
        self.loss = 0.0
        """The chance that a frame from or to this radio is lost, and likewise each acknowledgement."""


Received = Callable[[Radio, Transmission], None]
"""Told of what a radio has got."""


class Channel:
    """The air between radios.

    Args:
        agenda: when things happen.
        dice: waits and losses.
    """

    def __init__(self, agenda: Agenda, dice: random.Random) -> None:
        self.agenda = agenda
        self.counters = Counters()
        self.radios: list[Radio] = []
        self.rules: list[Rule] = []
        self._dice = dice
        self._air: list[Transmission | _Ack] = []
        self._silent_since = 0.0

    def radio(self, name: str, received: "Received") -> Radio:
        """A radio of this channel."""
        made = Radio(name, received)
        self.radios.append(made)
        return made

    def send(self, frame: Transmission, *, after: float = timing.PROCESSING) -> None:
        """Queue a frame at its sender, which needs ``after`` seconds to have it ready."""
        sender = frame.sender
        if not sender.on:
            if frame.done is not None:
                frame.done(Outcome.OFF)
            return
        frame.ready = self.agenda.now + after
        sender.queue.append(frame)
        if not sender.working:
            self._start(sender)

    def switch(self, radio: Radio, *, on: bool) -> None:
        """Give power to a radio, or take it; what it had to send is gone with it."""
        radio.on = on
        if on:
            return
        waiting, radio.queue = radio.queue, deque()
        radio.working = False
        for frame in waiting:
            if frame.done is not None:
                frame.done(Outcome.OFF)

    def _start(self, radio: Radio) -> None:
        if not radio.queue or not radio.on:
            radio.working = False
            return
        radio.working = True
        frame = radio.queue[0]
        self._wait(frame, max(self.agenda.now, frame.ready, radio.free_at), 0, timing.MIN_BE)

    def _wait(self, frame: Transmission, since: float, backoffs: int, exponent: int) -> None:
        periods = int(self._dice.random() * (1 << exponent))
        looked = since + periods * timing.BACKOFF_PERIOD + timing.CCA
        self.agenda.at(looked, self._look, frame, backoffs, exponent)

    def _look(self, frame: Transmission, backoffs: int, exponent: int) -> None:
        """The channel was listened to for a while, and this is the end of it."""
        radio, now = frame.sender, self.agenda.now
        if not self._current(frame):
            return
        heard_from = now - timing.CCA
        if not self._air and self._silent_since <= heard_from and radio.free_at <= heard_from:
            self.agenda.at(now + timing.TURNAROUND, self._begin, frame)
        elif backoffs < timing.MAX_BACKOFFS:
            self._wait(frame, now, backoffs + 1, min(exponent + 1, timing.MAX_BE))
        else:
            self.counters.refused += 1
            self._finish(frame, Outcome.NO_ACCESS)

    def _current(self, frame: Transmission) -> bool:
        """Its sender still has power, and is at this frame."""
        queue = frame.sender.queue
        return bool(queue) and queue[0] is frame

    def _begin(self, frame: Transmission) -> None:
        if not self._current(frame):
            return
        self.counters.frames += 1
        self.counters.bytes += frame.psdu
        frame.tries += 1
        length = timing.air_time(frame.psdu)
        self._on_air(frame, length)
        self.agenda.at(self.agenda.now + length, self._end, frame)

    def _on_air(self, what: Transmission | _Ack, length: float) -> None:
        self.counters.air_seconds += length
        what.spoiled = bool(self._air)
        if what.spoiled:
            self.counters.collisions += 1
            for other in self._air:
                other.spoiled = True
        self._air.append(what)

    def _off_air(self, what: Transmission | _Ack) -> None:
        self._air.remove(what)
        self._silent_since = self.agenda.now

    def _end(self, frame: Transmission) -> None:
        self._off_air(frame)
        now = self.agenda.now
        if frame.receiver is None:
            if self._current(frame):
                self._finish(frame, Outcome.DELIVERED)
                self._heard_by_all(frame)
            return
        if not self._current(frame):
            return  # the sender lost its power in the middle of it
        if frame.spoiled or not self._heard(frame, frame.receiver):
            self.agenda.at(now + timing.ACK_WAIT, self._unacknowledged, frame)
            return
        # The radio acknowledges by itself; its own frames come after that.
        acknowledged = now + timing.TURNAROUND + timing.air_time(timing.ACK_PSDU)
        frame.receiver.free_at = acknowledged
        self.agenda.at(now + timing.TURNAROUND, self._acknowledge, _Ack(frame))
        if not frame.taken:
            frame.taken = True
            frame.receiver.received(frame.receiver, frame)

    def _heard(self, frame: Transmission, receiver: Radio) -> bool:
        """Whether a receiver got it, by its power, the rules and chance."""
        if (
            receiver.on
            and receiver.listening
            and not any(rule(frame) for rule in self.rules)
            and self._dice.random() >= max(frame.sender.loss, receiver.loss)
        ):
            return True
        self.counters.lost += 1
        return False

    def _heard_by_all(self, frame: Transmission) -> None:
        if frame.spoiled:
            return
        for radio in frame.audience:
            if self._heard(frame, radio):
                # Each by itself: who stumbles over it keeps it from nobody else.
                self.agenda.later(0, radio.received, radio, frame)

    def _acknowledge(self, ack: _Ack) -> None:
        length = timing.air_time(timing.ACK_PSDU)
        self._on_air(ack, length)
        self.agenda.at(self.agenda.now + length, self._acknowledged, ack)

    def _acknowledged(self, ack: _Ack) -> None:
        self._off_air(ack)
        frame = ack.of
        if not self._current(frame):
            return
        assert frame.receiver is not None  # noqa: S101 - a broadcast is not acknowledged
        if ack.spoiled or self._dice.random() < max(frame.sender.loss, frame.receiver.loss):
            rest = timing.ACK_WAIT - timing.TURNAROUND - timing.air_time(timing.ACK_PSDU)
            self.agenda.at(self.agenda.now + rest, self._unacknowledged, frame)
            return
        self.counters.delivered += 1
        self._finish(frame, Outcome.DELIVERED)

    def _unacknowledged(self, frame: Transmission) -> None:
        if not self._current(frame):
            return
        if frame.tries <= timing.MAX_RETRIES:
            self.counters.retries += 1
            self._wait(frame, self.agenda.now, 0, timing.MIN_BE)
        else:
            self.counters.failed += 1
            self._finish(frame, Outcome.NO_ACK)

    def _finish(self, frame: Transmission, outcome: Outcome) -> None:
        radio = frame.sender
        radio.queue.popleft()
        gap = timing.LONG_GAP if frame.psdu > timing.SHORT_FRAME else timing.SHORT_GAP
        radio.free_at = max(radio.free_at, self.agenda.now + gap)
        self._start(radio)
        if frame.done is not None:
            frame.done(outcome)
