"""What works a hub's port, a GPIO line, a relay's command, and a modem line over RFC 2217."""

import asyncio
import inspect
import sys
import time
from pathlib import Path
from typing import Any

import gpiod
import pytest

from transports.links import LinkSpec
from transports.open import open_link
from transports.power import Circuit, CommandSwitch, GpioLine, UsbPort, open_switch
from transports.power.errors import CommandFailed, PowerError, SwitchMissing
from transports.power.lines import pulse
from transports.power.usb import device_of_port, is_behind, port_of_device
from transports.virtual.rfc2217 import Rfc2217Host


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """A root hub with a hub in port 1, an adapter in its port 4, and another hub with one in its port 2."""
    root = tmp_path / "sys"
    devices = root / "bus" / "usb" / "devices"
    real = root / "devices" / "platform" / "usb1"
    for place, hub, ports in (
        (real, "usb1", 2),
        (real / "1-1", "1-1", 4),
        (real / "1-1" / "1-1.3", "1-1.3", 2),
    ):
        interface = "1-0:1.0" if hub == "usb1" else f"{hub}:1.0"
        for number in range(1, ports + 1):
            port = place / interface / f"{hub}-port{number}"
            port.mkdir(parents=True)
            (port / "disable").write_text("0\n")
        devices.mkdir(parents=True, exist_ok=True)
        (devices / hub).symlink_to(place)
    ttys = root / "class" / "tty"
    ttys.mkdir(parents=True)
    for tty, place in (("ttyUSB0", real / "1-1" / "1-1.4"), ("ttyACM1", real / "1-1" / "1-1.3" / "1-1.3.2")):
        own = place / f"{place.name}:1.0" / tty
        own.mkdir(parents=True)
        (ttys / tty).mkdir()
        (ttys / tty / "device").symlink_to(own)
    (ttys / "ttyS0").mkdir()
    return root


def disabled(sysfs: Path, hub: str, port: int) -> str:
    place = sysfs / "bus" / "usb" / "devices" / hub
    return next(place.glob(f"*:*/{hub}-port{port}/disable")).read_text().strip()


def attribute(sysfs: Path) -> Path:
    return sysfs / "bus/usb/devices/1-1/1-1:1.0/1-1-port4/disable"


async def test_a_port_of_a_hub_loses_its_power_and_has_it_again(sysfs: Path) -> None:
    switch = open_switch(Circuit(usb=UsbPort("1-1", 4, str(sysfs))))
    await switch.check()
    await switch.off()
    assert disabled(sysfs, "1-1", 4) == "1"
    assert disabled(sysfs, "1-1", 3) == "0"
    await switch.on()
    await switch.on()
    assert disabled(sysfs, "1-1", 4) == "0"


async def test_a_port_of_a_root_hub_is_found_under_its_own_name(sysfs: Path) -> None:
    switch = open_switch(Circuit(usb=UsbPort("usb1", 1, str(sysfs))))
    await switch.off()
    assert disabled(sysfs, "usb1", 1) == "1"


def test_the_hub_is_known_from_the_serial_port_that_is_on_it(sysfs: Path) -> None:
    device = device_of_port("/dev/ttyUSB0", str(sysfs))
    assert device == "1-1.4"
    assert port_of_device(device, str(sysfs)) == UsbPort("1-1", 4, str(sysfs))
    assert device_of_port("/dev/ttyACM1", str(sysfs)) == "1-1.3.2"
    assert device_of_port("/dev/ttyS0", str(sysfs)) is None
    assert port_of_device("1-1") == UsbPort("usb1", 1)


def test_what_hangs_behind_a_hub_in_a_port_shares_its_fate() -> None:
    assert is_behind("1-1.3.2", UsbPort("1-1", 3))
    assert is_behind("1-1.3", UsbPort("usb1", 1))
    assert is_behind("1-1", UsbPort("usb1", 1))
    assert not is_behind("1-1.31", UsbPort("1-1", 3))
    assert not is_behind("2-1.3", UsbPort("1-1", 3))


async def test_a_kernel_that_cannot_switch_ports_is_told_with_another_way(sysfs: Path) -> None:
    attribute(sysfs).unlink()
    with pytest.raises(SwitchMissing) as caught:
        await open_switch(Circuit(usb=UsbPort("1-1", 4, str(sysfs)))).check()
    assert "6.0" in caught.value.what_to_do
    assert "relay" in caught.value.what_to_do
    with pytest.raises(SwitchMissing, match="hub 1-9 has no port 1"):
        await open_switch(Circuit(usb=UsbPort("1-9", 1, str(sysfs)))).check()


async def test_a_port_that_does_not_do_as_it_was_told_is_an_error(sysfs: Path) -> None:
    attribute(sysfs).unlink()
    attribute(sysfs).symlink_to("/dev/null")
    with pytest.raises(PowerError, match=r"says .* after 1 was written"):
        await open_switch(Circuit(usb=UsbPort("1-1", 4, str(sysfs)))).off()


# Commands


async def test_commands_know_the_node_and_run_one_after_the_other(tmp_path: Path) -> None:
    log = tmp_path / "log"
    say = 'echo "$1 $TENDER_NODE" >> "$2"'
    words = {word: ("/bin/sh", "-c", say, "sh", word, str(log)) for word in ("off", "on")}
    switch = open_switch(Circuit(command=CommandSwitch(words["on"], words["off"], node="th-4")))
    await switch.off()
    await switch.on()
    assert log.read_text().splitlines() == ["off th-4", "on th-4"]


async def test_one_command_that_does_it_all_runs_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    switch = open_switch(Circuit(command=CommandSwitch(("/bin/sh", "-c", f"echo cycled >> {log}"))))
    await switch.off()
    await switch.on()
    assert log.read_text() == "cycled\n"


async def test_a_command_that_fails_is_told_with_what_it_said() -> None:
    switch = open_switch(Circuit(command=CommandSwitch(("/bin/sh", "-c", "echo no such port >&2; exit 4"))))
    with pytest.raises(CommandFailed, match="ended with 4: no such port"):
        await switch.on()
    with pytest.raises(CommandFailed, match="cannot be run"):
        await open_switch(Circuit(command=CommandSwitch(("/nowhere/relay",)))).on()


async def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    script = f"(sleep 30; touch {alive}) & sleep 30"
    switch = open_switch(Circuit(command=CommandSwitch(("/bin/sh", "-c", script), deadline=0.2)))
    began = time.monotonic()
    with pytest.raises(CommandFailed, match=r"did not end within 0\.2 s"):
        await switch.on()
    assert time.monotonic() - began < 15
    assert not alive.exists()


# GPIO: the real binding, on a machine without chips


@pytest.fixture
def no_chips(tmp_path: Path) -> str:
    """A folder of devices in which there is no chip, but a file that calls itself one."""
    (tmp_path / "gpiochip0").write_text("")
    return str(tmp_path)


async def test_a_chip_that_is_not_there_is_told_with_what_lists_them(no_chips: str) -> None:
    for line in (
        GpioLine("RESET_TH4", devices=no_chips),
        GpioLine("3", chip="gpiochip0", devices=no_chips),
        GpioLine("3", chip=f"{no_chips}/gpiochip0"),
        GpioLine("3", chip=f"{no_chips}/gpiochip7"),
    ):
        switch = open_switch(Circuit(gpio=line))
        for work in (switch.check, switch.off, switch.on):
            with pytest.raises(SwitchMissing) as caught:
                await work()
            assert "gpioinfo" in caught.value.what_to_do


async def test_a_number_without_a_chip_means_nothing(no_chips: str) -> None:
    with pytest.raises(SwitchMissing, match="without its chip"):
        await open_switch(Circuit(gpio=GpioLine("3", devices=no_chips))).check()


def test_the_binding_has_what_a_line_is_driven_with() -> None:
    """Its names and arguments, as they are used; a chip to drive is not to be had here."""
    settings = gpiod.LineSettings(
        direction=gpiod.line.Direction.OUTPUT, output_value=gpiod.line.Value.ACTIVE, active_low=True
    )
    assert settings.active_low is True
    assert settings.output_value is gpiod.line.Value.ACTIVE
    asked = inspect.signature(gpiod.request_lines).parameters
    assert {"path", "config", "consumer"} <= set(asked)
    request: Any = gpiod.LineRequest
    assert list(inspect.signature(request.set_value).parameters) == ["self", "line", "value"]
    assert hasattr(request, "offsets")
    assert hasattr(request, "release")
    assert hasattr(gpiod.Chip, "line_offset_from_id")
    assert hasattr(gpiod.Chip, "get_info")
    with pytest.raises(OSError, match="No such file"):
        gpiod.request_lines("/dev/gpiochip-none", consumer="tender", config={0: settings})


def test_nothing_of_gpio_is_imported_for_a_site_without_it() -> None:
    import subprocess

    code = "import transports.power, gateway.service.rescue.stepping, sys; print('gpiod' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


# A modem line, over a link that has them


class Listener:
    """A node that notes what its lines do."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, bool]] = []

    def attach(self, transmit: object) -> None:
        pass

    def receive(self, data: bytes) -> None:
        pass

    def lines(self, *, dtr: bool, rts: bool) -> None:
        self.seen.append((dtr, rts))


@pytest.mark.parametrize(("line", "low"), [("dtr", (False, True)), ("rts", (True, False))])
async def test_a_pulse_drops_its_own_line_and_raises_it_again(line: Any, low: tuple[bool, bool]) -> None:
    node = Listener()
    async with Rfc2217Host(node) as host:
        link = await open_link(LinkSpec.parse(str(host.url)))
        try:
            await pulse(link, line, 0.01)
            async with asyncio.timeout(10):
                while node.seen[-2:] != [low, (True, True)]:  # noqa: ASYNC110 - the lines are heard of later
                    await asyncio.sleep(0.01)
        finally:
            await link.aclose()
