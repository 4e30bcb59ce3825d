"""Rollouts as upstream sees and steers them, over a gateway that is as real as its nodes are not."""

import json
from dataclasses import replace
from typing import Any

from flashers.sim import Behaviour
from gateway.upstream.answering import Answers
from gateway.upstream.messages import StatusMessage
from tests.gateway.service.rollout.test_rollout import at_rest, ready
from tests.gateway.service.site import NEW, PRODUCT, RELAY, Bench, Piece, Running, outcomes, virtual


async def command(answers: Answers, number: int, verb: str, **args: Any) -> dict[str, Any]:
    payload = json.dumps({"schema": 1, "id": f"c{number}", "verb": verb, "args": args}).encode()
    result = await answers.command(payload, retained=False)
    assert result is not None
    told: dict[str, Any] = json.loads(result.payload())
    return told


def door(running: Running) -> Answers:
    async def refresh() -> None:
        return None

    return Answers(running.gateway, "gw", refresh)


@virtual
async def test_upstream_pauses_everything_and_one_deployment_and_is_named_as_who_did(bench: Bench) -> None:
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench)
        answers = door(running)
        assert (await command(answers, 1, "pause", all=True, why="storm"))["ok"]
        await running.deploy()
        told = await command(answers, 2, "pause", deployment="d")
        (view,) = told["deployments"]
        assert (view["state"], view["paused"]["by"]) == ("paused", "upstream:c1")
        status = StatusMessage.of(await running.gateway.status())
        assert status.paused is not None
        assert (status.paused.everything, status.paused.why) == (True, "storm")
        assert (await command(answers, 3, "resume", all=True))["ok"]
        assert outcomes(await running.records()) == ["waiting"]
        assert (await command(answers, 4, "resume", deployment="d"))["deployments"][0]["state"] == "open"
        assert outcomes(await running.ended()) == ["succeeded"]
        assert (await command(answers, 5, "pause", deployment="x"))["code"] == "deployment-unknown"


@virtual
async def test_upstream_holds_a_release_and_recalls_it(bench: Bench) -> None:
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench)
        answers, name = door(running), f"{PRODUCT}:{NEW}"
        await running.deploy()
        await running.ended()
        assert (await command(answers, 1, "release-hold", release=name, why="smells"))["ok"]
        assert (await command(answers, 2, "release-unhold", release=name))["ok"]
        told = await command(answers, 3, "release-recall", release=name, back=True)
        assert [line["node"] for line in told["attempts"]] == ["r1"]
        assert outcomes(await running.ended()) == ["succeeded", "succeeded"]
        assert (await command(answers, 4, "release-unhold", release=name))["code"] == "release-recalled"


@virtual
async def test_the_status_says_that_a_rollout_stopped_and_is_not_sent_for_each_nodes_turn(
    bench: Bench,
) -> None:
    for number in (1, 2):
        bench.node(f"r{number}", RELAY)
    async with bench.gateway() as running:
        await ready(running, bench, Piece(RELAY, Behaviour.UNHEALTHY))
        await running.deploy()
        before = StatusMessage.of(await running.gateway.status())
        await at_rest(running)
        status = await running.gateway.status()
        message = StatusMessage.of(status)
        (view,) = message.deployments
        assert view.stopped is not None
        assert (view.state, view.stopped.nodes) == ("stopped", ("r1",))
        assert not message.same_as(before)
        (deployment,) = status.deployments
        turned = replace(deployment, rollout=replace(deployment.rollout, waiting=0, finishing=("r2",)))
        assert StatusMessage.of(replace(status, deployments=(turned,))).same_as(message)
