"""What ends the service of a node: its own word, its silence, and what either of them means."""

from flashers.api import DowngradeRefused, FlashError, NodeRefused, NodeSilent, Stalled
from flashers.zigbee_ota.codec import Status
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.server.errors import (
    CheckSilent,
    ImageDeclined,
    ImageInvalid,
    NeedsMoreImages,
    NodeAsleep,
    NodeGaveUp,
    NoRoom,
    NotifyIgnored,
    OfferDeclined,
)
from flashers.zigbee_ota.server.offer import Offer
from flashers.zigbee_ota.server.state import State

OFFERS = 3
"""An offer that was made so often, and not taken up, is declined."""
_FIRST_BYTES = 512
"""A node that asked for no more has looked at the header, and at nothing else."""
_NEARLY = 0.9


def ended(status: int, state: State, offer: Offer) -> FlashError:
    """An end request with another status than success."""
    match status:
        case Status.REQUIRE_MORE_IMAGE:
            return NeedsMoreImages("the node wants more images before it starts this one")
        case Status.INVALID_IMAGE if state.whole or state.done >= offer.size * _NEARLY:
            return ImageInvalid("the node has the whole image, and calls it invalid")
        case Status.INVALID_IMAGE:
            return declined("the node looked into the image's header and calls it invalid", state, offer)
        case Status.ABORT:
            gave_up = NodeGaveUp("the node gave the image up by itself (ABORT)")
            gave_up.at_once = state.done <= _FIRST_BYTES
            return gave_up
        case _:
            return NodeRefused(f"the node ends the transfer with status 0x{status:02x}")


def complained(status: int, state: State, offer: Offer) -> FlashError:
    """The node has something against the offer itself."""
    if status == Status.INSUFFICIENT_SPACE:
        return NoRoom(f"the node has no room for {offer.size} bytes")
    return declined(f"the node declines the offer with status 0x{status:02x}", state, offer)


def not_taken(state: State, offer: Offer) -> FlashError:
    """It was offered the image again and again, and came no further."""
    if state.done > _FIRST_BYTES:
        return NodeGaveUp(f"the node begins anew each time, and never came beyond {state.done}")
    return declined("the node was offered the image, and does not take it", state, offer)


def declined(text: str, state: State, offer: Offer) -> FlashError:
    """It does not want it; for an older image that is what a node does which takes none."""
    if offer.disguised:
        return DowngradeRefused(f"{text}; it is older than what it runs")
    return ImageDeclined(text) if state.taking or state.done else OfferDeclined(text)


def patience(state: State, params: OtaParams, *, sleepy: bool) -> float:
    """Seconds for which the node may ask for nothing now."""
    if state.taking and state.whole:
        return params.verify_deadline
    return params.stall_timeout + (params.check_in if sleepy and state.taking else 0.0)


def waits(state: State, *, sleepy: bool) -> str:
    """What is waited for."""
    if state.taking and state.whole:
        return "the node checks its image"
    if sleepy:
        return "the node sleeps"
    return "the node asks for nothing" if state.taking else "the node was told, and does not ask yet"


def silent(
    quiet: float, state: State, offer: Offer, params: OtaParams, *, sleepy: bool, there: bool
) -> FlashError | None:
    """What so many seconds without a question mean; None: nothing yet.

    ``there``: it gave a sign of life some time after its last question.  One that gave none has no
    power, or is out of reach, which says nothing of what it takes.
    """
    offered = bool(state.offers) and not state.taking
    if offered and state.offers >= OFFERS and quiet > params.reply_timeout:
        return not_taken(state, offer)
    if quiet <= patience(state, params, sleepy=sleepy):
        return None
    if state.taking and state.whole:
        return CheckSilent(f"the node has everything, and said nothing for {quiet:.0f} s")
    if offered and there:
        return not_taken(state, offer)
    if offered and not sleepy:
        return NodeSilent("the node was offered the image, and was not there any more")
    if sleepy:
        return NodeAsleep(f"the node did not wake for {quiet:.0f} s")
    if state.taking:
        return Stalled(f"the node asked for nothing for {quiet:.0f} s, at {state.done} of {offer.size}")
    if state.delivered:
        return NotifyIgnored(f"the node was told {state.notices} times that there is an image for it")
    return NodeSilent("the node cannot be told that there is an image for it")
