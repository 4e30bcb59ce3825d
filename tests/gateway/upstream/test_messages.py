"""What goes out is true to the views, and can always be sent."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flashers.api import Digest, Evidence, EvidenceKind, Firmware, Of, Reason, Role, Stamp
from gateway.control import Progress
from gateway.model.views import Event, EventId
from gateway.upstream.bounds import DEPTH_MAX, ITEMS_MAX, TEXT_MAX, Plain, cut
from gateway.upstream.messages import (
    EVENT_MAX,
    EventMessage,
    NodeState,
    OfflineMessage,
    ProgressMessage,
    StatusMessage,
)
from tests.gateway.upstream.small import EPOCH, NOW, SmallGateway, node_view

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from([Role.APP, NOW, object, -(2**63), 2**80]),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=30,
)


def event(**data: object) -> Event:
    return Event(EventId("gw-1", EPOCH, 12), "attempt.done", NOW, node="pump-1", attempt=4, data=data)


def sent(message: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(message.payload())
    return value


def test_a_node_is_told_with_what_is_known_and_how() -> None:
    told = sent(NodeState.of("gw-1", node_view("pump-1", "2.0.0")))
    assert (told["node"], told["profile"], told["state"], told["role"]) == (
        "pump-1",
        "mcuboot-uart",
        "ok",
        "app",
    )
    (component,) = told["components"]
    assert component["version"] == "2.0.0"
    assert component["digest"] == str(Digest.sha256(b"2.0.0"))
    assert component["confirmed"] is True
    assert component["verified_at"] == {"unix_ms": NOW.unix_ms, "synchronised": True}
    assert told["known_good"]["app"]["version"] == "0.9.0"
    assert told["rollback"] == "bootloader"


def test_what_is_not_known_is_left_out_and_not_made_up() -> None:
    view = node_view("pump-1")
    component = replace(
        view.components[0], firmware=None, slot=None, confirmed=None, evidence=(), verified_at=None
    )
    told = sent(NodeState.of("gw-1", replace(view, components=(component,), seen_at=None, identity=None)))
    assert told["components"] == [{"id": "app", "kind": "firmware", "image": 0, "evidence": []}]
    assert "seen_at" not in told
    assert "identity" not in told
    assert "attempt" not in told


def test_a_node_that_says_very_much_of_itself_makes_no_endless_message() -> None:
    view = node_view("pump-1")
    talk = Evidence(Of.BOOT, EvidenceKind.VERSION, "v" * 100_000)
    firmware = Firmware(None, "9" * 100_000)
    component = replace(view.components[0], evidence=(talk,) * 1000, firmware=firmware)
    loud = replace(
        view,
        components=(component,) * 300,
        labels={str(number): "x" * 9999 for number in range(999)},
        identity="i" * 100_000,
    )
    assert len(NodeState.of("gw-1", loud).payload()) < 200_000


def test_an_event_carries_its_id_and_the_quality_of_its_clock() -> None:
    told = sent(EventMessage.of(replace(event(outcome="succeeded"), at=Stamp(5, False))))
    assert (told["gateway"], told["epoch"], told["sequence"]) == ("gw-1", EPOCH, 12)
    assert told["at"] == {"unix_ms": 5, "synchronised": False}
    assert told["data"] == {"outcome": "succeeded"}
    assert "truncated" not in told


def test_an_event_that_is_too_long_is_shortened_and_says_so() -> None:
    nodes = [f"node-{number}" for number in range(10_000)]
    message = EventMessage.of(event(nodes=nodes, code="x", outcomes={"succeeded": 10_000}))
    told = sent(message)
    assert told["truncated"] is True
    assert told["data"]["code"] == "x"
    assert told["data"]["nodes"] == nodes[: len(told["data"]["nodes"])]
    assert len(message.payload()) <= EVENT_MAX


def test_a_broker_that_takes_little_still_gets_every_event() -> None:
    data = {f"key-{number}": "x" * 900 for number in range(200)}
    for limit in (20_000, 2_000, 400):
        message = EventMessage.of(event(**data), limit)
        assert len(message.payload()) <= limit
        assert sent(message)["truncated"] is True
        assert sent(message)["sequence"] == 12


@given(st.dictionaries(st.text(), ANYTHING, max_size=5))
def test_nothing_in_the_journal_can_stop_the_queue(data: dict[str, Any]) -> None:
    payload = EventMessage.of(event(**{f"k{key}": value for key, value in data.items()})).payload()
    assert len(payload) <= EVENT_MAX
    assert json.loads(payload)["sequence"] == 12


@given(ANYTHING)
def test_a_value_becomes_plain_json_within_bounds(value: Any) -> None:
    def check(item: Any, depth: int = 0) -> None:
        assert depth <= DEPTH_MAX
        match item:
            case dict() | list():
                assert len(item) <= ITEMS_MAX
                for each in item.values() if isinstance(item, dict) else item:
                    check(each, depth + 1)
            case str():
                assert len(item) <= TEXT_MAX
            case _:
                assert item is None or isinstance(item, bool | int | float)

    plain = Plain()
    made = plain.value(value)
    check(made)
    json.dumps(made, allow_nan=False)


@given(st.text(), st.integers(1, 50))
def test_a_text_is_cut_to_its_length_and_can_be_encoded(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    short.encode()


def test_a_number_that_python_itself_does_not_write_down_is_written_down() -> None:
    assert Plain().value([10**5000]) == [hex(10**5000)[: TEXT_MAX - 1] + "…"]


def test_plain_values_that_fit_are_left_as_they_are() -> None:
    value = {"a": [1, 2.5, None, True, "x"], "b": {"c": {}}}
    plain = Plain()
    assert plain.value(value) == value
    assert not plain.shortened


def test_progress_is_told_in_bytes() -> None:
    told = sent(ProgressMessage.of(Progress("pump-1", 4, "transferring", 10, 100)))
    assert (told["done_bytes"], told["total_bytes"]) == (10, 100)


def test_leaving_is_told_with_its_reason() -> None:
    assert sent(OfflineMessage(gateway="gw-1", reason="lost"))["state"] == "offline"


async def test_a_status_is_news_only_by_what_matters() -> None:
    gateway = SmallGateway()
    before = StatusMessage.of(await gateway.status())
    gateway.tell()
    assert StatusMessage.of(await gateway.status()).same_as(before)
    gateway.inventory["node-1"] = replace(gateway.inventory["node-1"], state="wounded")
    after = StatusMessage.of(await gateway.status())
    assert not after.same_as(before)
    assert after.wounded == ("node-1",)
    assert not after.same_as(None)


async def test_a_status_of_very_many_wounded_nodes_stays_short() -> None:
    status = replace(
        await SmallGateway().status(),
        wounded=tuple(f"node-{number}" for number in range(10_000)),
        warnings=(Reason("w", "x" * 100_000, "y" * 100_000),) * 1000,
    )
    message = StatusMessage.of(status, [Reason("own", "comes first")])
    assert len(message.payload()) < 100_000
    assert message.warnings[0].code == "own"
