"""Firmware files that belong to no single vendor: raw binary and Intel HEX, and the memory they must fit.

A flasher's own ``image`` module puts these together with what it knows of its parts.
"""

from flashers.images.area import Area
from flashers.images.errors import (
    HexMalformed,
    HexNoEnd,
    ImageEmpty,
    ImageForOtherHardware,
    ImageOverlap,
    IntoBootSection,
    NoResetVector,
    OutsidePart,
    WrongFormat,
)
from flashers.images.extents import extents_digest, merged
from flashers.images.ihex import parse_ihex, write_ihex
from flashers.images.raw import parse_raw
from flashers.images.stamp import compile_stamp, read_stamp

__all__ = [
    "Area",
    "HexMalformed",
    "HexNoEnd",
    "ImageEmpty",
    "ImageForOtherHardware",
    "ImageOverlap",
    "IntoBootSection",
    "NoResetVector",
    "OutsidePart",
    "WrongFormat",
    "compile_stamp",
    "extents_digest",
    "merged",
    "parse_ihex",
    "parse_raw",
    "read_stamp",
    "write_ihex",
]
