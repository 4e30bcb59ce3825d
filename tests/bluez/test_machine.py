"""What the small machine is made of: an archive for the kernel, modules in order, a kernel unpacked."""

import lzma
import struct
import subprocess
from pathlib import Path

import pytest

from tests.bluez.machine.debian import NotHere, found, in_order
from tests.bluez.machine.initramfs import Archive
from tests.bluez.machine.vmlinux import unpacked
from tests.peers.debian import missing


@pytest.mark.peer
def test_an_archive_has_what_was_put_into_it(tmp_path: Path) -> None:
    archive = Archive()
    archive.folder("etc")
    archive.file("etc/odd", b"five!", mode=0o755)
    archive.file("etc/even", b"four")
    packed = archive.packed()
    assert packed.startswith(b"070701")
    assert packed.count(b"070701") == 4
    assert len(packed) % 4 == 0
    try:
        busybox = str(found("bin/busybox", "usr/bin/busybox"))
    except NotHere as error:
        missing(str(error))
    subprocess.run([busybox, "cpio", "-i"], input=packed, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "etc/odd").read_bytes() == b"five!"
    assert (tmp_path / "etc/odd").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "etc/even").read_bytes() == b"four"


def test_a_module_comes_after_what_it_builds_on(tmp_path: Path) -> None:
    for name, needs in (("top", "mid-dle,base"), ("mid-dle", "base"), ("base", "")):
        (tmp_path / f"{name}.ko").write_bytes(b"\x7fELF license=GPL\0depends=%s\0" % needs.encode())
    order = [path.stem for path in in_order(tmp_path, ["top", "built_in"])]
    assert order == ["base", "mid-dle", "top"]


def image(payload: bytes) -> bytes:
    """A ``bzImage`` with this payload, one setup sector and nothing else."""
    head = bytearray(1024)
    head[0x1F1] = 1
    struct.pack_into("<II", head, 0x248, 16, len(payload))
    return bytes(head) + bytes(16) + payload


def test_a_kernel_is_unpacked_and_one_packed_in_another_way_is_left_as_it_is() -> None:
    plain = b"\x7fELF and so on"
    assert unpacked(image(lzma.compress(plain, lzma.FORMAT_XZ) + b"\0\0\0\0")) == plain
    assert unpacked(image(b"\x28\xb5\x2f\xfd of zstd")) is None
