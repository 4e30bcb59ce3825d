"""Starts the small machine and hands over what it says.

Everything is emulated in software: that needs no rights and no virtualisation, which a build
machine seldom offers.
"""

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bluez.machine.debian import found, in_order, kernel
from tests.bluez.machine.initramfs import Archive
from tests.bluez.machine.vmlinux import unpacked

MODULES = [
    *("virtio_pci", "9pnet_virtio", "9p", "overlay"),
    # The kernel asks for these by name later, and finds no modprobe: they are loaded beforehand.
    *("sha3_generic", "jitterentropy_rng", "ctr", "sha512_generic", "drbg"),
    *("cmac", "ecb", "ecdh_generic", "algif_hash", "algif_skcipher", "sha256_generic"),
    *("bluetooth", "hci_vhci", "uhid"),
]

_INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod $module; done
cd /
/bin/busybox mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=1048576,cache=loose host /lower
/bin/busybox mount -t tmpfs tmpfs /upper
/bin/busybox mkdir /upper/files /upper/work
/bin/busybox mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /root
/bin/busybox mount -t proc proc /root/proc
/bin/busybox mount -t sysfs sys /root/sys
/bin/busybox mount --move /dev /root/dev
/bin/busybox mount -t tmpfs tmpfs /root/run
cd /root
exec /bin/busybox switch_root /root {command}
"""


def initramfs(modules: Sequence[Path], command: Sequence[str], environment: dict[str, str]) -> bytes:
    """The first file system; ``command`` is what becomes of the machine."""
    archive = Archive()
    for name in ("bin", "dev", "lower", "upper", "root", "modules"):
        archive.folder(name)
    archive.console()
    archive.file("bin/busybox", found("bin/busybox", "usr/bin/busybox").read_bytes(), mode=0o755)
    for number, path in enumerate(modules):
        archive.file(f"modules/{number:02}-{path.name}", path.read_bytes())
    settings = [f"{name}={value}" for name, value in environment.items()]
    words = ["/usr/bin/env", "-i", *settings, *command]
    archive.file("init", _INIT.format(command=shlex.join(words)).encode(), mode=0o755)
    return archive.packed()


def start(
    folder: Path, command: Sequence[str], environment: dict[str, str], *, memory_mb: int = 1024
) -> "subprocess.Popen[bytes]":
    """Start a machine that runs ``command`` and ends with it.

    Its second serial line is the process's standard output; what the kernel and the programs say
    otherwise goes to ``console.log`` in ``folder``.

    Raises:
        NotHere: something of Debian is missing.
    """
    image, modules = kernel()
    plain = unpacked(image.read_bytes())
    if plain is not None:
        (folder / "kernel").write_bytes(plain)
        image = folder / "kernel"
    (folder / "initramfs").write_bytes(initramfs(in_order(modules, MODULES), command, environment))
    program = found("usr/bin/qemu-system-x86_64")
    parts = found("usr/share/qemu/linuxboot_dma.bin").parent
    firmware = found("usr/share/seabios/bios-256k.bin").parent
    accelerators = [each for each in program.parents[1].glob("lib/*/qemu") if each.is_dir()]
    words = [
        "console=ttyS0",
        "quiet",
        "panic=-1",
        "oops=panic",
        "nokaslr",
        "mitigations=off",
        "audit=0",
        "apparmor=0",
    ]
    with (folder / "qemu.log").open("wb") as said:
        return subprocess.Popen(
            [
                *(str(program), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
                *("-L", str(parts), "-L", str(firmware)),
                *(
                    "-machine",
                    "pc",
                    "-accel",
                    "tcg,thread=multi",
                    "-cpu",
                    "max",
                    "-smp",
                    "2",
                    "-m",
                    str(memory_mb),
                ),
                *("-kernel", str(image), "-initrd", str(folder / "initramfs"), "-append", " ".join(words)),
                *("-serial", f"file:{folder / 'console.log'}", "-serial", "stdio"),
                *("-object", "rng-random,id=rng,filename=/dev/urandom"),
                "-virtfs",
                "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, "QEMU_MODULE_DIR": str(accelerators[0])} if accelerators else None,
        )
