"""Cases, and how one of them fails.

A case is a sentence about every flasher.  Its name is what a report says, and where it
does not hold for a declaration (a rollback that was never promised) it is left out
rather than passed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from transports.links import Medium

if TYPE_CHECKING:
    from flashers.api import Declaration
    from flashers.conformance.subject import Subject


class Failure(AssertionError):
    """The flasher does not do what the contract says; the message tells what it did instead."""


def require(holds: object, otherwise: str) -> None:
    """Fail with this sentence unless it holds."""
    if not holds:
        raise Failure(otherwise)


Check: TypeAlias = "Callable[[Subject], None]"
Applies: TypeAlias = "Callable[[Declaration], bool]"


def always(declared: "Declaration") -> bool:
    """For every flasher."""
    del declared
    return True


@dataclass(frozen=True, slots=True)
class Case:
    """One sentence, the check behind it, and for which declarations it holds."""

    name: str
    check: Check
    applies: Applies = always
    only: Medium | None = None
    """The one kind of link that it is about."""

    @property
    def sentence(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ")


class Table:
    """The cases of one topic, in the order in which they are written."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def case(self, applies: Applies = always, only: Medium | None = None) -> Callable[[Check], Check]:
        """Add the decorated function; its name is the case's."""

        def add(check: Check) -> Check:
            self.cases.append(Case(check.__name__, check, applies, only))
            return check

        return add
