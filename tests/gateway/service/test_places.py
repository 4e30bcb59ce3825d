"""Where a serial port is plugged in, as udev and the kernel tell it."""

from pathlib import Path

import pytest

from gateway.service.identity.places import LocalPlaces
from transports.links import LinkSpec


class Machine:
    """A folder with ports, udev's names for them and the kernel's picture of its hubs."""

    def __init__(self, folder: Path) -> None:
        self.dev, self.by_path, self.ttys = folder / "dev", folder / "by-path", folder / "tty"
        for each in (self.dev, self.by_path, self.ttys):
            each.mkdir()
        self.places = LocalPlaces(self.by_path, self.ttys)

    def port(self, name: str, *, socket: str | None = None, usb: str | None = None) -> None:
        (self.dev / name).touch()
        if socket is not None:
            (self.by_path / socket).unlink(missing_ok=True)
            (self.by_path / socket).symlink_to(self.dev / name)
        if usb is not None:
            place = self.ttys / "devices" / usb / name
            place.mkdir(parents=True)
            (self.ttys / name).mkdir()
            (self.ttys / name / "device").symlink_to(place)

    def at(self, name: str, options: str = "") -> str | None:
        return self.places(LinkSpec.parse(f"uart:{self.dev}/{name}{options}"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One without ports."""
    return Machine(tmp_path)


async def test_a_port_is_at_the_socket_that_udev_names(machine: Machine) -> None:
    machine.port("ttyUSB0", socket="platform-usb-0:1.2:1.0-port0")
    assert machine.at("ttyUSB0", "?baud=9600") == "platform-usb-0:1.2:1.0-port0"
    assert machine.at("ttyUSB0", "#7") == "platform-usb-0:1.2:1.0-port0#7", "an address is part of a place"


async def test_whatever_name_leads_to_the_port_it_is_at_one_socket(machine: Machine) -> None:
    machine.port("ttyUSB0", socket="socket-1")
    (machine.dev / "by-id").symlink_to(machine.dev / "ttyUSB0")
    assert machine.at("by-id") == machine.at("ttyUSB0") == "socket-1"


async def test_without_udev_the_kernel_tells_hubs_and_ports(machine: Machine) -> None:
    machine.port("ttyACM0", usb="pci0000:00/usb1/1-1/1-1.4/1-1.4.2/1-1.4.2:1.0")
    assert machine.at("ttyACM0") == "usb-1-1.4.2:1.0"


async def test_what_nobody_can_tell_is_not_known(machine: Machine) -> None:
    machine.port("ttyS0")
    assert machine.at("ttyS0") is None
    assert machine.at("unplugged") is None


async def test_any_other_link_is_where_its_name_says(machine: Machine) -> None:
    for text in ("socket://host:4001", "rfc2217://host:4001"):
        assert machine.places(LinkSpec.parse(f"{text}?baud=9600")) == text
