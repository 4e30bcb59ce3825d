"""Relays with virtual nodes behind them: real commands, real files, virtual time."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flashers.mcuboot_smp.virtual.node import Life
from tests.gateway.service.site import Bench

_SCRIPT = """#!/bin/sh
# switch NAME on|off: what it was told stands in a file, and so does every time it was told.
[ -e "{folder}/$1.stuck-$2" ] && {{ echo "the contacts are welded" >&2; exit 3; }}
echo "$2" > "{folder}/$1.tmp" && mv "{folder}/$1.tmp" "{folder}/$1"
echo "$2 $TENDER_NODE" >> "{folder}/$1.log"
"""
_EVERY_S = 0.1


class Relays:
    """Relays by name; nodes lose their power, and get it again, as the files say."""

    def __init__(self, bench: Bench) -> None:
        self.folder = bench.folder / "relays"
        self.folder.mkdir()
        self.script = self.folder / "switch"
        self.script.write_text(_SCRIPT.format(folder=self.folder))
        self.script.chmod(0o755)
        self._bench = bench
        self._on: dict[str, bool] = {}
        self._nodes: dict[str, tuple[str, ...]] = {}
        self.when_cut: Callable[[str], None] = lambda _: None
        """Called with each node that loses its power, at that moment."""

    def feeds(self, relay: str, *nodes: str) -> None:
        """Put nodes behind a relay, and look at it from now on."""
        self._nodes[relay], self._on[relay] = nodes, True
        self._look(relay)

    def step(self, relay: str, **more: Any) -> dict[str, Any]:
        """The step of a ladder that works it."""
        command = [str(self.script), relay]
        return {
            "kind": "relay",
            "off": [*command, "off"],
            "on": [*command, "on"],
            "off_for": 3.0,
            "wait": 20.0,
            **more,
        }

    def told(self, relay: str) -> list[str]:
        """What it was told so far: ``off`` and ``on``, each with the node it was told for."""
        log = self.folder / f"{relay}.log"
        return log.read_text().splitlines() if log.exists() else []

    def is_on(self, relay: str) -> bool:
        """As it was told last."""
        return state_of(self.folder / relay) == "on"

    def stick(self, relay: str, word: str) -> Path:
        """From now on it fails when it is told that; the file that says so."""
        mark = self.folder / f"{relay}.stuck-{word}"
        mark.touch()
        return mark

    def _look(self, relay: str) -> None:
        on = self.is_on(relay)
        if on is not self._on[relay]:
            self._on[relay] = on
            for name in self._nodes[relay]:
                node = self._bench.nodes[name]
                if on:
                    node.power_on()
                else:
                    self.when_cut(name)
                    node.power_off()
        asyncio.get_running_loop().call_later(_EVERY_S, self._look, relay)


def state_of(file: Path) -> str:
    """What a relay's file says; one that was never told anything is on."""
    return file.read_text().strip() if file.exists() else "on"


def hang(node: Any) -> None:
    """The node says nothing any more, until it is restarted."""
    node._stop()
    node.life = Life.HUNG


def deaf(node: Any) -> None:
    """As :func:`hang`, and its reset line does nothing: only its power helps."""
    hang(node)
    before = node.params

    def give_back() -> None:
        node.params = before
        type(node).power_on(node)

    node.params = before.model_copy(update={"reset": "none"})
    node.power_on = give_back
