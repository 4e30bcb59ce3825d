"""Which candidates become nodes without anybody being asked, and how they are called then."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.config.model import NAME
from gateway.config.radio import AdoptTable
from gateway.service.radio.candidates import Candidate
from gateway.service.radio.loaders import why_not
from gateway.service.radio.matching import Call
from gateway.verbs.nodes import AdoptRequest

BY_RULE = "rule:"
"""How it is said, in ``by``, that nobody was asked; the profile follows."""

_NO_PART_OF_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Known:
    """What the roster says: how many of a profile came by rules, and which names were ever nodes'."""

    by_rules: Callable[[str], int]
    ever: Callable[[str], bool]
    loader: Callable[[Call], str | None]
    """The node that may call so from its bootloader."""


class Rules:
    """The ``[[adopt]]`` tables, in their order: the first that fits counts."""

    def __init__(self, tables: Iterable[AdoptTable]) -> None:
        self._tables = [(table, re.compile(table.name or ".*", re.DOTALL)) for table in tables]

    def __bool__(self) -> bool:
        return bool(self._tables)

    def alone(self, profile: str) -> bool:
        """Whether the configuration vouches that no other gateway hears such nodes."""
        return any(table.alone for table, _ in self._tables if table.profile == profile)

    def request(self, address: str, candidate: Candidate, known: Known) -> AdoptRequest | str | None:
        """What to adopt; why not, where a rule would, for people; None where no rule is for it."""
        for table, name in self._tables:
            calls = [call for call in candidate.calls.values() if call.adapter in table.adapters]
            if table.profile not in candidate.profiles or not calls:
                continue
            best = max(calls, key=lambda call: call.rssi)
            if best.rssi < table.rssi or not name.fullmatch(candidate.name):
                continue
            if best.changes:
                return "its address changes; a rule takes nodes with a lasting one, or bonded ones"
            node_there = known.loader(best)
            if node_there is not None:
                return why_not(node_there)
            if known.by_rules(table.profile) >= table.most:
                return f"rules have adopted {table.most} nodes of this profile, and may adopt no more"
            node = node_name(table.node, address, candidate.name, table.profile)
            if node is None:
                return "the rule makes no name of what it calls itself"
            if known.ever(node):
                return f"{node} was a node before: a rule does not take back what people forgot"
            return AdoptRequest(node, table.profile, link_of(best.adapter, address), dict(table.labels))
        return None


def node_name(template: str, address: str, called: str, profile: str) -> str | None:
    """A node's name by a rule's template; None if it is none."""
    parts = {
        "{address}": address.replace(":", "").lower(),
        "{name}": _NO_PART_OF_A_NAME.sub("-", called),
        "{profile}": profile,
    }
    if "{name}" in template and not called:
        return None
    for key, value in parts.items():
        template = template.replace(key, value)
    return template if NAME.fullmatch(template) else None


def link_of(adapter: str, address: str) -> str:
    """The link of the node at this address."""
    return f"ble:{adapter}#{address}"
