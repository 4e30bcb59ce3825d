"""What a person sees while the fleet is updated: a bar for each node, and then the table."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.demo.script import Actor

_STYLES = {
    "succeeded": "bold green",
    "already-there": "green",
    "rolled-back": "bold yellow",
    "failed": "yellow",
    "refused": "cyan",
    "wounded": "bold red",
}
_BAR = 24
_WIDTH = 165


class Screen:
    """Live bars on a terminal, one line for each phase elsewhere."""

    def __init__(self, fleet: tuple[Actor, ...], console: Console) -> None:
        self._fleet = fleet
        self._console = console
        self._phase = {actor.name: "waiting" for actor in fleet}
        self._share: dict[str, float] = {}
        self._live = Live(console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def happened(self, item: Mapping[str, Any]) -> None:
        """Something that the gateway's watch told."""
        if "progress" in item:
            progress = item["progress"]
            if progress["total"]:
                self._share[progress["node"]] = progress["done"] / progress["total"]
        elif "event" in item:
            self._event(item["event"])
        if self._console.is_terminal:
            self._live.update(self._table())

    def _event(self, event: Mapping[str, Any]) -> None:
        node, data = event.get("node"), event["data"]
        if node is None:
            return
        word = data.get("phase") if event["kind"] == "attempt.phase" else data.get("outcome")
        if word is None:
            return
        if event["kind"] == "attempt.phase" and word in ("rolling-back", "queued"):
            self._share.pop(node, None)
        self._phase[node] = word
        if not self._console.is_terminal:
            self._console.print(f"  {node:<8} {word}")

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 1), show_header=False)
        for actor in self._fleet:
            word, share = self._phase[actor.name], self._share.get(actor.name, 0.0)
            full = round(share * _BAR)
            bar = Text("━" * full, style="green") + Text("━" * (_BAR - full), style="grey30")
            table.add_row(
                actor.name, bar, f"{share:4.0%}", Text(word, _STYLES.get(word, "")), Text(actor.story, "dim")
            )
        return table


def final_table(rows: list[list[str]], headers: list[str]) -> Table:
    """The table at the end; the outcome has its colour."""
    table = Table(header_style="bold", box=None, padding=(0, 1))
    for header in headers:
        table.add_column(header, justify="right" if header in ("bytes", "seconds") else "left", no_wrap=True)
    for row in rows:
        cells = [Text(cell, _STYLES.get(cell.split(",")[0], "")) for cell in row]
        table.add_row(*cells)
    return table


def make_console(*, record: bool = False) -> Console:
    """Standard output, wide enough for the table where nobody says how wide it is."""
    console = Console(file=sys.stdout, highlight=False, record=record)
    if console.is_terminal:
        return console
    return Console(file=sys.stdout, width=_WIDTH, highlight=False, record=record)


def save_picture(console: Console, path: Path) -> None:
    """What the console was told, as an SVG that loads nothing from anywhere."""
    picture = console.export_svg(title="make demo", clear=True)
    path.write_text(re.sub(r"@font-face\s*\{.*?\}\s*|<!--.*?-->\s*", "", picture, flags=re.DOTALL))
