"""The disk is lost: what a new gateway makes of an export, or of nothing, asked of the nodes themselves."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from gateway.model.outcomes import Outcome
from gateway.state.importing import import_state
from gateway.state.keys import Opener, Recipient, Seal, keygen
from tests.gateway.service.site import NEW, NEWER, OLD, RELAY, SENSOR, Bench, Piece, Running, outcomes, runs, virtual


class Vault:
    """Where a bench's exports are, and the key that opens them."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.file = bench.folder / "site.tender-state"
        self.recipient: Recipient = keygen(bench.folder / "export-key.pem")
        self.opener = Opener(key_file=bench.folder / "export-key.pem")

    async def export(self, running: Running, what: Any = "known-good") -> None:
        async with running.gateway.state.export(Seal.to(self.recipient), what, asked_by="test") as made:
            shutil.copy(made.path, self.file)

    def lose_disk(self) -> None:
        shutil.rmtree(self.bench.folder / "state")

    async def bring_back(self, **said: Any) -> Any:
        return await import_state(self.file, self.opener, self.bench.folder / "state", "gw", **said)


@virtual
async def test_an_imported_gateway_knows_what_the_lost_one_knew(bench: Bench) -> None:
    bench.node("a"), bench.node("r", RELAY)
    vault = Vault(bench)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD), asked_by="test")
        await running.deploy("d", version=OLD)
        await running.ended()
        epoch = running.gateway.site.journal.epoch
        known = {name: dict(running.gateway.site.inventory.known_goods(name)) for name in ("a", "r")}
        records = await running.records()
        await vault.export(running)
    vault.lose_disk()
    imported = await vault.bring_back()
    assert imported.epoch > epoch
    assert imported.lacking == ()
    async with bench.gateway() as running:
        site = running.gateway.site
        assert {name: dict(site.inventory.known_goods(name)) for name in ("a", "r")} == known
        assert all(known.values())
        assert await running.records() == records
        assert [release.id for release in site.shelf] == ["greenhouse:1.0.0"]
        for targets in known.values():
            for target in targets.values():
                assert await site.store.open_verified(target.artifact)
        events = await site.journal.events()
        imported_told = next(event for event in events if event.kind == "state.imported")
        assert imported_told.id.epoch == imported.epoch == site.journal.epoch
        assert imported_told.data["nodes"] == 2
        await running.until(lambda: all(each.answer for each in running.gateway.state.asker.asked.values()))
        view = await running.gateway.state.show()
        assert [(each.node, each.state) for each in view.asked] == [("a", "asked"), ("r", "asked")]
        assert all(set(each.known_good.values()) == {"kept"} for each in view.asked)
