"""``tender drain`` and its like, as somebody types them."""

import argparse

import pytest

from gateway.api.server import ApiServer
from gateway.cli.durations import duration, spoken
from gateway.model.standing import PowerOff
from tests.gateway.api.standings import Standings
from tests.gateway.api.world import World
from tests.gateway.cli.conftest import Tender

WHY = "1 node has no firmware that runs just now: attic; about 12 s are left."
EXPOSED = PowerOff(False, WHY, ("attic",), 12.0)


@pytest.fixture
def standings(world: World) -> Standings:
    world.standing = made = Standings()
    return made


async def test_drain_says_who_asked_for_how_long_and_whether_the_plug_may_be_pulled(
    standings: Standings, service: ApiServer, tender: Tender
) -> None:
    said = await tender("drain", "--for", "2h")
    assert said.code == 0
    assert "for another 2 h" in said.lines[0]
    assert "asked" in said.lines[0]
    assert said.lines[1].endswith("yes: No node is exposed.")
    assert (await tender("undrain", "--json")).json["draining"] is None
    assert (await tender("undrain")).lines[0].endswith("no: updates are begun as they come")


async def test_drain_waits_until_the_plug_may_be_pulled(
    standings: Standings, service: ApiServer, tender: Tender
) -> None:
    standings.exposed = [EXPOSED, EXPOSED]
    said = await tender("drain", "--wait")
    assert said.code == 0
    assert said.err.count("about 12 s are left") == 1
    assert said.lines[1].endswith("yes: No node is exposed.")


async def test_drain_gives_up_waiting_with_another_exit_code(
    standings: Standings, service: ApiServer, tender: Tender
) -> None:
    standings.exposed = [EXPOSED] * 1000
    said = await tender("drain", "--wait", "--timeout", "1s", "--json")
    assert said.code == 1
    assert said.json["power_off"]["exposed"] == ["attic"]
    without = await tender("drain")
    assert without.code == 0, "it drains, which is all that was asked"
    assert "NO: 1 node has no firmware" in without.out


async def test_data_that_was_heard_is_reported_by_the_sites_own_software(
    standings: Standings, service: ApiServer, tender: Tender
) -> None:
    assert (await tender("data", "attic", "--heard", "3", "--json")).json["count"] == 3
    assert "3 messages" in (await tender("data", "attic")).out
    assert (await tender("data", "attic", "--heard", "0")).code == 2
    assert standings.counts == {"attic": 3}


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400)]
)
def test_a_duration_is_what_people_type(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "2 weeks", "1e9", "nan", "inf", "400d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no duration"):
        duration(text)


def test_a_duration_is_said_in_the_unit_that_fits() -> None:
    assert [spoken(seconds) for seconds in (5, 90, 3600, 7200)] == ["5 s", "90 s", "60 min", "2 h"]
