"""Other software in virtual time: it has a link, is asked off and let back, and may refuse either."""

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.service.links.errors import HookFailed, HookOverran


class Owner:
    """Implements :class:`gateway.service.links.programs.Programs` for one link."""

    def __init__(self) -> None:
        self.at_work = True
        self.story: list[tuple[float, str]] = []
        self.fails: dict[str, int] = {}
        """How often each hook fails from now on, by its name."""
        self.takes: dict[str, float] = {}
        """Seconds that a hook takes; half a second if nothing is said."""

    @property
    def hooks(self) -> list[str]:
        """The hooks that were run, in order."""
        return [hook for _, hook in self.story]

    def spans_off(self) -> list[float]:
        """For how long it was off, each time."""
        spans, since = [], None
        for at, hook in self.story:
            if hook == "before" and since is None:
                since = at
            elif hook == "after" and since is not None:
                spans.append(at - since)
                since = None
        return spans

    async def run(self, channel: str, words: Sequence[str], *, deadline: float, hook: str) -> str:
        assert words[0] == f"/opt/{hook}", "the program of this hook"
        needs = self.takes.get(hook, 0.5)
        self.story.append((asyncio.get_running_loop().time(), hook))
        await asyncio.sleep(min(needs, deadline))
        if needs > deadline:
            raise HookOverran(f"/opt/{hook} did not end within {deadline:g} s")
        if self.fails.get(hook, 0) > 0:
            self.fails[hook] -= 1
            raise HookFailed(f"/opt/{hook} ended with 1: no")
        self.at_work = hook == "after"
        return ""

    async def orphans_gone(self, channel: str, *, deadline: float) -> bool:
        return True


def shared(link: str, **more: Any) -> dict[str, Any]:
    """The configuration of a link that the owner shares."""
    table = {"link": link, "shared_with": "the reader", "before": ["/opt/before"], "after": ["/opt/after"]}
    return {"links": {"bus": {**table, **more}}}
