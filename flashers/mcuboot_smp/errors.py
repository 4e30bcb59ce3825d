"""What an MCUmgr node's answers mean, as named errors."""

from flashers.api import FlashError, NodeRefused, NotSupported, TransferRefused
from flashers.mcuboot_smp.codec import SaidNo
from flashers.mcuboot_smp.codec.words import NEWER_VERSION, TOO_LARGE


class SmpRefused(NodeRefused):
    """The node's server refused a request; ``said`` is its own code."""

    def __init__(self, what: str, said: SaidNo) -> None:
        super().__init__(f"the node refused {what}: {said}")
        self.said = said


class SlotBusy(TransferRefused):
    """The slot for new images holds one that the node will not give up.

    It is either about to be started, or the way back from an image that is on trial.
    """

    code = "slot-busy"
    remedy = "Restart the node, which ends the trial or starts the pending image, and deploy again."


class ModeContradicted(NotSupported):
    """The node's bootloader does not work in the mode that its profile says."""

    code = "mode-contradicted"
    remedy = "Correct `mode` in the profile; it decides how this node can be taken back."


class BadCommand(FlashError):
    """This is no request that the flasher can pass on to a node."""

    code = "bad-command"
    remedy = 'Write echo:TEXT, or JSON like {"op": "read", "group": 0, "id": 0, "payload": {"d": "hi"}}.'


class SlotTooSmall(TransferRefused):
    """The image is larger than the node's slot."""

    code = "slot-too-small"
    remedy = "Build a smaller image, or set slot_size in the profile so that this is found beforehand."


def transfer_refused(said: SaidNo) -> TransferRefused:
    """The error for a server that does not take an image."""
    if said.slot_busy:
        return SlotBusy(f"the node has no slot free for a new image: {said}")
    if said.image(TOO_LARGE):
        return SlotTooSmall(f"the node's slot is too small: {said}")
    if said.image(NEWER_VERSION):
        return TransferRefused(f"the node takes no older version: {said}")
    return TransferRefused(f"the node refused the image: {said}")
