"""Is the node's own data heard again?  The health checks that ask what the node is there for.

A node can answer every probe and still measure nothing.  So somebody who gets its
data listens: a subscription at a local broker, or the site's own software, which
says what it heard.  How much has to come is measured before the update.
"""

import asyncio
import math
from typing import Protocol

from gateway.profiles.model import DataSeenCheck, ReportsCheck
from transports.errors import TenderError


class Hearing(Protocol):
    """What was heard of nodes' own data, in the loop's time."""

    def total(self, node: str) -> int:
        """Messages since the service began to listen."""
        ...

    def last_at(self, node: str) -> float | None:
        """When the last one was heard, in the loop's time."""
        ...

    def per_second(self, node: str) -> float | None:
        """How often it is heard; None while that is not known."""
        ...

    def deaf(self, node: str) -> str:
        """Why nothing can be heard of it now; empty if something could."""
        ...

    async def news(self) -> None:
        """Wait until something is heard, of whatever node."""
        ...


class DataNotHeard(TenderError):
    """Nobody could have heard the node's data, so nothing can be said of it."""

    code = "data-not-heard"
    remedy = "Mend the connection to the local broker (`[data.mqtt]`), or the network; it is asked again."
    retryable = True


async def data_comes(
    hearing: Hearing | None, node: str, check: DataSeenCheck | ReportsCheck, before: float | None
) -> tuple[str | None, str]:
    """What is wrong (None if nothing is), and by what it was judged; ``before`` is messages a second.

    Counted is what comes from now on, when the node was seen to have booted.

    Raises:
        DataNotHeard: nobody listened.
    """
    if hearing is None:
        return None, f"{check.kind}: not asked, since nobody listens outside of the service"
    need = max(1, math.ceil(check.least_rate * before * check.within)) if before else 1
    begin, loop = hearing.total(node), asyncio.get_running_loop()
    end = loop.time() + check.within
    while (count := hearing.total(node) - begin) < need and loop.time() < end:
        try:
            async with asyncio.timeout_at(end):
                await hearing.news()
        except TimeoutError:
            pass
    if count < need and (why := hearing.deaf(node)):
        raise DataNotHeard(f"{node}'s data could not be heard: {why}")
    measure = _measure(need, check, before)
    if count < need:
        heard = "nothing" if not count else f"{count} of {need} messages"
        return f"{heard} within {check.within:g} s; {measure}", ""
    return None, f"{check.kind}: {count} messages; {measure}"


def data_stays(hearing: Hearing | None, node: str, check: DataSeenCheck | ReportsCheck) -> str | None:
    """While soaking: whether it fell silent since."""
    if hearing is None or hearing.deaf(node):
        return None
    last = hearing.last_at(node)
    quiet = math.inf if last is None else asyncio.get_running_loop().time() - last
    return None if quiet <= check.within else f"it came, and then nothing for {check.within:g} s"


def _measure(need: int, check: DataSeenCheck | ReportsCheck, before: float | None) -> str:
    if before is None:
        return "how often it came before the update is not known, so that it comes is all that counts"
    if not before:
        return "nothing was heard of it before the update, so that it comes is all that counts"
    return (
        f"{need} are {check.least_rate:.0%} of the {before * 60:.2g} a minute before the update, "
        f"over {check.within:g} s"
    )
