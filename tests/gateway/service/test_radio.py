"""Nodes behind a radio, with a real service, over the virtual air: updated, taken back, lost and found."""

from gateway.model.links import Culprit
from tests.gateway.service.airsite import RadioBench, on_radio
from tests.gateway.service.site import NEW, THERMO, Piece, outcomes, runs


@on_radio
async def test_a_node_on_the_air_is_updated_proved_and_confirmed(bench: RadioBench) -> None:
    node = bench.on_air("t1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
        await running.deploy()
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(bench, "t1", THERMO, NEW)
        assert node.truth().confirmed
        link = await running.link()
        assert link.traffic.bytes_down > 900
        assert link.traffic.bytes_up > 0
        assert link.finding.culprit is Culprit.NOTHING
