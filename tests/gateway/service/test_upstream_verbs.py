"""What upstream may ask of the gateway twice, late, or in vain."""

from gateway.control import DeployRequest, Selector
from tests.gateway.service.site import NEW, PRODUCT, Bench, virtual


def wanted(name: str, version: str = NEW) -> DeployRequest:
    return DeployRequest(name, PRODUCT, version, Selector(all=True), asked_by="upstream")


@virtual
async def test_a_rollback_that_comes_again_after_a_crash_is_the_attempt_that_it_was(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.ended()
        first = await running.gateway.rollback("s1", asked_by="upstream:c-1")
        await running.ended()
    async with bench.gateway() as running:
        again = await running.gateway.rollback("s1", asked_by="upstream:c-1")
        another = await running.gateway.rollback("s1", asked_by="upstream:c-2")
        await running.ended()
        assert again.id == first.id
        assert another.id != first.id


@virtual
async def test_the_status_says_which_desired_state_is_held_over_restarts(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        assert (await running.gateway.status()).desired_revision is None
        await running.gateway.desired(7, (wanted("d"),))
        await running.ended()
    async with bench.gateway() as running:
        await running.gateway.desired(6, (wanted("older"),))
        assert (await running.gateway.status()).desired_revision == 7
        assert [view.id for view in await running.gateway.deployments()] == ["d"]


@virtual
async def test_a_refusal_is_told_with_its_remedy(bench: Bench) -> None:
    async with bench.gateway() as running:
        await running.gateway.command_refused(
            "dance", "verb-unknown", "there is no such verb", "read the page"
        )
        (event,) = running.told("command.refused")
        assert event.data["remedy"] == "read the page"
