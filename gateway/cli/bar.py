"""A progress bar for one node, on a terminal; nothing at all elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from gateway.model.records import Record

Show = Callable[[Record, int, int], None]


@contextmanager
def bar(stream: TextIO) -> Iterator[Show]:
    """A function that shows how far a transfer is: (record, bytes done, bytes in all)."""
    if not stream.isatty():
        yield lambda _record, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description:>14}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task = progress.add_task("waiting", total=None)

        def show(record: Record, done: int, total: int) -> None:
            progress.update(task, description=record.phase.value, completed=done, total=total)

        yield show
