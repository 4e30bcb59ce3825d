"""Modem lines that really are driven: virtual nodes behind RFC 2217 servers, in real time."""

import asyncio
from pathlib import Path

import pytest

from flashers.api.errors import NotSupported
from tests.gateway.service.rescues import hang
from tests.gateway.service.site import RELAY, SENSOR, Bench, Running
from transports.virtual.rfc2217 import Rfc2217Host


class Lamp:
    """The far end of a line with a lamp on RTS, and a console; nobody answers."""

    def __init__(self) -> None:
        self.lit: list[bool] = []
        self.heard = b""

    def attach(self, transmit: object) -> None:
        pass

    def receive(self, data: bytes) -> None:
        self.heard += data

    def lines(self, *, dtr: bool, rts: bool) -> None:
        del dtr
        self.lit.append(rts)


def quick(bench: Bench, kind: str, *more: str) -> None:
    """A profile whose nodes boot at once, with some more keys."""
    file = bench.profiles / f"{kind}.toml"
    head, tables = (
        file.read_text().replace("boot_deadline = 5.0", "boot_deadline = 1.5").split("[evidence]", 1)
    )
    file.write_text(head + "\n".join(more) + "\n[evidence]" + tables)


async def steps(running: Running) -> list[tuple[object, object]]:
    """What was told of steps, once there is anything."""
    async with asyncio.timeout(60):
        while not (told := running.told("rescue.step")):  # noqa: ASYNC110 - asked from outside
            await asyncio.sleep(0.05)
    return [(event.data["step"], event.data["result"]) for event in told]


async def test_a_node_that_hangs_is_brought_back_by_its_reset_line(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    quick(bench, SENSOR)
    node = bench.node("s1", options={"boot-time": "0.05"})
    async with Rfc2217Host(node) as host:
        bench.tables["s1"]["link"] = str(host.url)
        async with bench.gateway(first_look_s=0.1) as running:
            await running.gateway.probe("s1", allow_restart=True)
            hang(node)
            await running.gateway.rescue.recover_now("s1", asked_by="ada")
            assert await steps(running) == [("dtr", "answered")]
            assert (await running.view("s1")).recoverable == ""


async def test_a_lamp_on_a_line_shows_which_node_it_is(tmp_path: Path) -> None:
    bench, lamp = Bench(tmp_path), Lamp()
    quick(bench, RELAY, 'identify = { line = "rts", times = 3, every = 0.01 }')
    bench.node("r1", RELAY)
    async with Rfc2217Host(lamp) as host:
        bench.tables["r1"]["link"] = str(host.url)
        async with bench.gateway() as running:
            shown = await running.gateway.rescue.identify("r1", asked_by="ada")
    assert shown.how == "the lamp on its line RTS blinked 3 times"
    changes = [lit for lit, before in zip(lamp.lit[1:], lamp.lit, strict=False) if lit is not before]
    assert changes.count(False) >= 3
    assert changes.count(True) >= 3


async def test_a_word_on_its_console_shows_which_node_it_is(tmp_path: Path) -> None:
    bench, lamp = Bench(tmp_path), Lamp()
    quick(bench, RELAY, 'identify = { console = "blink" }')
    bench.node("r1", RELAY)
    async with Rfc2217Host(lamp) as host:
        bench.tables["r1"]["link"] = str(host.url)
        async with bench.gateway() as running:
            await running.gateway.rescue.identify("r1", asked_by="ada")
            async with asyncio.timeout(10):
                while b"blink\r\n" not in lamp.heard:  # noqa: ASYNC110 - bytes are heard of later
                    await asyncio.sleep(0.01)


async def test_a_node_that_cannot_show_itself_is_told_what_would_help(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        with pytest.raises(NotSupported, match="r1 has no way to show itself") as caught:
            await running.gateway.rescue.identify("r1", asked_by="ada")
        assert "[identify]" in caught.value.what_to_do
