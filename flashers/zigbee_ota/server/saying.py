"""Frames that are said to a node besides blocks."""

from flashers.zigbee_ota.codec import Status
from flashers.zigbee_ota.codec.general import encode_default
from flashers.zigbee_ota.codec.words import POLL_CONTROL, General, PollCommand
from transports.zcl import Zcl

_QUARTER = 4
_LONGEST = 0xFFFF


def declined(question: Zcl, status: Status) -> Zcl:
    """The default response (ZCL revision 8, 2.5.12)."""
    return Zcl(
        question.cluster,
        General.DEFAULT_RESPONSE,
        encode_default(question.command, status),
        question.endpoint,
        question.tsn,
        to_client=not question.to_client,
        general=True,
        profile=question.profile,
    )


def checked_in(frame: Zcl) -> bool:
    """Whether a sleepy node says that it is awake (Poll Control, 3.16.5.4)."""
    return not frame.general and frame.to_client and frame.command == PollCommand.CHECK_IN


def stay_awake(check_in: Zcl, seconds: float) -> Zcl:
    """Answer a check-in: poll fast for so long (quarters of a second; 3.16.5.5)."""
    quarters = min(int(seconds * _QUARTER), _LONGEST)
    payload = bytes((1,)) + quarters.to_bytes(2, "little")
    return Zcl(
        POLL_CONTROL,
        PollCommand.CHECK_IN,
        payload,
        check_in.endpoint,
        check_in.tsn,
        profile=check_in.profile,
    )
