"""What a port is made of, read from a folder that looks like sysfs."""

from pathlib import Path

import pytest

from transports.uart.adapters import Adapter, adapter_of, hub_of


@pytest.fixture
def usb(tmp_path: Path) -> Path:
    """A port ``ttyUSB0`` behind a hub in a hub, as the kernel lays it out."""
    devices = tmp_path / "sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.4/1-1.4.2"
    tty = devices / "1-1.4.2:1.0/ttyUSB0"
    (tty / "tty/ttyUSB0").mkdir(parents=True)
    for name, text in {
        "idVendor": "0403",
        "idProduct": "6001",
        "serial": "A50285BI",
        "product": "FT232R",
    }.items():
        (devices / name).write_text(f"{text}\n")
    driver = tmp_path / "sys/bus/usb-serial/drivers/ftdi_sio"
    driver.mkdir(parents=True)
    (tty / "driver").symlink_to(driver)
    (tty / "tty/ttyUSB0/device").symlink_to(tty)
    (tmp_path / "sys/class/tty").mkdir(parents=True)
    (tmp_path / "sys/class/tty/ttyUSB0").symlink_to(tty / "tty/ttyUSB0")
    (tmp_path / "dev/serial/by-path").mkdir(parents=True)
    (tmp_path / "dev/ttyUSB0").touch()
    (tmp_path / "dev/serial/by-path/pci-usb-0:1.4.2:1.0-port0").symlink_to(tmp_path / "dev/ttyUSB0")
    return tmp_path


def found(root: Path, name: str) -> Adapter | None:
    return adapter_of(root / "dev" / name, sysfs=root / "sys", names=root / "dev/serial")


def test_a_usb_adapter_is_known_by_its_numbers_and_its_hub(usb: Path) -> None:
    by_path = str(usb / "dev/serial/by-path/pci-usb-0:1.4.2:1.0-port0")
    expected = Adapter(
        "usb",
        str(usb / "dev/ttyUSB0"),
        vid=0x0403,
        pid=0x6001,
        serial="A50285BI",
        product="FT232R",
        driver="ftdi_sio",
        position="1-1.4.2",
        hub="1-1.4",
        by_path=by_path,
    )
    assert found(usb, "ttyUSB0") == expected
    assert found(usb, "serial/by-path/pci-usb-0:1.4.2:1.0-port0") == expected
    assert expected.named == "0403:6001 FT232R serial A50285BI at 1-1.4.2"


def test_a_uart_of_the_machine_has_no_hub(usb: Path) -> None:
    (usb / "dev/ttyAMA0").touch()
    (usb / "sys/devices/platform/serial").mkdir(parents=True)
    (usb / "sys/class/tty/ttyAMA0").mkdir()
    (usb / "sys/class/tty/ttyAMA0/device").symlink_to(usb / "sys/devices/platform/serial")
    adapter = found(usb, "ttyAMA0")
    assert adapter is not None
    assert (adapter.kind, adapter.hub, adapter.named) == ("local", None, "a UART of this machine")


def test_a_port_that_is_gone_has_no_adapter(usb: Path) -> None:
    (usb / "dev/ttyUSB0").unlink()
    assert found(usb, "ttyUSB0") is None
    assert found(usb, "serial/by-path/pci-usb-0:1.4.2:1.0-port0") is None


def test_what_the_kernel_does_not_tell_is_none(usb: Path) -> None:
    folder = usb / "sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.4/1-1.4.2"
    (folder / "serial").unlink()
    (folder / "idProduct").write_text("?")
    adapter = found(usb, "ttyUSB0")
    assert adapter is not None
    assert (adapter.vid, adapter.pid, adapter.serial) == (0x0403, None, None)


@pytest.mark.parametrize(
    ("position", "hub"),
    [("1-1.4.2", "1-1.4"), ("1-1.4", "1-1"), ("2-1", "usb2"), ("10-12.3", "10-12"), ("serial0", None)],
)
def test_a_hub_is_what_stands_before_the_last_port(position: str, hub: str | None) -> None:
    assert hub_of(position) == hub
