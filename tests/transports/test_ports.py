"""Names and settings of ports."""

import subprocess
import sys
from pathlib import Path

import pytest

from transports.errors import BadLink
from transports.links import LinkSpec
from transports.uart.ports import Port, list_local_ports, stable_names
from transports.uart.settings import Parity, Settings


def test_a_ports_stable_name_is_found_and_followed(tmp_path: Path) -> None:
    device = tmp_path / "ttyUSB7"
    device.touch()
    folder = tmp_path / "by-path"
    folder.mkdir()
    (folder / "pci-usb-0:1.2").symlink_to(device)
    assert stable_names(folder) == {device: folder / "pci-usb-0:1.2"}
    assert stable_names(tmp_path / "nowhere") == {}


def test_an_adapter_without_a_serial_number_is_named_by_its_socket() -> None:
    by_id, by_path = Path("/dev/serial/by-id/usb-CH340"), Path("/dev/serial/by-path/usb-0:2")
    assert Port(Path("/dev/ttyUSB0"), by_id, by_path).stable_path == by_path
    assert Port(Path("/dev/ttyUSB0"), by_id, by_path, serial="A50285BI").stable_path == by_id
    assert str(Port(Path("/dev/ttyS0")).link) == "uart:/dev/ttyS0"


def test_listing_the_ports_opens_none_and_works_without_udev(tmp_path: Path) -> None:
    assert all(port.device.is_char_device() for port in list_local_ports(tmp_path))


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ("", Settings(115_200, Parity.NONE, 8, 1, rtscts=False)),
        ("?baud=57600", Settings(57_600)),
        ("?parity=even&bits=7&stop=2&rtscts=on", Settings(115_200, Parity.EVEN, 7, 2, rtscts=True)),
        ("?parity=E", Settings(parity=Parity.EVEN)),
    ],
)
def test_a_links_options_set_the_port(options: str, settings: Settings) -> None:
    assert Settings.of(LinkSpec.parse(f"uart:/dev/ttyUSB0{options}")) == settings


@pytest.mark.parametrize(
    "option", ["baud=fast", "baud=0", "baud=-9600", "bits=9", "stop=1.5", "parity=x", "speed=1"]
)
def test_an_option_that_no_port_has_is_refused_before_anything_is_opened(option: str) -> None:
    with pytest.raises(BadLink):
        Settings.of(LinkSpec.parse(f"uart:/dev/ttyUSB0?{option}"))


def without_site_packages(program: str) -> str:
    """What a Python without any installed package prints for it."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_a_site_without_pyserial_is_told_what_to_install() -> None:
    program = (
        "import asyncio\n"
        "from transports.errors import BadLink\n"
        "from transports.links import LinkSpec\n"
        "from transports.open import open_link\n"
        "try:\n"
        "    asyncio.run(open_link(LinkSpec.parse('uart:/dev/ttyUSB0')))\n"
        "except BadLink as why:\n"
        "    print(why.what_to_do)\n"
    )
    assert (
        without_site_packages(program) == "Install Tender with the extra: pip install 'fleet-tender[uart]'."
    )


def test_sockets_and_virtual_nodes_need_no_pyserial() -> None:
    modules = (
        "open tap uart.bus uart.sockets uart.rfc2217 virtual.memory virtual.pty virtual.tcp virtual.rfc2217"
    )
    program = "import sys\n" + "".join(f"import transports.{name}\n" for name in modules.split())
    assert without_site_packages(program + "print('serial' in sys.modules)") == "False"
