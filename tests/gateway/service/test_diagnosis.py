"""Node, cable, adapter, broker or gateway: a table of what the counters say and whose fault that is."""

from typing import Any

import pytest

from flashers.api import Stamp
from gateway.model.links import Culprit, NodeOnLink, Traffic, UserLease
from gateway.service.links.diagnosis import LinkFacts, diagnose
from gateway.service.links.traffic import summed
from gateway.service.links.users import left_of
from transports.counters import LinkCounters
from transports.errors import LinkBusy, LinkLost
from transports.uart.adapters import Adapter

FTDI = Adapter("usb", "/dev/ttyUSB0", 0x0403, 0x6001, "A50285BI", "FT232R", position="1-1.4.2", hub="1-1.4")
FINE = Traffic(opens=3, bytes_down=900, bytes_up=800)
SILENT = Traffic(opens=3, bytes_down=900, bytes_up=800, silent=True)
NEVER = Traffic(opens=3, bytes_down=900, silent=True)
LOST = Traffic(opens=9, reopens=4, errors=4, bytes_down=900, bytes_up=800)
NOT_FOUND = Traffic(errors=2, last_error="link-not-found", last_message="there is no port /dev/ttyUSB0")
DENIED = Traffic(errors=2, last_error="link-denied", last_message="it may not be opened by this user")
REFUSED = Traffic(opens=1, errors=2, last_error="link-error", last_message="the server refuses")


def link(*nodes: Traffic, channel: str = "uart:/dev/ttyUSB0", **more: Any) -> LinkFacts:
    named = tuple(NodeOnLink(f"n{number}", traffic) for number, traffic in enumerate(nodes, 1))
    values = {"exists": True, "adapter": FTDI, **more}
    return LinkFacts(channel, named, summed(list(nodes)), **values)


DEAD_NEIGHBOUR = link(NOT_FOUND, channel="uart:/dev/ttyUSB1", exists=False)
LIVING_NEIGHBOUR = link(FINE, channel="uart:/dev/ttyUSB1")
ELSEWHERE = link(FINE, channel="uart:/dev/ttyUSB9", adapter=Adapter("usb", hub="1-2"))

CASES = [
    ("all answer", link(FINE, FINE), Culprit.NOTHING, "carries"),
    ("nothing was asked yet", link(Traffic()), Culprit.UNKNOWN, "Nothing was asked"),
    ("the port is gone", link(NOT_FOUND, exists=False), Culprit.ADAPTER, "0403:6001"),
    ("gone before anybody asked", link(Traffic(), exists=False), Culprit.ADAPTER, "gone"),
    (
        "gone, and its neighbour on the hub lives",
        link(NOT_FOUND, exists=False, others=(LIVING_NEIGHBOUR,)),
        Culprit.ADAPTER,
        "The port is gone",
    ),
    (
        "every link of the hub is dead",
        link(NOT_FOUND, exists=False, others=(DEAD_NEIGHBOUR, ELSEWHERE)),
        Culprit.ADAPTER,
        "The USB hub 1-1.4 is at fault",
    ),
    (
        "every link of the hub fell silent",
        link(SILENT, others=(link(SILENT, channel="uart:/dev/ttyUSB1"),)),
        Culprit.ADAPTER,
        "The USB hub 1-1.4",
    ),
    ("no byte ever came", link(NEVER, NEVER), Culprit.CABLE, "not one byte"),
    ("one of two answers", link(FINE, SILENT), Culprit.NODE, "n2 does not answer, and n1 on the same link"),
    ("one never spoke, another does", link(NEVER, FINE), Culprit.NODE, "n1 does not answer"),
    ("the only one fell silent", link(SILENT), Culprit.NODE, "n1 answered before"),
    ("all fell silent together", link(SILENT, SILENT), Culprit.CABLE, "together"),
    ("lost again and again", link(LOST), Culprit.ADAPTER, "4 times of 9"),
    ("we may not open it", link(DENIED), Culprit.GATEWAY, "may not be opened"),
    ("somebody else has it", link(FINE, held_by="process 7 (minicom)"), Culprit.GATEWAY, "minicom"),
    (
        "a device server refuses",
        link(REFUSED, channel="socket://ser:1", exists=None, adapter=Adapter("network")),
        Culprit.ADAPTER,
        "device server",
    ),
    ("the link is fine and upstream is not", link(FINE, upstream="disconnected"), Culprit.BROKER, "broker"),
    ("upstream is away, and the cable is out", link(NEVER, upstream="disconnected"), Culprit.CABLE, "byte"),
]


@pytest.mark.parametrize(
    ("facts", "culprit", "said"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_counters_tell_whose_fault_it_is(facts: LinkFacts, culprit: Culprit, said: str) -> None:
    found = diagnose(facts)
    assert (found.culprit, said in found.message) == (culprit, True), found.message
    assert found.reasoning, "a judgement says from what it was drawn"
    assert bool(found.remedy) is (culprit not in (Culprit.NOTHING, Culprit.UNKNOWN))


def test_a_node_that_was_asked_and_said_nothing_is_silent_until_it_speaks() -> None:
    counters = LinkCounters()
    assert counters.silent(0.0) is None, "nobody asked"
    counters.opened()
    counters.down(10, 1.0)
    counters.closed()
    assert counters.silent(2.0) is True
    counters.opened()
    counters.up(1, 3.0)
    assert counters.silent(3.0) is False
    for _ in range(3):
        counters.down(10, 4.0)
    assert counters.silent(5.0) is False, "it may still answer"
    assert counters.silent(20.0) is True


def test_a_last_word_that_needs_no_answer_makes_nobody_silent() -> None:
    counters = LinkCounters()
    counters.opened()
    counters.down(10, 1.0)
    counters.up(10, 1.1)
    counters.down(4, 1.2)
    counters.closed()
    assert counters.silent(100.0) is False


def test_losses_are_counted_once_and_forgotten_as_the_last_error_once_it_opens() -> None:
    counters = LinkCounters()
    counters.failed(LinkBusy("taken"))
    assert (counters.errors, counters.last_error) == (1, "link-busy")
    counters.opened()
    counters.lost(LinkLost("unplugged"))
    counters.opened()
    assert (counters.opens, counters.reopens, counters.errors, counters.last_error) == (2, 1, 2, "")


def lease(seconds: float = 600.0, *, synchronised: bool = True) -> UserLease:
    return UserLease(1, "uart:x", "ann", "", seconds, Stamp(1_000_000, synchronised), 50.0, "this-boot")


@pytest.mark.parametrize(
    ("given", "mono", "boot", "stamp", "left"),
    [
        (lease(), 150.0, "this-boot", Stamp(9_999_999, synchronised=True), 500.0),
        (lease(), 5.0, "next-boot", Stamp(1_200_000, synchronised=True), 400.0),
        (lease(), 5.0, "next-boot", Stamp(1_200_000, synchronised=False), 600.0),
        (lease(synchronised=False), 5.0, "next-boot", Stamp(1_200_000, synchronised=True), 600.0),
        (lease(), 5.0, "next-boot", Stamp(500_000, synchronised=True), 600.0),
        (lease(), 5.0, "next-boot", Stamp(9_000_000, synchronised=True), -7400.0),
        (lease(synchronised=False), 150.0, "", Stamp(1_100_000, synchronised=False), 500.0),
        (lease(synchronised=False), 950.0, "", Stamp(1_100_000, synchronised=False), 600.0),
    ],
    ids=[
        "same-boot",
        "a-clock-to-believe",
        "no-clock-now",
        "no-clock-then",
        "back-in-time",
        "long-over",
        "clocks-agree",
        "they-do-not",
    ],
)
def test_after_a_reboot_a_lease_counts_by_the_clock_if_it_can_be_believed(
    given: UserLease, mono: float, boot: str, stamp: Stamp, left: float
) -> None:
    assert left_of(given, mono=mono, boot=boot, stamp=stamp) == pytest.approx(left)
