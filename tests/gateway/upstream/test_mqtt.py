"""What a broker in good health is told, and what it may ask."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.control import Progress
from gateway.upstream.inbox import INBOX_BYTES, INBOX_MESSAGES
from gateway.upstream.requests import VERBS
from tests.gateway.upstream.conftest import served
from tests.gateway.upstream.small import EPOCH, SmallGateway, node_view, quick
from tests.peers.listener import Listener
from tests.peers.mosquitto import Broker

pytestmark = pytest.mark.peer

STATUS, EVENT, DESIRED = "tender/gw-1/status", "tender/gw-1/event", "tender/gw-1/desired"
COMMAND, RESULT = "tender/gw-1/command", "tender/gw-1/command/result"


def command(verb: str, **args: object) -> str:
    command.count = getattr(command, "count", 0) + 1  # type: ignore[attr-defined]
    return json.dumps({"schema": 1, "id": f"c-{command.count}", "verb": verb, "args": args})  # type: ignore[attr-defined]


async def online(listener: Listener) -> None:
    await listener.until(
        lambda: (last := listener.last(STATUS)) is not None and last.json["state"] == "online"
    )


async def answer(listener: Listener, text: str) -> dict[str, Any]:
    wanted = json.loads(text)["id"]
    listener.publish(COMMAND, text)
    await listener.until(lambda: any(each.json["id"] == wanted for each in listener.on(RESULT)))
    return next(each.json for each in listener.on(RESULT) if each.json["id"] == wanted)


def answered(listener: Listener) -> set[str]:
    return {each.json["id"] for each in listener.on(RESULT)}


async def test_upstream_sees_the_gateway_and_each_of_its_nodes(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url)) as upstream:
        await listener.until(lambda: listener.last("tender/gw-1/node/node-2") is not None)
        await online(listener)
        assert upstream.connected
        assert upstream.trouble is None
    with Listener(broker.port, "tender/gw-1/node/+") as late:
        late.wait(lambda: len(late.heard) == 3)
        assert all(each.retained for each in late.heard)
        (component,) = late.on("tender/gw-1/node/node-1")[0].json["components"]
    assert component["version"] == "1.0.0"
    assert component["digest"].startswith("sha256:")
    assert component["evidence"][0] | {"at": None} == {
        "of": "boot",
        "kind": "reported-hash",
        "detail": "image list",
        "at": None,
    }
    assert component["verified_at"] == {"unix_ms": 1_790_000_000_000, "synchronised": True}


async def test_events_come_in_order_and_leave_the_outbox(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    for number in range(130):
        gateway.tell(node="node-1", phase="transferring", number=number)
    async with served(gateway, quick(broker.url)):
        await listener.until(lambda: len(listener.on(EVENT)) == 130)
        gateway.tell("attempt.done", outcome="succeeded")
        await listener.until(lambda: len(listener.on(EVENT)) == 131)
        # The broker's acknowledgement may reach us after its message has reached the listener.
        await listener.until(lambda: gateway.unsent_events == {})
    events = [each.json for each in listener.on(EVENT)]
    assert [event["sequence"] for event in events] == list(range(1, 132))
    assert {(event["gateway"], event["epoch"]) for event in events} == {("gw-1", EPOCH)}
    assert not any(each.retained for each in listener.on(EVENT))
    assert events[-1]["data"] == {"outcome": "succeeded"}
    assert gateway.unsent_events == {}


async def test_a_changed_node_is_published_again_and_no_other(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url)):
        await listener.until(lambda: sum("/node/" in each.topic for each in listener.heard) == 3)
        gateway.change("node-1", "2.0.0")
        gateway.tell()
        await listener.until(lambda: len(listener.on("tender/gw-1/node/node-1")) == 2)
    assert listener.on("tender/gw-1/node/node-1")[-1].json["components"][0]["version"] == "2.0.0"
    assert len(listener.on("tender/gw-1/node/node-0")) == 1


async def test_no_name_of_a_node_leaves_its_place(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    name = "hall 3/rack+#"
    gateway.inventory = {name: node_view(name)}
    gateway.revisions = {name: 1}
    gateway.progress = {name: Progress(name, 1, "transferring", 10, 100)}
    async with served(gateway, quick(broker.url, progress_every=0.02)):
        await listener.until(lambda: listener.last("tender/gw-1/node/hall%203%2Frack%2B%23") is not None)
    assert listener.heard[-1].json["gateway"] == "gw-1"
    state = listener.last("tender/gw-1/node/hall%203%2Frack%2B%23")
    assert state is not None
    assert state.json["node"] == name


async def test_the_status_follows_what_changes_and_nothing_else(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url)):
        await online(listener)
        before = len(listener.on(STATUS))
        for number in range(60):
            gateway.tell(number=number)
        await listener.until(lambda: len(listener.on(EVENT)) == 60)
        assert len(listener.on(STATUS)) == before, "an event is no change of the status"
        gateway.inventory["node-9"] = node_view("node-9")
        gateway.change("node-9", "1.0.0")
        await listener.until(lambda: listener.last(STATUS).json["nodes"] == 4)  # type: ignore[union-attr]


async def test_the_status_is_told_at_an_interval_too(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url, status_every=0.05)):
        await listener.until(lambda: len(listener.on(STATUS)) >= 4)
    online = [each.json for each in listener.on(STATUS) if each.json["state"] == "online"]
    assert len({json.dumps(each) for each in online}) == 1


async def test_a_gateway_that_is_stopped_says_so_and_leaves_nothing_untold(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url)):
        await online(listener)
        gateway.tell("gateway.stopping", attempts=[])
    await listener.until(lambda: listener.last(STATUS).json["state"] == "offline")  # type: ignore[union-attr]
    assert listener.last(STATUS).json["reason"] == "stopped"  # type: ignore[union-attr]
    assert listener.on(EVENT)[-1].json["kind"] == "gateway.stopping"
    assert gateway.unsent_events == {}


async def test_progress_is_told_while_it_is_news_and_the_latest_only(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    place = "tender/gw-1/progress/node-1"
    gateway.progress["node-1"] = Progress("node-1", 4, "transferring", 1, 100)  # from before it was connected
    async with served(gateway, quick(broker.url, progress_every=0.05)):
        await online(listener)
        await listener.until(lambda: "node-1" not in gateway.progress or bool(listener.on(place)))
        for done in range(2, 50):
            gateway.progress["node-1"] = Progress("node-1", 4, "transferring", done, 100)
        await listener.until(lambda: bool(listener.on(place)))
    (told,) = listener.on(place)
    assert told.json | {"schema": 1} == {
        "schema": 1,
        "node": "node-1",
        "attempt": 4,
        "phase": "transferring",
        "done_bytes": 49,
        "total_bytes": 100,
    }
    assert not told.retained


async def test_without_a_plan_for_it_no_progress_is_sent(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url, progress_every=0, status_every=0.02)):
        gateway.progress["node-1"] = Progress("node-1", 4, "transferring", 1, 100)
        await listener.until(lambda: len(listener.on(STATUS)) >= 5)
    assert not any("/progress/" in each.topic for each in listener.heard)


async def test_what_upstream_wants_is_taken_as_a_whole(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    deployment = {
        "id": "d-1",
        "release": {"product": "lamp", "version": "2.0.0", "manifest_url": "https://example.com/lamp.tender"},
        "select": {"profiles": ["mcuboot-uart"], "labels": {"hall": "3"}},
        "policy": {"soak": 60, "no_rollback": "allow"},
        "colour": "green",
    }
    desired = {"schema": 1, "revision": 4, "deployments": [deployment], "mood": "good"}
    listener.publish(DESIRED, json.dumps(desired), retain=True)
    async with served(gateway, quick(broker.url)):
        await listener.until(lambda: bool(listener.on(EVENT)))
        await listener.until(lambda: listener.last(STATUS).json.get("desired_revision") == 4)  # type: ignore[union-attr]
    (request,) = gateway.wanted
    assert (request.id, request.product, request.version) == ("d-1", "lamp", "2.0.0")
    assert request.manifest_url == "https://example.com/lamp.tender"
    assert request.select.profiles == ("mcuboot-uart",)
    assert request.select.labels == {"hall": "3"}
    assert not request.select.all
    assert (request.policy.soak, request.policy.no_rollback, request.policy.deadline_s) == (60, "allow", None)
    assert request.revision == 4
    assert listener.on(EVENT)[0].json["kind"] == "deployment.accepted"


async def test_an_older_revision_changes_nothing(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    def desired(revision: int, *names: str) -> str:
        release = {"product": "lamp", "version": "2.0.0"}
        wanted = [{"id": name, "release": release, "select": {"all": True}} for name in names]
        return json.dumps({"schema": 1, "revision": revision, "deployments": wanted})

    async with served(gateway, quick(broker.url)):
        listener.publish(DESIRED, desired(4, "d-4"), retain=True)
        await listener.until(lambda: len(listener.on(EVENT)) == 1)
        listener.publish(DESIRED, desired(3, "d-3"), retain=True)
        listener.publish(DESIRED, desired(5, "d-4", "d-5"), retain=True)
        await listener.until(lambda: len(listener.on(EVENT)) == 2)
    assert [event.deployment for event in gateway.told] == [None, None]
    assert [request.id for request in gateway.wanted] == ["d-4", "d-5"]
    assert gateway.revision == 5


async def test_clearing_the_retained_message_is_not_wanting_nothing(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url)):
        await online(listener)
        listener.publish(DESIRED, '{"schema":1,"revision":1,"deployments":[]}', retain=True)
        listener.publish(DESIRED, b"", retain=True)
        assert (await answer(listener, command("refresh")))["ok"]
    assert gateway.revision == 1
    assert gateway.kinds() == {}


async def test_each_verb_does_what_it_says(broker: Broker, gateway: SmallGateway, listener: Listener) -> None:
    async with served(gateway, quick(broker.url)):
        await online(listener)
        rolled = await answer(listener, command("rollback", node="node-1"))
        assert rolled["ok"]
        assert rolled["attempts"] == [{"attempt": 1, "node": "node-1", "phase": "queued"}]
        cancelled = await answer(listener, command("cancel", target="1"))
        assert cancelled["attempts"][0]["attempt"] == 1
        assert gateway.cancelled == ["1"]
        assert (await answer(listener, command("probe", node="node-2")))["ok"]
        await listener.until(lambda: len(listener.on("tender/gw-1/node/node-2")) == 2)
        assert (await answer(listener, command("refresh")))["ok"]
        await listener.until(lambda: len(listener.on("tender/gw-1/node/node-0")) == 2)
        paused = await answer(listener, command("pause", deployment="d", why="storm"))
        assert paused["deployments"][0]["id"] == "d"
        assert gateway.rollout.pauses["d"].why == "storm"
        assert (await answer(listener, command("resume", deployment="d")))["ok"]
        assert gateway.rollout.pauses == {}
        activated = await answer(listener, command("activate", deployment="d"))
        assert activated["deployments"][0]["id"] == "d"
        assert gateway.rollout.let_go["d"].startswith("upstream")
        assert (await answer(listener, command("release-hold", release="pump:1")))["ok"]
        assert list(gateway.rollout.said) == ["pump:1"]
        assert (await answer(listener, command("release-unhold", release="pump:1")))["ok"]
        recalled = await answer(listener, command("release-recall", release="pump:1"))
        assert [line["attempt"] for line in recalled["attempts"]] == [1]
        assert gateway.rollout.said["pump:1"].mark == "recalled"
        assert (await answer(listener, command("handover", node="node-1", to="gw-2")))["ok"]
        assert gateway.discovery.owners == {"node-1": "gw-2"}
        assert (await answer(listener, command("take-over", node="node-1")))["ok"]
        assert gateway.discovery.owners == {"node-1": "gw-1"}
    done = {"rollback", "cancel", "probe", "refresh", "pause", "resume", "activate", "handover", "take-over"}
    assert set(VERBS) == done | {"release-hold", "release-unhold", "release-recall"}
    assert gateway.made[0].asked_by.startswith("upstream:c-")


async def test_what_cannot_be_done_is_answered_with_code_and_remedy(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url)):
        await online(listener)
        refused = await answer(listener, command("rollback", node="node-77"))
    assert not refused["ok"]
    assert refused["code"] == "node-unknown"
    assert "node-77" in refused["message"]
    assert refused["remedy"]
    assert gateway.made == []


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ('{"schema":1,"id":"x","verb":"deploy","args":{}}', "verb-unknown"),
        ('{"schema":1,"id":"x","verb":"rollback","args":{}}', "message-malformed"),
        (
            '{"schema":1,"id":"x","verb":"probe","args":{"node":"node-1","allow_restart":"yes"}}',
            "message-malformed",
        ),
        ('{"schema":1,"id":"x","verb":7}', "message-malformed"),
        ('{"schema":2,"id":"x","verb":"rollback"}', "schema-unknown"),
        ('{"schema":1,"id":"x","id":"y","verb":"refresh"}', "message-malformed"),
        ("[]", "message-malformed"),
        ("rollback node-1", "message-malformed"),
        (" " * 300_000, "message-too-large"),
    ],
)
async def test_what_is_not_understood_is_refused_in_order_and_with_a_code(
    broker: Broker, gateway: SmallGateway, listener: Listener, payload: str, code: str
) -> None:
    async with served(gateway, quick(broker.url)):
        await online(listener)
        listener.publish(COMMAND, payload)
        await listener.until(lambda: bool(listener.on(EVENT)))
        assert (await answer(listener, command("refresh")))["ok"]
    (event,) = listener.on(EVENT)
    assert event.json["kind"] == "command.refused"
    assert event.json["data"]["code"] == code
    assert event.json["data"]["message"]
    assert gateway.made == []


async def test_a_desired_state_that_is_not_understood_changes_nothing_and_names_the_place(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    release = {"product": "lamp", "version": "2.0.0"}
    wanted = [{"id": "a", "release": release, "select": {"nodes": ["node-1", 7]}}]
    async with served(gateway, quick(broker.url)):
        listener.publish(
            DESIRED, json.dumps({"schema": 1, "revision": 4, "deployments": wanted}), retain=True
        )
        await listener.until(lambda: bool(listener.on(EVENT)))
    data = listener.on(EVENT)[0].json["data"]
    assert data["verb"] == "desired"
    assert data["code"] == "message-malformed"
    assert "deployments[0].select.nodes[1]" in data["message"]
    assert gateway.revision is None
    assert gateway.wanted == ()


async def test_a_retained_command_is_refused_and_not_done(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    listener.publish(COMMAND, command("rollback", node="node-1"), retain=True)
    async with served(gateway, quick(broker.url)):
        await listener.until(lambda: bool(listener.on(RESULT)))
    assert listener.on(RESULT)[0].json["code"] == "command-retained"
    assert gateway.made == []


async def test_the_same_command_is_done_once_and_answered_each_time(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    text = command("rollback", node="node-1")
    async with served(gateway, quick(broker.url)):
        await online(listener)
        for _ in range(3):
            listener.publish(COMMAND, text)
        await listener.until(lambda: len(listener.on(RESULT)) == 3)
        other = json.dumps({**json.loads(text), "args": {"node": "node-2"}})
        listener.publish(COMMAND, other)
        await listener.until(lambda: len(listener.on(RESULT)) == 4)
    assert [view.node for view in gateway.made] == ["node-1"]
    assert [each.json["ok"] for each in listener.on(RESULT)] == [True, True, True, False]
    assert listener.on(RESULT)[3].json["code"] == "command-id-reused"


async def test_who_floods_the_gateway_with_rubbish_does_not_fill_its_journal(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url)):
        await online(listener)
        for number in range(300):
            listener.publish(COMMAND, f"rubbish {number}", qos=number % 2)
        assert (await answer(listener, command("refresh")))["ok"], "it still listens"
    assert 1 <= gateway.kinds()["command.refused"] <= 20


async def test_no_command_is_forgotten_when_very_many_come_at_once(
    tmp_path: Path, gateway: SmallGateway
) -> None:
    many = 3 * INBOX_MESSAGES
    with (
        Broker(tmp_path / "patient", extra="max_queued_messages 0") as broker,
        Listener(broker.port) as listener,
    ):
        async with served(gateway, quick(broker.url)):
            await online(listener)
            # Nothing of the gateway runs meanwhile: it is all there when it comes to read.
            listener.publish_many(COMMAND, [command("cancel", target="no-such") for _ in range(many)])
            await listener.until(
                lambda: listener.count(RESULT) >= many and len(answered(listener)) == many, 60
            )
    assert {each.json["code"] for each in listener.on(RESULT)} == {"attempt-unknown"}


async def test_a_message_larger_than_everything_is_refused_once_and_stops_nothing(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url, protocol="3.1.1")) as upstream:
        await online(listener)
        listener.publish(COMMAND, b" " * (INBOX_BYTES + 1))
        await listener.until(lambda: bool(listener.on(EVENT)))
        assert (await answer(listener, command("refresh")))["ok"]
        assert upstream.trouble is None
    (event,) = listener.on(EVENT)
    assert event.json["data"]["code"] == "message-too-large"


async def test_a_look_that_takes_long_does_not_keep_a_cancel_waiting(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    class Slow(SmallGateway):
        async def probe(self, name: str, *, allow_restart: bool) -> Any:
            await asyncio.Event().wait()

    slow = Slow()
    async with served(slow, quick(broker.url)):
        await online(listener)
        for _ in range(8):
            listener.publish(COMMAND, command("probe", node="node-1"))
        assert (await answer(listener, command("rollback", node="node-2")))["ok"]
        assert (await answer(listener, command("cancel", target="1")))["ok"]
