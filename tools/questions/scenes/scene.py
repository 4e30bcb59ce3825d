"""What a scene is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tools.questions.site import Site


@dataclass(frozen=True, slots=True)
class Scene:
    """A question, and how the failure is staged in which it is asked.

    ``play`` returns what was held against the nodes, in words; ``extra`` is more of the
    site's configuration.
    """

    question: str
    play: Callable[[Site], Awaitable[str]]
    extra: str = ""

    @property
    def staged(self) -> str:
        """What is broken, in words."""
        return " ".join((self.play.__doc__ or "").split())


def check(condition: object, what: str) -> None:
    """Hold something to be true."""
    if not condition:
        raise AssertionError(what)
