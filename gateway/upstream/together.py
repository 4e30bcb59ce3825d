"""Run some things until the first of them ends, and never mistake that for being stopped.

asyncio's TaskGroup cancels its own task to get out of a failure, and up to Python 3.12
leaves that mark behind; a task that goes on afterwards, as ours does for years,
could then no longer tell whether somebody had asked it to stop.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run all of them; when one ends, the others are cancelled, and its error is raised.

    A cancellation from outside is always raised as such.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        # Read all of them, so that no failure is left that nobody has seen.
        failures = [task.exception() for task in (*ended, *tasks) if not task.cancelled()]
    for failure in failures:
        if failure is not None:
            raise failure
