"""The simulated board is right: the real avrdude updates the real bootloaders on it.

Whatever our flasher is tested against has to stand this first.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import serial

from tests.peers.avr import Board, SimulatedAvr, atmegaboot_board, optiboot_board, segments
from tests.peers.avrdude import command, run_avrdude
from tests.peers.simavr import build

pytestmark = pytest.mark.peer


def avrdude(node: SimulatedAvr, *operations: str) -> "subprocess.CompletedProcess[str]":
    return run_avrdude(node.pty, *operations, baud=node.board.baud)


def lines_after_opening(node: SimulatedAvr, count: int) -> list[bytes]:
    """What the node says after its port was opened, and it so was reset."""
    with serial.Serial(str(node.pty), node.board.baud, timeout=10) as port:
        return [port.readline() for _ in range(count)]


@pytest.mark.parametrize("make_board", [optiboot_board, atmegaboot_board])
def test_avrdude_brings_the_node_to_another_application(
    make_board: Callable[[], Board], tmp_path: Path
) -> None:
    board = make_board()
    old = build.application("1.0.0", baud=board.baud)
    new = build.application("1.2.0", baud=board.baud, pad=3000)
    with SimulatedAvr(board, tmp_path, application=old) as node:
        assert lines_after_opening(node, 2) == [b"fw 1.0.0\r\n", b"up 1\r\n"]
        result = avrdude(node, f"flash:w:{new}:i")
        assert result.returncode == 0, result.stderr
        assert "verified" in result.stderr
        assert node.holds(new)
        assert lines_after_opening(node, 2) == [b"fw 1.2.0\r\n", b"up 1\r\n"]


def test_the_bootloader_leaves_its_own_section_alone(optiboot_node: SimulatedAvr) -> None:
    loader = optiboot_node.flash[optiboot_node.board.boot_address :]
    assert avrdude(optiboot_node, f"flash:w:{build.application('1.2.0')}:i").returncode == 0
    assert optiboot_node.flash[optiboot_node.board.boot_address :] == loader


@pytest.mark.parametrize("torn", [False, True])
def test_a_power_cut_leaves_a_good_prefix_and_a_second_run_finishes(
    optiboot_node: SimulatedAvr, torn: bool
) -> None:
    new = build.application("1.2.0", pad=6000)
    page = optiboot_node.board.page_size
    optiboot_node.cut_after_page(20, torn=torn)
    # avrdude reads the end of a port that is gone again and again, so it is ended too.
    interrupted = subprocess.Popen(command(optiboot_node.pty, f"flash:w:{new}:i"), stderr=subprocess.DEVNULL)
    optiboot_node.wait_for_power_loss()
    interrupted.kill()
    interrupted.wait()
    ((_, wanted),) = segments(new)
    whole = 19 if torn else 20
    flash = optiboot_node.flash
    assert flash[: whole * page] == wanted[: whole * page]
    assert flash[: 20 * page] == wanted[: 20 * page] or torn
    assert not optiboot_node.holds(new)

    optiboot_node.start()
    finished = avrdude(optiboot_node, f"flash:w:{new}:i")
    assert finished.returncode == 0, finished.stderr
    assert optiboot_node.holds(new)
    assert lines_after_opening(optiboot_node, 1) == [b"fw 1.2.0\r\n"]


def test_each_opening_resets_the_node_even_right_after_closing(optiboot_node: SimulatedAvr) -> None:
    for _ in range(5):
        serial.Serial(str(optiboot_node.pty), 115200).close()
    for _ in range(5):
        optiboot_node.wait_for("close")
    assert lines_after_opening(optiboot_node, 1) == [b"fw 1.0.0\r\n"]
    assert optiboot_node.events.count("reset opened") == 6


def test_the_reset_button_starts_the_application_again(optiboot_node: SimulatedAvr) -> None:
    with serial.Serial(str(optiboot_node.pty), 115200, timeout=10) as port:
        assert port.readline() == b"fw 1.0.0\r\n"
        optiboot_node.reset()
        assert port.read_until(b"fw 1.0.0\r\n").endswith(b"fw 1.0.0\r\n")


def test_the_application_answers_when_it_is_asked(optiboot_node: SimulatedAvr) -> None:
    with serial.Serial(str(optiboot_node.pty), 115200, timeout=10) as port:
        assert port.readline() == b"fw 1.0.0\r\n"
        port.write(b"v")
        assert port.readline() == b"fw 1.0.0\r\n"


def test_an_application_that_hangs_says_nothing_and_can_be_replaced(tmp_path: Path) -> None:
    with SimulatedAvr(optiboot_board(), tmp_path, application=build.application("9.9.9", hangs=True)) as node:
        with serial.Serial(str(node.pty), 115200, timeout=2.5) as port:
            assert port.read() == b""
        good = build.application("1.0.0")
        assert avrdude(node, f"flash:w:{good}:i").returncode == 0
        assert lines_after_opening(node, 1) == [b"fw 1.0.0\r\n"]


def test_a_client_at_the_wrong_speed_is_not_understood(optiboot_node: SimulatedAvr) -> None:
    with serial.Serial(str(optiboot_node.pty), 57600, timeout=2.5) as port:
        heard = port.read(len(b"fw 1.0.0"))
    assert heard
    assert b"fw" not in heard
    assert lines_after_opening(optiboot_node, 1) == [b"fw 1.0.0\r\n"]


def test_a_mute_line_carries_nothing_until_it_is_mended(optiboot_node: SimulatedAvr) -> None:
    optiboot_node.mute()
    with serial.Serial(str(optiboot_node.pty), 115200, timeout=2.5) as port:
        assert port.read() == b""
        optiboot_node.mute(muted=False)
        assert port.readline().endswith(b"\n")


def test_the_line_is_as_slow_as_its_speed(optiboot_node: SimulatedAvr) -> None:
    """30 KB are 2.7 s on a line of 115200 baud; reading them back cannot take less."""
    started = time.monotonic()
    result = avrdude(optiboot_node, "flash:r:/dev/null:r")
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - started > 32768 * 10 / 117647


def test_the_prebuilt_optiboot_of_debian_is_as_broken_as_we_say() -> None:
    with pytest.raises(Exception, match="overlap"):
        list(segments(build.broken_optiboot()))
