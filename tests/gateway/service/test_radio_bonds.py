"""Nodes on the air by hand, by bond, by address: who they are, and what they let be done to them."""

from gateway.flashing.bench import Wish, flash
from gateway.model.outcomes import Outcome
from tests.gateway.service.airsite import MAIN, RadioBench, on_radio
from tests.gateway.service.site import DFU, NEW, OLD, THERMO, Piece, firmware, outcomes, runs
from transports.ble.adapters import Adapters, AdapterSettings


@on_radio
async def test_one_image_is_brought_to_one_node_on_the_air_without_a_service(bench: RadioBench) -> None:
    bench.on_air("t1")
    image = bench.folder / "new.bin"
    image.write_bytes(firmware(THERMO, NEW))
    wish = Wish(
        image=image,
        profile=str(bench.profiles / f"{THERMO}.toml"),
        link=bench.tables["t1"]["link"],
        state=bench.folder / "by-hand",
    )
    adapters = Adapters({MAIN: AdapterSettings(hci="tcp:127.0.0.1:9")}, make=bench._made)
    record = await flash(wish, adapters=adapters)
    assert record.result is not None
    assert record.result.outcome is Outcome.SUCCEEDED
    assert runs(bench, "t1", THERMO, NEW)
    assert not adapters.made, "nothing is left open"


@on_radio
async def test_a_node_on_the_air_is_known_by_its_address(bench: RadioBench) -> None:
    bench.on_air("t1")
    async with bench.gateway() as running:
        await running.until(lambda: running.gateway.site.not_ours("t1") is None, within=300.0)
        await running.gateway.probe("t1", allow_restart=False)
        kept = running.gateway.site.inventory.identity("t1")
        assert kept is not None
        assert (kept.value, kept.strength.value) == (bench.address("t1"), "address")


@on_radio
async def test_a_node_that_wants_an_encrypted_link_is_paired_with_as_its_profile_says(
    bench: RadioBench,
) -> None:
    text = (bench.profiles / f"{DFU}.toml").read_text()
    (bench.profiles / f"{DFU}.toml").write_text(
        text.replace("[params]", '[radio]\npair = "just-works"\n[params]')
    )
    bench.on_air("d1", DFU, options={"secured": ""})
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD, Piece(DFU)), asked_by="test")
        await running.gateway.add_release(bench.release(NEW, Piece(DFU)), asked_by="test")
        await running.deploy("old", version=OLD)
        await running.ended()
        await running.deploy("new", version=NEW)
        assert outcomes(await running.ended())[-1] == "succeeded"
        kept = running.gateway.site.inventory.identity("d1")
        assert kept is not None
        assert kept.strength.value == "bonded"


@on_radio
async def test_one_that_is_not_paired_with_is_left_as_it_was(bench: RadioBench) -> None:
    bench.on_air("d1", DFU, options={"secured": ""})
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD, Piece(DFU)), asked_by="test")
        await running.gateway.add_release(bench.release(NEW, Piece(DFU)), asked_by="test")
        await running.deploy("old", version=OLD)
        await running.ended()
        await running.deploy("new", version=NEW)
        last = outcomes(await running.ended())[-1]
        assert last in {"failed", "rolled-back", "refused"}, last
        assert runs(bench, "d1", DFU, OLD)
