"""What the oracle is shown of a node: names of images, found by their bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware for one kind of node.

    ``told`` is how the gateway names it upstream, as ``algorithm:hex``; ``body`` are the
    bytes that reach a flash.
    """

    name: str
    kind: str
    version: str
    told: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Holds:
    """What is really so.

    ``runs``: the image that executes now, None if none does (or power is off);
    ``boots``: the image that a start from this flash brings up, None if nothing would;
    ``stays``: whether what runs would still run after any number of restarts.
    """

    runs: str | None
    boots: str | None
    stays: bool
    powered: bool


OTHER = "(unknown)"
"""The name of what was made by nobody whom the script knows."""
