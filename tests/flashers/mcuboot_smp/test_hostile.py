"""Nodes that answer anything: only named errors come of it, and an end."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from flashers.api import Activate, Component, Confirm, Digest, Preflight, Probe, Revert, Seen, Transfer
from flashers.mcuboot_smp.codec import ConsoleDecoder, Message, encode_lines, encode_packet
from flashers.mcuboot_smp.flasher import McubootFlasher
from flashers.mcuboot_smp.params import Mode, SmpParams
from flashers.mcuboot_smp.state import read_state
from tests.flashers.mcuboot_smp.world import NEW, in_virtual_time, parsed
from tests.flashers.session import FakeSession
from transports.errors import TenderError
from transports.links import Transmit
from transports.virtual.clock import run_virtual
from transports.virtual.memory import MemoryLine

HASHES = [parsed(NEW).firmware.identity.value, b"\x01" * 32, b"", b"x" * 48, b"y" * 31]  # type: ignore[union-attr]
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**40), st.text(max_size=6), st.binary(max_size=33), st.floats()
)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "image": st.integers(0, 2) | ODD,
        "slot": st.integers(0, 3) | ODD,
        "version": st.sampled_from(["1.0.0", "2.0.0", "2.0.0.4", "a.b", ""]) | ODD,
        "hash": st.sampled_from(HASHES) | ODD,
        "active": st.booleans() | ODD,
        "confirmed": st.booleans() | ODD,
        "pending": st.booleans() | ODD,
        "bootable": st.booleans() | ODD,
        "permanent": st.booleans() | ODD,
        "surprise": ODD,
    },
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "images": st.lists(ENTRY, max_size=4) | ODD,
        "rc": st.sampled_from([0, 2, 6, 8, 10]) | ODD,
        "err": st.fixed_dictionaries({"group": ODD, "rc": st.integers(0, 40)}) | ODD,
        "off": st.integers(0, 700) | ODD,
        "match": st.booleans() | ODD,
        "buf_size": st.integers(0, 3000) | ODD,
        "buf_count": st.integers(0, 9) | ODD,
        "mode": st.integers(-1, 10) | ODD,
        "r": ODD,
        "slots": ODD,
    },
)


class LiarAtTheOtherEnd:
    """Answers every request with something from a list."""

    def __init__(self, bodies: list[dict[str, object]], seed: int) -> None:
        self.bodies = bodies
        self.chance = random.Random(seed)
        self.decoder = ConsoleDecoder()
        self.transmit: Transmit | None = None

    def attach(self, transmit: Transmit) -> None:
        self.transmit = transmit

    def lines(self, *, dtr: bool, rts: bool) -> None:
        pass

    def receive(self, data: bytes) -> None:
        for request in self.decoder.receive_data(data):
            for _ in range(self.chance.choice([0, 1, 1, 1, 2])):
                body = self.chance.choice(self.bodies)
                answer = Message(request.op + 1, request.group, request.command, request.sequence, body)
                assert self.transmit is not None
                self.transmit(encode_lines(encode_packet(answer)))


@given(
    st.lists(BODY, min_size=1, max_size=6),
    st.sampled_from([*Mode]),
    st.sampled_from(
        ["probe", "preflight", "transfer", "activate", "confirm", "rollback", "loader", "command"]
    ),
    st.integers(0, 2**16),
)
@settings(max_examples=400)
def test_whatever_a_node_answers_only_named_errors_come_of_it(
    bodies: list[dict[str, object]], mode: Mode, verb: str, seed: int
) -> None:
    image = parsed(NEW)

    async def main() -> None:
        line = MemoryLine(LiarAtTheOtherEnd(bodies, seed), latency=0.005)
        params = SmpParams(mode=mode, stall_timeout=5, boot_deadline=5)
        flasher = McubootFlasher(FakeSession(line.open), params)
        component, running = Component(), image.firmware.identity or Digest("sha256", b"")
        try:
            match verb:
                case "probe":
                    await flasher.probe(Probe())
                case "preflight":
                    await flasher.preflight(Preflight(image, await flasher.probe(Probe())))
                case "transfer":
                    seen = await flasher.transfer(Transfer(image))
                    assert isinstance(seen, Seen)
                case "activate":
                    await flasher.activate(Activate((image,)))
                case "confirm":
                    seen = await flasher.confirm(Confirm(component, running))
                    assert seen is not None
                    assert seen.slots
                case "rollback":
                    await flasher.rollback(Revert((component,)))
                case "loader":
                    await flasher.enter_loader()
                case _:
                    await flasher.command(b"echo:hi", reply_timeout=1)
        except TenderError as error:
            assert error.code != "internal"  # noqa: PT017

    run_virtual(main(), limit=600)


@given(BODY, st.sampled_from([*Mode]))
def test_an_image_list_of_any_shape_is_read(body: dict[str, object], mode: Mode) -> None:
    state = read_state(body, mode)
    places = [(slot.image, slot.slot) for slot in state.slots]
    assert places == sorted(places)
    for image, number in places:
        assert 0 <= image < 256
        assert (active := state.active(image)) is None or active.image == image
        assert mode.trial or active is None or active.confirmed
        assert number >= 0


def test_a_list_without_end_is_read_to_a_bound() -> None:
    state = read_state({"images": [{"slot": 0}] * 100_000}, Mode.SWAP)
    assert len(state.slots) == 64


@in_virtual_time
async def test_a_node_that_claims_endless_buffers_is_not_believed() -> None:
    claims: list[dict[str, object]] = [{"buf_size": 2**40, "buf_count": 2**40}]
    line = MemoryLine(LiarAtTheOtherEnd(claims, 1))
    flasher = McubootFlasher(FakeSession(line.open), SmpParams())
    abilities = await flasher.node.abilities()
    assert (abilities.buffers.size, abilities.buffers.count) == (16384, 64)
