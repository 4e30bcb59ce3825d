"""Build what runs on the simulated AVR: the board around it, the bootloaders, applications.

Everything is compiled from source where the tests run, and kept below the project's cache
under a name that depends on its source and its options; no binary is in the repository.
"""

import hashlib
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.peers import debian

HERE = Path(__file__).resolve().parent
BUILT = debian.CACHE / "peers"
BOOTLOADERS = "usr/share/arduino/hardware/arduino/avr/bootloaders"


def host() -> Path:
    """The program `avrhost`: a board with an AVR behind a PTY."""
    source = HERE / "avrhost.c"
    headers = debian.file("usr/include/simavr/sim_avr.h").parent
    library = library_file("libsimavr.a")

    def compile_to(output: Path) -> None:
        # A C library that is unpacked and not installed is found, and linked, below its own root.
        unpacked = debian.file("usr/include/stdio.h").is_relative_to(debian.UNPACKED)
        root = [f"--sysroot={debian.UNPACKED}"] if unpacked else []
        folders = [f"-I{headers.parent}", f"-I{headers}"]
        run("gcc", "-O2", "-Wall", "-static", *root, *folders, source, library, "-o", output)

    return built("avrhost", "", [source, library], compile_to)


def optiboot(mcu: str = "atmega328p", baud: int = 115200, section: int = 0x7E00) -> Path:
    """Optiboot as Intel HEX, from the source that Debian ships.

    The prebuilt file for this part is broken (see :func:`broken_optiboot`).  Without the
    flashes of the LED the code fits its 512 bytes.
    """
    source = debian.file(f"{BOOTLOADERS}/optiboot/optiboot.c")
    options = [
        *("-Os", f"-mmcu={mcu}", "-DF_CPU=16000000L", f"-DBAUD_RATE={baud}", "-DLED_START_FLASHES=0"),
        *(
            "-fno-inline-small-functions",
            "-fno-split-wide-types",
            "-mrelax",
            "-nostartfiles",
            "-nostdlib",
            "-w",
        ),
        *(
            "-Wl,--relax",
            f"-Wl,--section-start=.text={section:#x}",
            f"-Wl,--section-start=.version={section + 510:#x}",
        ),
    ]
    return avr_program("optiboot", options, source, sections=(".text", ".data", ".version"))


def broken_optiboot() -> Path:
    """Debian's prebuilt Optiboot for the ATmega328P, in which code overlaps the version word."""
    return debian.file(f"{BOOTLOADERS}/optiboot/optiboot_atmega328.hex")


def atmegaboot() -> Path:
    """Debian's prebuilt ATmegaBOOT for the ATmega328P: 57600 baud, at 0x7800."""
    return debian.file(f"{BOOTLOADERS}/atmega/ATmegaBOOT_168_atmega328.hex")


def application(
    version: str, *, mcu: str = "atmega328p", baud: int = 115200, hangs: bool = False, pad: int = 0
) -> Path:
    """An application of our own as Intel HEX; see `app.c` for what it does."""
    options = ["-Os", f"-mmcu={mcu}", "-DF_CPU=16000000L", f"-DBAUD={baud}L", f'-DVERSION="{version}"']
    options += ["-DHANG"] if hangs else []
    options += [f"-DPAD={pad}"] if pad else []
    return avr_program(f"app-{version}", options, HERE / "app.c", sections=(".text", ".data"))


def avr_program(name: str, options: Sequence[str], source: Path, *, sections: Sequence[str]) -> Path:
    """Compile one source file for the AVR and return it as Intel HEX."""

    def compile_to(output: Path) -> None:
        elf = output.with_suffix(".elf")
        run("avr-gcc", *options, source, "-o", elf)
        chosen = [f"--only-section={section}" for section in sections]
        # Optiboot's version word is in a section that is not marked as one to load.
        chosen.append("--set-section-flags=.version=alloc,load")
        run("avr-objcopy", *chosen, "-O", "ihex", elf, output)

    return built(f"{name}.hex", " ".join(options), [source], compile_to)


def built(name: str, options: str, sources: Sequence[Path], compile_to: Callable[[Path], None]) -> Path:
    """The output for these sources and options: from the cache, or built now."""
    key = hashlib.sha256(options.encode())
    for source in sources:
        key.update(source.read_bytes())
    output = BUILT / key.hexdigest()[:16] / name
    if not output.exists():
        unfinished = output.parent / f"{os.getpid()}-{name}"
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        compile_to(unfinished)
        unfinished.replace(output)
    return output


def library_file(name: str) -> Path:
    """A library of a Debian package, whatever the machine's architecture."""
    for folder in [Path("/usr/lib"), debian.UNPACKED / "usr/lib"]:
        for found in folder.glob(f"*-linux-gnu/{name}"):
            return found
    return debian.missing(f"no {name} here: run `make debs`")


def run(program: str, *arguments: str | Path) -> None:
    """Run a compiler; what it says is the message of the error."""
    command = [debian.program(program), *arguments]
    result = subprocess.run(
        command, env=os.environ | debian.environment(), capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
