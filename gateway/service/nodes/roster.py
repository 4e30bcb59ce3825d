"""The nodes of this gateway: those of its files, those that were adopted, and how people labelled them.

The files' word comes first.  What was adopted under a name or on a link that a file has
too is put aside, with a warning, and comes back when the file lets go of it.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydantic import ValidationError

from flashers.api import Reason
from gateway.config.model import NodeTable
from gateway.model.nodes import Adopted, Kept, Place, Relabelled, Renamed
from transports.errors import BadLink
from transports.links import LinkSpec

_FILE = "configuration"


class Roster:
    """Every node's table by name, and what is kept of each; changed after the journal was."""

    def __init__(
        self, file: Mapping[str, NodeTable], kept: Mapping[str, Kept], uncleared: Iterable[str] = ()
    ) -> None:
        self._file = dict(file)
        self._kept = dict(kept)
        self._strange = {name for name, each in kept.items() if each.stranger is not None}
        self.tables: dict[str, NodeTable] = {}
        self.aside: dict[str, Reason] = {}
        self.gone: set[str] = set()
        """Names that are no node's any more, whose retained state upstream may still have."""
        for name in self._file:
            self._place(name)
        for name, each in sorted(self._kept.items()):
            if each.adopted is not None:
                self._take_in(name, each.adopted)
        self.gone |= set(uncleared) - self.tables.keys()

    def kept(self, name: str) -> Kept:
        """What is kept of a name; of one that was never heard of, nothing."""
        return self._kept.get(name, _NOTHING)

    def ever(self, name: str) -> bool:
        """Whether this was a node's name at any time."""
        return name in self._kept or name in self.tables

    def in_file(self, name: str) -> bool:
        """Whether a file says that this is a node."""
        return name in self._file

    def origin(self, name: str) -> str:
        """Where a node comes from: a file, or whoever adopted it."""
        adopted = self.kept(name).adopted
        return _FILE if name in self._file or adopted is None else f"adopted by {adopted.by or 'somebody'}"

    def taken_by(self, spec: LinkSpec, *, but: str = "") -> str | None:
        """The node that could not be told apart from one on this link."""
        channel, address = same_line(spec), spec.address
        for name, table in self.tables.items():
            other = table.spec
            if name == but or same_line(other) != channel:
                continue
            if address is None or other.address is None or other.address == address:
                return name
        return None

    @property
    def strange(self) -> tuple[str, ...]:
        """Nodes at whose links somebody else answered."""
        return tuple(sorted(self._strange & self.tables.keys()))

    # Changing

    def keep(self, name: str, kept: Kept) -> None:
        """Remember what the journal has of a name now."""
        self._kept[name] = kept
        (self._strange.discard if kept.stranger is None else self._strange.add)(name)
        if name in self.tables:
            self._place(name)

    def adopt(self, name: str, adopted: Adopted) -> None:
        """A node that is in no file."""
        self._kept[name] = replace(self.kept(name), adopted=adopted)
        self._take_in(name, adopted)

    def no_longer_adopted(self, name: str) -> None:
        """The file alone says what it is."""
        self._kept[name] = replace(self.kept(name), adopted=None)
        self.aside.pop(name, None)

    def renew(self, name: str) -> None:
        """Another board has this name now."""
        kept = self.kept(name)
        fresh = Kept(kept.generation + 1, adopted=kept.adopted, labels=kept.labels, renamed=kept.renamed)
        self.keep(name, fresh)

    def forget(self, name: str) -> None:
        """No node any more."""
        self._kept[name] = Kept(self.kept(name).generation + 1)
        self._strange.discard(name)
        self.tables.pop(name, None)
        self.gone.add(name)
        self.aside.pop(name, None)

    def rename(self, old: str, new: str, renamed: Renamed, generation: int) -> None:
        """The same node by another name."""
        kept = self.kept(old)
        self.forget(old)
        self.keep(new, replace(kept, renamed=renamed, generation=generation))
        if kept.adopted is not None:
            self._take_in(new, kept.adopted)
        elif new in self._file:
            self._place(new)

    def accepted(self, name: str, place: Place | None, *, unnamed: bool = False) -> None:
        """Firmware and place are as they should be; ``unnamed``: its place is all that it is known by."""
        kept = replace(self.kept(name), changed=None, stranger=None)
        kept = replace(kept, identity=None, identity_at=None) if unnamed else kept
        self.keep(name, replace(kept, place=place or kept.place))

    def relabel(self, name: str, labels: Relabelled | None) -> None:
        """Labels on top of its table's."""
        self.keep(name, replace(self.kept(name), labels=labels))

    def own_labels(self, name: str) -> Mapping[str, str]:
        """The labels of its table, before anybody changed them."""
        if name in self._file:
            return self._file[name].labels
        adopted = self.kept(name).adopted
        return adopted.labels if adopted is not None else {}

    def _take_in(self, name: str, adopted: Adopted) -> None:
        self.aside.pop(name, None)
        if name in self._file:
            self.aside[name] = Reason(
                "node-in-both",
                f"{name} was adopted on {adopted.link}, and is in the configuration too; the latter counts.",
                "Take it out of the file, or leave it: the adopted one is not used.",
            )
            return
        try:
            table = NodeTable(profile=adopted.profile, link=adopted.link, labels=dict(adopted.labels))
            other = self.taken_by(table.spec, but=name)
        except (ValidationError, BadLink) as error:
            text = str(error).splitlines()[0]
            self.aside[name] = Reason("bad-node", f"{name} was adopted, and cannot be used: {text}", "")
            return
        if other is not None:
            self.aside[name] = Reason(
                "link-taken",
                f"{name} was adopted on {adopted.link}, where the configuration has {other}.",
                f"Take one of them away: `tender node forget {name}`, or {other} from the file.",
            )
            return
        self.tables[name] = table
        self._place(name)

    def _place(self, name: str) -> None:
        """Its table as it is now, with the labels that people gave it."""
        self.gone.discard(name)
        table = self._file.get(name) or self.tables[name]
        relabelled = self.kept(name).labels
        labels = {**self.own_labels(name), **(relabelled.labels if relabelled is not None else {})}
        wanted = {key: value for key, value in labels.items() if value is not None}
        same = wanted == dict(table.labels)
        self.tables[name] = table if same else table.model_copy(update={"labels": wanted})


def same_line(spec: LinkSpec) -> str:
    """One text for one line, by whatever names it is written."""
    return f"{spec.scheme}:{os.path.realpath(spec.target)}" if spec.scheme == "uart" else spec.channel


_NOTHING = Kept()
