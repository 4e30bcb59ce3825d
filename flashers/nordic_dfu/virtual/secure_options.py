"""The traits and faults of a virtual node with the secure loader."""

from collections.abc import Mapping

FAULTS: Mapping[str, str] = {}
"""What each option does, for people."""
