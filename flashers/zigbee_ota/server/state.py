"""How far a node is, and what it did last: all that is remembered while it is served.

None of it is needed to answer a question; it is what silence and endings are judged by.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class State:
    """One node in one lease; times are the loop's."""

    asked_at: float
    """When it asked for something last."""
    notified_at: float
    notices: int = 0
    """How often it was told since it asked last."""
    delivered: bool = False
    """It was told at least once, as far as the network knows."""
    told_at: float = 0.0
    """When a word of ours reached it last that it acknowledged."""
    offers: int = 0
    """Offers since it came further than ever."""
    done: int = 0
    """Bytes that it has, by the highest offset that it asked for."""
    taking: bool = False
    """It asks for bytes, and has not ended that."""
    whole: bool = False
    """It was given the end of the image, and asked for nothing since."""

    def goes_on(self, offset: int, end: int, size: int, now: float) -> None:
        """It asks for what is between; what it asks for next says what it has, also if it begins anew."""
        self.asked_at, self.taking, self.notices = now, True, 0
        self.whole = end >= size
        if offset > self.done:
            self.done, self.offers = offset, 0
