"""The disk is lost: what a new gateway makes of an export, or of nothing, asked of the nodes themselves."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from gateway.model.outcomes import Outcome
from gateway.service.rebuilding.keeping import Memory
from gateway.state.importing import import_state
from gateway.state.keys import Opener, Recipient, Seal, keygen
from gateway.upstream.messages import NodeState
from tests.gateway.service.site import NEW, NEWER, OLD, RELAY, SENSOR, Bench, Running, outcomes, runs, virtual


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


@virtual
async def test_an_older_wish_takes_nothing_back(bench: Bench) -> None:
    """What the lost gateway did after the export is newer than what the export wants."""
    bench.node("a")
    vault = Vault(bench)
    async with bench.gateway(killed=True) as running:
        for version in (OLD, NEW, NEWER):
            await running.gateway.add_release(bench.release(version), asked_by="test")
        await running.deploy("first", version=OLD)
        await running.ended()
        await running.gateway.rollout.pause(None, asked_by="test")
        await running.deploy("second", version=NEW)
        await vault.export(running)
        await running.gateway.rollout.resume(None, asked_by="test")
        await running.deploy("third", version=NEWER)
        await running.ended()
        assert runs(bench, "a", SENSOR, NEWER)
    vault.lose_disk()
    await vault.bring_back()
    async with bench.gateway() as running:
        await running.gateway.rollout.resume(None, asked_by="test")
        records = await running.ended()
        assert runs(bench, "a", SENSOR, NEWER)
        assert outcomes(records)[-1] == "refused"
        assert records[-1].result is not None
        assert records[-1].result.code == "state-outdated"
        assert [event.data["after"] for event in running.told("node.changed")]


@virtual
async def test_a_node_that_is_silent_after_an_import_keeps_no_other_waiting(bench: Bench) -> None:
    bench.node("a"), bench.node("b")
    vault = Vault(bench)
    async with bench.gateway() as running:
        for version in (OLD, NEW):
            await running.gateway.add_release(bench.release(version), asked_by="test")
        await running.deploy("first", version=OLD)
        await running.ended()
        await vault.export(running)
    vault.lose_disk()
    await vault.bring_back()
    bench.lines.lines["a"].unplug()
    async with bench.gateway() as running:
        await running.deploy("second", version=NEW, all_at_once=True)
        records = await running.ended()
        ends = {record.node: record.result for record in records if record.deployment == "second"}
        assert ends["b"] is not None
        assert ends["b"].outcome is Outcome.SUCCEEDED
        assert ends["a"] is not None
        assert ends["a"].outcome is Outcome.NOT_REACHED
        states = {each.node: each.state for each in (await running.gateway.state.show()).asked}
        assert states == {"a": "silent", "b": "asked"}
        bench.lines.lines["a"].replug()
        await running.until(lambda: running.gateway.state.asker.asked["a"].answer is not None)


@virtual
async def test_exports_are_made_by_themselves_and_the_newest_few_are_kept(bench: Bench) -> None:
    bench.node("a")
    vault, share = Vault(bench), bench.folder / "share"
    bench.settings["exports"] = {
        "to": share,
        "recipient": str(vault.recipient),
        "every_hours": 1.0,
        "keep": 2,
    }
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD), asked_by="test")
        await asyncio.sleep(3600 * 4.5)
        made = running.told("state.exported")
        assert len(made) == 5
        assert made[0].data["sealed"] == "x25519"
        assert names(share) == ["gw-000004.tender-state", "gw-000005.tender-state"]
        share.rename(bench.folder / "gone")
        share.write_text("no folder any more")
        await asyncio.sleep(3600)
        assert "export-failed" in await warnings(running)
        share.unlink()
        (bench.folder / "gone").rename(share)
        await asyncio.sleep(1800)
        assert "export-failed" not in await warnings(running)
    assert names(share)[-1] == "gw-000006.tender-state"
    shutil.copy(share / names(share)[-1], vault.file)
    vault.lose_disk()
    await vault.bring_back()
    async with bench.gateway() as running:
        assert [release.id for release in running.gateway.site.shelf] == ["greenhouse:1.0.0"]


@virtual
async def test_nodes_that_only_upstream_remembers_are_taken_in_again(bench: Bench) -> None:
    bench.node("a"), bench.node("lost", labels={"room": "b"}), bench.node("odd")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD), asked_by="test")
        await running.deploy("first", version=OLD)
        await running.ended()
        views = [running.gateway.site.inventory.view(name) for name in ("a", "lost", "odd")]
        states = {view.name: NodeState.of("gw", view).payload().decode() for view in views}
    shutil.rmtree(bench.folder / "state")
    del bench.tables["lost"], bench.tables["odd"]
    bench.settings |= {"rebuild": {"auto": True}, "upstream": {"mqtt": {"url": "mqtt://127.0.0.1"}}}
    states["odd"] = states["odd"].replace('"profile":"sensor"', '"profile":"never-heard-of"')
    states["rubbish"] = "{}"

    async def read() -> Memory:
        return Memory(states, (), ("tender/gw/desired",))

    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD), asked_by="test")
        await running.gateway.state.before_upstream(read)
        await running.until(lambda: running.told("state.rebuilt"))
        assert sorted(running.gateway.site.nodes) == ["a", "lost"]
        assert running.gateway.site.nodes["lost"].labels == {"room": "b"}
        assert running.gateway.site.inventory.known_goods("lost")["app"].version == OLD
        view = await running.gateway.state.show()
        assert {reason.code for reason in view.sources} == {"upstream-not-read", "profile-unknown"}
        (told,) = running.told("state.rebuilt")
        assert (told.data["known_goods"], told.data["unknown"]) == (2, 0)
    async with bench.gateway() as running:
        await running.gateway.state.before_upstream(_not_again)
        assert sorted(running.gateway.site.nodes) == ["a", "lost"]


async def _not_again() -> Memory:
    raise AssertionError("what upstream remembers now is what we told it ourselves")


@virtual
async def test_what_cannot_be_established_is_said_to_be_unknown(bench: Bench) -> None:
    """No release, no memory, no baseline: the gateway says so instead of guessing."""
    bench.node("a"), bench.node("r", RELAY)
    bench.settings["rebuild"] = {"auto": True}
    async with bench.gateway() as running:
        await running.until(lambda: running.told("state.rebuilt"))
        view = {each.node: each for each in (await running.gateway.state.show()).asked}
        assert (view["a"].state, view["r"].state) == ("asked", "costly")
        assert dict(view["a"].known_good) == {"app": "unknown"}
        assert [reason.code for reason in view["a"].reasons] == ["not-in-a-release"]
        assert [reason.code for reason in view["r"].reasons] == ["probe-costs"]
        assert "known-good-unknown" in await warnings(running)
        assert not running.gateway.site.inventory.known_goods("a")
        await running.gateway.add_release(bench.release(OLD), asked_by="test")
        await running.gateway.state.rebuild(allow_restart=True, asked_by="test")
        await running.until(lambda: len(running.told("state.rebuilt")) == 2)
        view = {each.node: each for each in (await running.gateway.state.show()).asked}
        assert dict(view["a"].known_good) == dict(view["r"].known_good) == {"app": "established"}
        assert "known-good-unknown" not in await warnings(running)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def warnings(running: Running) -> set[str]:
    return {each.code for each in (await running.gateway.status()).warnings}
