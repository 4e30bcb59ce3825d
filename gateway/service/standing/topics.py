"""Where each node's own data is found at the local broker, as its profile and its labels say."""

import re
from collections.abc import Mapping

from gateway.profiles.model import DataSeenCheck, Profile

_PLACE = re.compile(r"\{(?:(node)|label:([A-Za-z0-9._-]+))\}")


def data_topic(profile: Profile, node: str, labels: Mapping[str, str]) -> tuple[str, str]:
    """The topic filter, and what is wrong; both are empty for nodes whose data is reported by others."""
    template = next((check.topic for check in profile.health if isinstance(check, DataSeenCheck)), "")
    lacking = []

    def filled(found: re.Match[str]) -> str:
        value = node if found[1] else labels.get(found[2], "")
        if not value or set(value) & set("+#/\0"):
            lacking.append(found[2] or "node")
        return value

    topic = _PLACE.sub(filled, template)
    if lacking:
        return "", f"the label {lacking[0]!r} has no text that a topic can have"
    return topic, ""
