"""The traits and faults of both kinds of virtual nodes; each understands its own."""

from collections.abc import Mapping

from flashers.nordic_dfu.virtual.secure_options import FAULTS as SECURE

FAULTS: Mapping[str, str] = {**SECURE}
