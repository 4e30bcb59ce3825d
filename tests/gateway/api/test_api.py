"""What the local API answers is what the gateway knows, and what it is asked is what the gateway does."""

import asyncio
import getpass
import io
import os
import socket
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api.client import Client, Refused, ServiceDenied, ServiceLost, ServiceNotRunning
from gateway.api.errors import SocketInUse
from gateway.api.server import ApiServer
from gateway.control import Control
from gateway.model.outcomes import Outcome
from tests.gateway.api.conftest import Ask, left_behind
from tests.gateway.api.world import World

DEPLOY: dict[str, Any] = {"id": "d1", "product": "sensor", "version": "2.0.0", "select": {"all": True}}


def test_the_world_of_these_tests_is_a_control() -> None:
    def takes(control: Control) -> None: ...

    takes(World())


@pytest.mark.usefixtures("server")
async def test_only_the_owner_and_the_group_may_ask(socket_path: Path) -> None:
    mode = os.lstat(socket_path).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660


async def test_nodes_are_shown_as_they_are_known(ask: Ask) -> None:
    nodes = await ask(lambda client: client.get("nodes"))
    assert [node["name"] for node in nodes] == ["attic", "barn"]
    assert nodes[0]["components"][0]["firmware"]["version"] == "1.0.0"
    assert nodes[0]["state"] == "ok"
    one = await ask(lambda client: client.get("nodes", "attic"))
    assert one == nodes[0]
    status = await ask(lambda client: client.get("status"))
    assert (status["gateway"], status["nodes"]) == ("gw-1", 2)


async def test_every_error_comes_with_its_code_and_its_remedy(ask: Ask) -> None:
    with pytest.raises(Refused) as refused:
        await ask(lambda client: client.get("nodes", "cellar"))
    assert refused.value.code == "node-unknown"
    assert "cellar" in refused.value.message
    assert "tender nodes" in refused.value.what_to_do


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v1/nodes/none", None, 404, "node-unknown"),
        ("GET", "/v1/attempts/77", None, 404, "attempt-unknown"),
        ("GET", "/v1/attempts/x", None, 404, "attempt-unknown"),
        ("GET", "/v1/attempts/" + "9" * 40, None, 404, "attempt-unknown"),
        ("GET", "/v1/nothing", None, 404, "path-unknown"),
        ("DELETE", "/v1/nodes", None, 405, "path-unknown"),
        ("POST", "/v1/nodes/attic/probe", b"{}", 422, "probe-costs"),
        ("POST", "/v1/nodes/attic/probe", b'{"allow": true}', 422, "message-malformed"),
        ("POST", "/v1/nodes/attic/probe", b"\xff\x00", 422, "message-malformed"),
        ("POST", "/v1/nodes/attic/rollback", b"", 422, "no-known-good"),
        ("POST", "/v1/deployments", b"[]", 422, "message-malformed"),
        ("POST", "/v1/deployments", b"[" * 100_000, 422, "message-malformed"),
        ("POST", "/v1/deployments", b" " * 2_000_000, 413, "body-too-large"),
        ("POST", "/v1/releases", b"x" * 200_000, 413, "body-too-large"),
        ("POST", "/v1/releases", b"nonsense", 422, "release-file-bad"),
        ("POST", "/v1/baselines", b"nonsense", 422, "message-malformed"),
        ("POST", "/v1/cancel", b'{"target": "99"}', 404, "attempt-unknown"),
    ],
)
async def test_what_cannot_be_done_is_said_in_http_as_well(
    server: ApiServer, socket_path: Path, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket_path))) as session,
        session.request(
            method, f"http://tender{path}", data=io.BytesIO(body) if body is not None else None
        ) as response,
    ):
        answer = await response.json()
    assert (response.status, answer["error"]["code"]) == (status, code)
    assert answer["error"]["remedy"]


async def test_a_deployment_is_asked_for_once_however_often_it_is_sent(world: World, ask: Ask) -> None:
    first = await ask(lambda client: client.post("deployments", body=DEPLOY))
    again = await ask(lambda client: client.post("deployments", body=DEPLOY))
    assert first["id"] == again["id"] == "d1"
    assert set(first["nodes"]) == {"attic", "barn"}
    assert len(await ask(lambda client: client.get("attempts"))) == 2
    assert len(await ask(lambda client: client.get("deployments"))) == 1


async def test_who_asked_is_what_the_kernel_says(world: World, ask: Ask) -> None:
    await ask(lambda client: client.post("deployments", body=DEPLOY))
    assert world.asked == [f"{getpass.getuser()} (pid {os.getpid()})"]
    with pytest.raises(Refused):  # nobody can say so himself
        await ask(lambda client: client.post("deployments", body={**DEPLOY, "asked_by": "root"}))


async def test_attempts_can_be_chosen_and_shown_in_full(world: World, ask: Ask) -> None:
    world.ends["barn"] = Outcome.ROLLED_BACK
    watching = await ask(lambda client: client.watch())
    await ask(lambda client: client.post("deployments", body=DEPLOY))
    await asyncio.to_thread(_until, watching, "deployment.done")
    attempts = await ask(lambda client: client.get("attempts", node="barn"))
    assert [attempt["outcome"] for attempt in attempts] == ["rolled-back"]
    assert await ask(lambda client: client.get("attempts", open="true")) == []
    detail = await ask(lambda client: client.get("attempts", str(attempts[0]["id"])))
    assert detail["view"] == attempts[0]
    assert detail["record"]["parts"][0]["want"]["format"] == "raw"
    assert detail["trace"]


async def test_the_whole_desired_state_can_be_given(
    world: World, server: ApiServer, socket_path: Path
) -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket_path))) as session,
        session.put("http://t/v1/desired", json={"revision": 7, "deployments": [DEPLOY]}) as response,
    ):
        answer = await response.json()
    assert [(view["id"], view["revision"]) for view in answer] == [("d1", 7)]
    assert world.desired_revision == 7


async def test_cancel_names_what_it_ended(world: World, ask: Ask) -> None:
    world.hold.clear()
    await ask(lambda client: client.post("deployments", body=DEPLOY))
    ended = await ask(lambda client: client.post("cancel", body={"target": "d1"}))
    assert [view["outcome"] for view in ended] == ["cancelled", "cancelled"]
    world.hold.set()


async def test_explain_and_probe_answer_about_the_node(ask: Ask) -> None:
    explanation = await ask(lambda client: client.get("nodes", "attic", "explain"))
    assert explanation["summary"] == "attic runs what it should."
    seen = await ask(lambda client: client.post("nodes", "attic", "probe", body={"allow_restart": True}))
    assert seen["name"] == "attic"


async def test_a_release_file_arrives_as_it_was_sent(world: World, ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "x.tender"
    file.write_bytes(b"release sensor 3.0.0 " + bytes(70_000))
    view = await ask(lambda client: client.upload(file, "releases"))
    assert (view["product"], view["version"]) == ("sensor", "3.0.0")
    assert world.files == [file.read_bytes()]
    assert len(await ask(lambda client: client.get("releases"))) == 2
    view = await ask(
        lambda client: client.upload(file, "baselines", profile="demo-relay", component="app", version="1")
    )
    assert view["product"] == "baseline-demo-relay-app"


async def test_a_file_that_is_too_large_is_refused_before_it_has_arrived(
    world: World, ask: Ask, tmp_path: Path
) -> None:
    file = tmp_path / "x.tender"
    file.write_bytes(bytes(30_000_000))
    with pytest.raises(Refused) as refused:
        await ask(lambda client: client.upload(file, "releases"))
    assert refused.value.code == "body-too-large"
    assert world.files == []


async def test_whoever_watches_is_told_everything_in_order(world: World, ask: Ask) -> None:
    watching = await ask(lambda client: client.watch())
    assert world.watchers == 1
    await ask(lambda client: client.post("deployments", body=DEPLOY))
    heard = await asyncio.to_thread(_until, watching, "deployment.done")
    events = [each["event"] for each in heard if "event" in each]
    assert [event["id"]["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [event["kind"] for event in events].count("attempt.done") == 2
    assert {each["progress"]["done"] for each in heard if "progress" in each} == {1024, 4096}


async def test_a_watcher_who_left_is_forgotten(world: World, ask: Ask) -> None:
    watching = await ask(lambda client: client.watch())
    await asyncio.to_thread(watching.close)
    async with asyncio.timeout(10):
        while world.watchers:
            world.tell("gateway.started")
            await asyncio.sleep(0)


async def test_watchers_are_let_go_when_the_service_stops(world: World, server: ApiServer, ask: Ask) -> None:
    watching = await ask(lambda client: client.watch())
    await server.stop()
    with watching, pytest.raises(ServiceLost):
        await asyncio.to_thread(next, watching)
    assert world.watchers == 0


async def test_a_bug_in_one_answer_is_told_and_ends_nothing(
    world: World, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    world.node_views["attic"] = None  # type: ignore[assignment] # a bug, made here
    with pytest.raises(Refused) as refused:
        await ask(lambda client: client.get("status"))
    assert refused.value.code == "internal"
    assert "NoneType" in caplog.text
    assert "NoneType" not in refused.value.message
    assert (await ask(lambda client: client.get("nodes", "barn")))["name"] == "barn"


async def test_a_socket_that_a_killed_service_left_is_taken_over(
    world: World, socket_path: Path, tmp_path: Path
) -> None:
    socket_path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(socket_path))
    with pytest.raises(ServiceNotRunning):
        Client(socket_path).get("status")
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "upload-half").write_bytes(b"what had arrived by then")
    server = ApiServer(world, socket_path, spool=tmp_path / "spool")
    await server.start()
    assert left_behind(tmp_path / "spool") == []
    assert await asyncio.to_thread(lambda: Client(socket_path).get("nodes"))
    await server.stop()


async def test_a_running_service_is_not_pushed_aside(
    world: World, server: ApiServer, ask: Ask, socket_path: Path, tmp_path: Path
) -> None:
    with pytest.raises(SocketInUse):
        await ApiServer(world, socket_path, spool=tmp_path).start()
    assert await ask(lambda client: client.get("nodes"))


def test_without_a_service_the_client_says_so(tmp_path: Path) -> None:
    with pytest.raises(ServiceNotRunning) as error:
        Client(tmp_path / "none.sock").get("status")
    assert error.value.code == "service-not-running"
    with pytest.raises(ServiceNotRunning):
        Client(tmp_path / "none.sock").watch()


def test_without_the_right_to_ask_the_client_says_so(tmp_path: Path) -> None:
    path = tmp_path / "tender.sock"
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(path))
        service.listen()
        path.chmod(0)
        child = os.fork()
        if child == 0:
            if os.geteuid() == 0:  # root may open every socket
                os.setuid(65534)
            try:
                Client(path).get("status")
            except ServiceDenied:
                os._exit(42)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 42


def _until(watching: Any, kind: str) -> list[dict[str, Any]]:
    heard = []
    with watching:
        for each in watching:
            heard.append(each)
            if each.get("event", {}).get("kind") == kind:
                break
    return heard
