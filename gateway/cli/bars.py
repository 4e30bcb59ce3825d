"""A bar for each node whose transfer is under way, on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from gateway.cli.text import STYLES
from gateway.cli.waiting import Show


@contextmanager
def bars() -> Iterator[Show]:
    """What takes events and progress and draws them; finished nodes keep their line."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.fields[node]}"),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        console=console,
    )
    tasks: dict[str, TaskID] = {}

    def task(node: str) -> TaskID:
        if node not in tasks:
            tasks[node] = progress.add_task("", total=None, node=node)
        return tasks[node]

    def show(happened: dict[str, Any]) -> None:
        if "progress" in happened:
            now = happened["progress"]
            progress.update(
                task(now["node"]), completed=now["done"], total=now["total"], description=now["phase"]
            )
            return
        event = happened["event"]
        if event["kind"] == "attempt.phase":
            progress.update(task(event["node"]), description=event["data"].get("phase", ""))
        elif event["kind"] == "attempt.done":
            outcome = event["data"].get("outcome", "")
            style = STYLES.get(outcome, "")
            # Nothing may have been sent at all; the bar is then complete with 0 of 0.
            number = task(event["node"])
            done = next(each.completed for each in progress.tasks if each.id == number)
            told = f"[{style}]{outcome}[/]" if style else outcome
            progress.update(number, description=told, total=done)
            progress.stop_task(number)

    with progress:
        yield show
