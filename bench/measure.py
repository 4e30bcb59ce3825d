"""Medians of interleaved runs: whatever slows the machine down slows all of them down."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds on the clock, and seconds of the processor in the process under measure."""

    seconds: float
    cpu: float = 0.0
    note: str = ""


@dataclass(slots=True)
class Contender:
    """Somebody who does the work once when asked."""

    name: str
    run: Callable[[], Sample]
    samples: list[Sample] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Median of the clock."""
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def cpu(self) -> float:
        """Median of the processor's time."""
        return statistics.median(sample.cpu for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured, the figure, what was asked of it, and whether it held."""

    what: str
    figure: str
    goal: str
    held: bool | None
    detail: dict[str, float | str] = field(default_factory=dict)


def interleave(contenders: list[Contender], runs: int) -> None:
    """Let each run once, then each again, in turning order."""
    for number in range(runs):
        order = contenders[number % len(contenders) :] + contenders[: number % len(contenders)]
        for contender in order:
            contender.samples.append(contender.run())
