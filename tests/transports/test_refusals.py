"""Why a port cannot be opened, in words that help."""

import errno
import os
from pathlib import Path

import pytest

from tests.transports.peers import Listener
from transports.errors import BadLink, LinkBusy, LinkDenied, LinkError, LinkNotFound
from transports.links import LinkSpec
from transports.open import open_link
from transports.uart.local import _refused
from transports.virtual.pty import PtyHost


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOENT, LinkNotFound),
        (errno.ENODEV, LinkNotFound),
        (errno.EACCES, LinkDenied),
        (errno.EBUSY, LinkBusy),
        (errno.EWOULDBLOCK, LinkBusy),
        (errno.EIO, LinkError),
    ],
)
def test_each_reason_of_the_kernel_has_its_own_error(number: int, error: type[LinkError]) -> None:
    refusal = _refused(Path("/dev/ttyUSB0"), OSError(number, os.strerror(number)))
    assert type(refusal) is error
    assert "/dev/ttyUSB0" in refusal.message


async def test_what_is_no_port_is_an_error_and_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "firmware.bin"
    file.write_bytes(b"not a port")
    with pytest.raises(LinkError):
        await open_link(LinkSpec.parse(f"uart:{file}"))
    assert file.read_bytes() == b"not a port"


async def test_a_wrong_option_is_refused_without_opening_the_port() -> None:
    node = Listener()
    async with PtyHost(node) as host:
        with pytest.raises(BadLink):
            await open_link(LinkSpec.parse(f"uart:{host.path}?speed=9600"))
        assert host.opens == 0
        assert not node.line_changes
