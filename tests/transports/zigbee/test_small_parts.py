"""Numbers of transactions, what a coordinator may be used for, backups in files, check-ins."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from bellows.types import sl_Status
from zigpy.exceptions import DeliveryError
from zigpy.zcl.clusters.general import PollControl
from zigpy_znp.types import Status

from tests.transports.zigbee.content import backup_content
from transports.errors import LinkError, LinkLost
from transports.virtual.clock import run_virtual
from transports.zcl import Zcl
from transports.zigbee.backups import KEPT, Backups, load
from transports.zigbee.delivery import refusal
from transports.zigbee.errors import FrameTooLong, NetworkTrouble, NotDelivered
from transports.zigbee.founding import Found, Identity, judge
from transports.zigbee.poll_control import check_in_response
from transports.zigbee.transactions import REST, UNDER_WAY, Transactions

OURS = Identity("aa" * 8, "key", "00:12:4b:00:00:00:00:01")
NODE = "00:12:4b:00:1c:aa:bb:cc"


def test_no_two_frames_under_way_have_the_same_number() -> None:
    async def main() -> None:
        numbers = Transactions()
        taken = [await numbers.take() for _ in range(UNDER_WAY)]
        assert len(set(taken)) == UNDER_WAY
        assert all(0 < each <= 255 for each in taken)
        another = asyncio.ensure_future(numbers.take())
        await asyncio.sleep(1)
        assert not another.done(), "more than fit wait"
        numbers.give_back(taken[7], confirmed=True)
        assert await another not in {*taken} - {taken[7]}

    run_virtual(main())


def test_the_number_of_a_frame_that_was_given_up_rests_until_its_confirm_cannot_come_any_more() -> None:
    async def main() -> None:
        numbers = Transactions()
        given_up = await numbers.take()
        numbers.give_back(given_up, confirmed=False)
        for _ in range(600):
            number = await numbers.take()
            assert number != given_up
            numbers.give_back(number, confirmed=True)
        await asyncio.sleep(REST + 1)
        assert given_up in {await numbers.take() for _ in range(UNDER_WAY)} | {given_up - 1}

    run_virtual(main())


def test_a_site_where_nothing_is_confirmed_still_has_numbers() -> None:
    async def main() -> None:
        numbers = Transactions()
        async with asyncio.timeout(1):
            for _ in range(2000):
                numbers.give_back(await numbers.take(), confirmed=False)

    run_virtual(main())


def test_a_coordinator_is_formed_resumed_or_taken_over_but_never_overwritten() -> None:
    assert judge("home", None, None) is Found.FORM
    assert judge("home", OURS, None) is Found.ADOPT
    assert judge("home", OURS, OURS) is Found.RESUME
    moved = Identity(OURS.extended_pan_id, OURS.key, "00:12:4b:00:00:00:00:02")
    assert judge("home", moved, OURS) is Found.RESUME, "a backup that was put onto another stick"
    for other in (
        Identity("bb" * 8, OURS.key, OURS.coordinator),
        Identity(OURS.extended_pan_id, "k", OURS.coordinator),
    ):
        with pytest.raises(NetworkTrouble) as caught:
            judge("home", other, OURS)
        assert "restore home" in caught.value.what_to_do
    with pytest.raises(NetworkTrouble, match="holds no network") as caught:
        judge("home", None, OURS)
    assert "restore home" in caught.value.what_to_do


def test_backups_are_for_the_service_alone_the_newest_first_and_bounded(tmp_path: Path) -> None:
    backups = Backups(tmp_path / "backups")
    assert backups.list() == ()
    for counter in range(KEPT + 3):
        backups.write(backup_content(counter=counter))
    found = backups.list()
    assert len(found) == KEPT
    assert found[0].frame_counter == KEPT + 2
    assert found[0].extended_pan_id == "aa:aa:aa:aa:aa:aa:aa:aa"
    assert (found[0].channel, found[0].pan_id, found[0].nodes) == (15, 0x1A62, 0)
    assert found[0].coordinator == "00:12:4b:00:00:00:00:01"
    assert stat.S_IMODE(found[0].path.stat().st_mode) == 0o600
    assert stat.S_IMODE(backups.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"metadata": {"format": "another"}}', "no json"])
def test_what_is_no_backup_is_refused_in_words(text: str, tmp_path: Path) -> None:
    path = tmp_path / "this.json"
    path.write_text(text)
    with pytest.raises(NetworkTrouble) as caught:
        load(path)
    assert "this.json" in caught.value.message
    assert Backups(tmp_path).list() == ()


def test_a_backup_in_pieces_hides_no_others(tmp_path: Path) -> None:
    backups = Backups(tmp_path)
    good = backups.write(backup_content())
    broken = json.loads(good.read_text())
    del broken["network_key"]
    (tmp_path / "zzz.json").write_text(json.dumps(broken))
    assert [each.path for each in backups.list()] == [good]


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (DeliveryError("x", status=Status.INVALID_PARAMETER), FrameTooLong),
        (DeliveryError("x", status=Status.MAC_FRAME_TOO_LONG), FrameTooLong),
        (DeliveryError("x", status=sl_Status.MESSAGE_TOO_LONG), FrameTooLong),
        (DeliveryError("x", status=Status.APS_NO_ACK), NotDelivered),
        (DeliveryError("x", status=Status.MAC_TRANSACTION_EXPIRED), NotDelivered),
        (DeliveryError("x", status=Status.MEM_ERROR), NotDelivered),
        (DeliveryError("Coordinator is disconnected, cannot send request"), LinkLost),
        (RuntimeError("Coordinator is disconnected, cannot send request"), LinkLost),
        (TimeoutError(), NotDelivered),
        (ConnectionResetError(), LinkLost),
    ],
)
def test_what_a_library_raises_is_said_in_our_words(error: Exception, meant: type[LinkError]) -> None:
    named = refusal(error, NODE, 70)
    assert type(named) is meant
    assert named.message


@pytest.mark.parametrize("stay", [True, False])
def test_a_check_in_is_answered_as_zigpy_reads_it(stay: bool) -> None:
    answer = check_in_response(Zcl(0x0020, 0x00, tsn=77, endpoint=3, to_client=True), stay=stay)
    assert (answer.tsn, answer.endpoint, answer.to_client) == (77, 3, False)
    schema = PollControl.ServerCommandDefs.checkin_response.schema
    assert answer.command == PollControl.ServerCommandDefs.checkin_response.id
    said: Any
    said, rest = schema.deserialize(answer.payload)
    assert rest == b""
    assert (bool(said.start_fast_polling), said.fast_poll_timeout) == (stay, 120 if stay else 0)
