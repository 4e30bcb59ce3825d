"""The traits and faults of both kinds of virtual nodes; each understands its own."""

from collections.abc import Mapping

from flashers.nordic_dfu.virtual.legacy_options import FAULTS as LEGACY
from flashers.nordic_dfu.virtual.secure_options import FAULTS as SECURE

FAULTS: Mapping[str, str] = {
    name: " / ".join(each[name] for each in (SECURE, LEGACY) if name in each) for name in {**SECURE, **LEGACY}
}
