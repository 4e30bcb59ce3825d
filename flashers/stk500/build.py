"""Firmware files for virtual AVRs.

What ``build`` of this plugin understands beside application and size: ``format``
(``ihex``, which is the default, or ``raw``) and ``seed`` (a number; another one gives
other bytes of the same version).
"""

from collections.abc import Mapping

from flashers.api import Segment
from flashers.images import write_ihex
from flashers.sim import SimApp, build_app
from flashers.sim.options import checked, number
from flashers.stk500.image import FORMATS, IHEX


def build(app: SimApp, size: int, options: Mapping[str, str]) -> bytes:
    """An application of ``size`` bytes from address 0, as a file.

    Raises:
        ValueError: an option is unknown or makes no sense, or the size is too small.
    """
    said = checked(options, format=FORMATS, seed=None)
    data = build_app(app, size, seed=number(said, "seed") or 0)
    return write_ihex([Segment(0, data)]) if said.get("format", IHEX) == IHEX else data
