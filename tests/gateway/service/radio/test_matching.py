"""Who is a candidate, and for how long."""

import pytest
from pydantic import ValidationError

from gateway.config.radio import AdoptTable
from gateway.profiles.discovery import DiscoveryTable
from gateway.service.radio.candidates import LISTENED_S, MOST, OLD_S, Candidate, Candidates
from gateway.service.radio.matching import Call, Matcher
from gateway.service.radio.rules import Known, Rules
from gateway.verbs.nodes import AdoptRequest
from transports.gatt import uuid16

ADDRESS = "C0:FF:EE:00:00:01"


def call(address: str = ADDRESS, **more: object) -> Call:
    facts: dict[str, object] = {"adapter": "main", "rssi": -60, "at": 0.0, "random": True}
    return Call(address, **{**facts, **more})  # type: ignore[arg-type]


def table(**keys: object) -> DiscoveryTable:
    return DiscoveryTable.model_validate(keys)


@pytest.mark.parametrize(
    ("said", "fits", "fits_not"),
    [
        ({"services": ["180f"]}, {"services": (uuid16(0x180F),)}, {"services": (uuid16(0x180A),)}),
        ({"name": "th-[0-9]+"}, {"name": "th-12"}, {"name": "th-12x"}),
        (
            {"manufacturer": {"company": 0x59, "data": "01aB"}},
            {"manufacturer": {0x59: b"\x01\xab\x00"}},
            {"manufacturer": {0x59: b"\x01", 0x60: b"\x01\xab"}},
        ),
        ({"addresses": ["c0:ff:ee"]}, {}, {"address": "C0:FF:EF:00:00:00"}),
        (
            {"addresses": ["C0:FF:EE:00:00:00-C0:FF:EE:00:00:01"]},
            {"address": ADDRESS},
            {"address": "C0:FF:EE:00:00:02"},
        ),
        ({"name": "th", "addresses": ["C0"]}, {"name": "th"}, {"name": ""}),
    ],
    ids=str,
)
def test_all_that_a_profile_says_has_to_hold(
    said: dict[str, object], fits: dict[str, object], fits_not: dict[str, object]
) -> None:
    matcher = Matcher({"thermo": table(**said)})
    assert matcher.profiles(call(**fits)) == ("thermo",)  # type: ignore[arg-type]
    assert matcher.profiles(call(**fits_not)) == ()  # type: ignore[arg-type]


def test_a_profile_that_says_nothing_has_no_candidates() -> None:
    matcher = Matcher({"uart": DiscoveryTable()})
    assert not matcher
    assert matcher.profiles(call(name="anything")) == ()


@pytest.mark.parametrize(
    "said",
    [
        {"services": ["18"]},
        {"name": "("},
        {"addresses": ["C0:FF:EE:00:00:02-C0:FF:EE:00:00:01"]},
        {"addresses": ["C0FF"]},
        {"manufacturer": {"company": 0x10000}},
        {"manufacturer": {"company": 1, "data": "0"}},
        {"services": []},
        {"other": 1},
    ],
    ids=str,
)
def test_what_no_node_could_be_known_by_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        table(**said)


@pytest.mark.parametrize(
    ("address", "random", "kind"),
    [
        ("C0:00:00:00:00:01", True, "static"),
        ("40:00:00:00:00:01", True, "resolvable"),
        ("7F:00:00:00:00:01", True, "resolvable"),
        ("3F:00:00:00:00:01", True, "non-resolvable"),
        ("40:00:00:00:00:01", False, "public"),
        ("40:00:00:00:00:01", None, "unknown"),
    ],
)
def test_the_kind_of_an_address_is_read_from_it(address: str, random: bool | None, kind: str) -> None:
    assert call(address, random=random).addressed == kind
    assert call(address, random=random).changes is (kind in ("resolvable", "non-resolvable"))


def test_ten_thousand_addresses_leave_no_more_than_a_few_hundred_candidates() -> None:
    candidates = Candidates(lambda _: 0.0)
    for number in range(10_000):
        address = f"40:00:00:00:{number >> 8:02X}:{number & 0xFF:02X}"
        candidates.heard(call(address, at=float(number)), ("thermo",))
        if number % 50 == 0:
            candidates.heard(call(at=float(number)), ("thermo",))
    assert len(candidates) == MOST
    assert candidates.get(ADDRESS) is not None, "one that calls again and again stays"
    assert candidates.crowded == 10_001 - MOST


def test_a_candidate_is_forgotten_when_it_is_gone_and_not_when_nobody_listens() -> None:
    listened = 0.0
    candidates = Candidates(lambda _: listened)
    candidates.heard(call(), ("thermo",))
    candidates.age(OLD_S * 10)
    assert len(candidates) == 1, "the adapter was busy with something else"
    listened = LISTENED_S
    candidates.age(OLD_S - 1)
    assert len(candidates) == 1
    candidates.age(OLD_S)
    assert len(candidates) == 0


def test_a_candidate_is_shown_by_the_adapter_that_hears_it_best() -> None:
    candidates = Candidates(lambda _: 0.0)
    candidates.heard(call(adapter="far", rssi=-90, at=1.0), ("thermo",))
    found = candidates.heard(call(adapter="near", rssi=-50, at=0.5, name="th-1"), ("thermo",))
    assert (found.best.adapter, found.last.adapter, found.name) == ("near", "far", "th-1")


# Rules


def rules(**keys: object) -> Rules:
    return Rules([AdoptTable.model_validate({"profile": "thermo", "adapters": ("main",), **keys})])


def known(count: int = 0, ever: tuple[str, ...] = (), loader: str | None = None) -> Known:
    return Known(by_rules=lambda _: count, ever=lambda name: name in ever, loader=lambda _: loader)


def candidate(**more: object) -> Candidate:
    made = call(**more)  # type: ignore[arg-type]
    return Candidate(("thermo", "other"), {made.adapter: made})


def test_a_rule_names_the_node_and_says_where_it_is() -> None:
    wanted = rules(labels={"hall": "3"}, node="{name}.{address}").request(
        ADDRESS, candidate(name="th 1"), known()
    )
    assert wanted == AdoptRequest("th-1.c0ffee000001", "thermo", f"ble:main#{ADDRESS}", {"hall": "3"})


@pytest.mark.parametrize(
    ("keys", "heard"),
    [
        ({"profile": "third"}, {}),
        ({"adapters": ("second",)}, {}),
        ({"name": "th-.*"}, {"name": "kitchen"}),
        ({"rssi": -50}, {"rssi": -51}),
    ],
    ids=str,
)
def test_no_rule_is_for_what_does_not_meet_all_of_it(
    keys: dict[str, object], heard: dict[str, object]
) -> None:
    assert rules(**keys).request(ADDRESS, candidate(**heard), known()) is None


@pytest.mark.parametrize(
    ("address", "have", "word"),
    [
        ("40:00:00:00:00:01", known(), "changes"),
        (ADDRESS, known(count=50), "no more"),
        (ADDRESS, known(ever=("thermo-c0ffee000001",)), "forgot"),
        (ADDRESS, known(loader="th-4"), "th-4 in its bootloader"),
    ],
    ids=["private", "many", "forgotten", "loader"],
)
def test_what_a_rule_must_not_adopt_says_why(address: str, have: Known, word: str) -> None:
    said = rules().request(address, candidate(address=address), have)
    assert isinstance(said, str)
    assert word in said


@pytest.mark.parametrize("node", ["thermo", "{profile}", "{address}/x", "{other}{address}"])
def test_a_name_that_two_nodes_would_have_is_no_template(node: str) -> None:
    with pytest.raises(ValidationError):
        rules(node=node)
