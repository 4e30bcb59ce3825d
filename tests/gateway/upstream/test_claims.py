"""Claims on the wire: what is believed of what comes in, and what a broker's refusal does."""

import asyncio
import json

import pytest

from flashers.api import Stamp
from gateway.model.radio import Claim, Stand
from gateway.service.radio.reading import Reading
from gateway.upstream.claims import ClaimMessage, ClaimTalk, address_of, read_claim, topic_of
from gateway.upstream.errors import UpstreamRefused
from gateway.upstream.wire import Arrived

ADDRESS = "C0:FF:EE:00:00:01"
TOPIC = "claims/c0ffee000001"
WORD = Claim(Stand.GAVE, 3, 7, "gw-2", Stamp(5, synchronised=True), "somebody")


def test_a_claim_is_read_as_it_was_written() -> None:
    assert read_claim(ClaimMessage.of(WORD).payload()) == WORD


def test_an_address_is_a_level_of_a_topic_and_comes_back() -> None:
    assert address_of(topic_of(ADDRESS)) == ADDRESS
    for level in ("", "c0ffee00000", "C0FFEE000001", "c0ffee00000g", "c0:ff:ee:00:00:01", "+"):
        assert address_of(level) is None, level


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"stand": "owns"},
        {"epoch": -1},
        {"epoch": "3"},
        {"revision": 0},
        {"revision": 2**53},
        {"to": "a/b"},
        {"to": None},
        {"stand": "has"},
        {"since": 5},
        {"by": "x" * 5000},
    ],
    ids=str,
)
def test_what_is_no_claim_is_not_believed(change: dict[str, object]) -> None:
    said = {**json.loads(ClaimMessage.of(WORD).payload()), **change}
    assert read_claim(json.dumps(said).encode()) is None


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\xff", b'{"schema":1,"schema":1}', b"1" * 10_000])
def test_what_is_no_message_is_not_believed(payload: bytes) -> None:
    assert read_claim(payload) is None


class Desk:
    """Implements :class:`gateway.upstream.claims.ClaimDesk` for one address."""

    def __init__(self) -> None:
        self.reading = Reading()
        self.said: list[tuple[str, Claim]] = []

    def addresses(self) -> frozenset[str]:
        return frozenset({ADDRESS})

    def word(self, address: str) -> Claim:
        assert address == ADDRESS
        return WORD

    def heard(self, address: str, gateway: str, claim: Claim) -> None:
        assert address == ADDRESS
        self.said.append((gateway, claim))


class Taken:
    def __init__(self, refused: bool) -> None:
        self.taken = not refused

    async def wait(self) -> None:
        if not self.taken:
            raise UpstreamRefused("not authorised")


class Wire:
    """A broker that lets us read or write, or does not."""

    packet_limit = 1000
    session_present = False

    def __init__(self, *, reads: bool = True, writes: bool = True) -> None:
        self._reads, self._writes = reads, writes
        self.published: list[tuple[str, bool]] = []

    async def subscribe(self, topic: str) -> bool:
        assert topic == f"{TOPIC}/+"
        return self._reads

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> Taken:
        assert json.loads(payload)["schema"] == 1
        self.published.append((topic, retain))
        return Taken(not self._writes)

    def publish_once(self, topic: str, payload: bytes) -> bool:
        raise AssertionError((topic, payload))

    async def arrivals(self):  # type: ignore[no-untyped-def] # nothing comes
        return
        yield

    def done(self, arrived: Arrived) -> None:
        raise AssertionError(arrived)

    async def disconnect(self) -> None:
        return None


async def talked(wire: Wire, desk: Desk) -> ClaimTalk:
    """As far as it comes by itself."""
    talk = ClaimTalk(wire, desk, "claims", "gw-1")
    task = asyncio.create_task(talk.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done(), "a refusal does not end the connection"
    task.cancel()
    await asyncio.wait([task])
    return talk


@pytest.mark.parametrize(("reads", "writes"), [(False, True), (True, False)])
async def test_a_broker_that_refuses_claims_ends_no_connection(*, reads: bool, writes: bool) -> None:
    desk = Desk()
    talk = await talked(Wire(reads=reads, writes=writes), desk)
    assert talk.refused is not None
    assert talk.refused.startswith(TOPIC)
    assert not desk.reading.online, "it ended since"


async def test_our_word_is_not_published_before_what_upstream_kept_of_it_was_read() -> None:
    wire = Wire()
    await talked(wire, Desk())
    assert wire.published == [(f"{TOPIC}/gw-1", False)], "the mark alone, which is not retained"


async def test_messages_of_other_places_are_left_to_others() -> None:
    desk = Desk()
    talk = ClaimTalk(Wire(), desk, "claims", "gw-1")
    payload = ClaimMessage.of(WORD).payload()
    for topic in ("tender/gw-1/command", "claims/c0ffee000001", "claims/x/gw-1", f"{TOPIC}/gw-1/more"):
        assert not talk.takes(Arrived(topic, payload, retained=False)), topic
    assert talk.takes(Arrived(f"{TOPIC}/gw-2", payload, retained=True))
    assert talk.takes(Arrived(f"{TOPIC}/gw-2", b"rubbish", retained=True))
    assert desk.said == [("gw-2", WORD)]
