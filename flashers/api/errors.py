"""The named errors of flashers: each says what is true of the node.

Anything else that a flasher raises is a bug in the plugin and is judged like any
interruption: it may have erased.
"""

from transports.errors import TenderError


class FlashError(TenderError):
    """The step did not succeed."""

    code = "flash-error"


class NodeSilent(FlashError):
    """The node did not answer.

    Nothing is known of what it took; sending the same again is safe.
    """

    code = "node-silent"
    remedy = "Check the node's power and cable; Tender asks again by itself."
    retryable = True


class Stalled(FlashError):
    """The node still answers, but the transfer makes no headway."""

    code = "stalled"
    remedy = "Look at the link's error counters; the transfer goes on from where it stopped."
    retryable = True


class ProtocolError(FlashError):
    """The node said something that the protocol does not allow at this point."""

    code = "protocol-error"
    remedy = "Check the link's speed and the profile's flasher; noise on the line looks like this too."
    retryable = True


class NodeRefused(FlashError):
    """The node understood the request and said no."""

    code = "node-refused"
    remedy = "See the node's own code in the message; it needs another image or another setting."


class TransferRefused(NodeRefused):
    """The node will not take this image: no room, a lower version, or another reason of its own."""

    code = "transfer-refused"
    remedy = "See the node's own code in the message; its loader may refuse downgrades or lack room."


class DowngradeRefused(TransferRefused):
    """The node will not take an image that is older than what it runs, whatever number it is offered under.

    What it runs is untouched.
    """

    code = "downgrade-refused"
    remedy = (
        "Its firmware decides that, and Tender remembers it; deploy a newer release with the old content."
    )


class ImageMismatch(FlashError):
    """The node holds other bytes than the ones we sent.

    Nothing has booted yet, so sending the image again is safe.
    """

    code = "image-mismatch"
    remedy = "Tender sends the image again; if it persists the node's flash is worn or the link corrupts."
    retryable = True


class WrongHardware(FlashError):
    """The node is not of the hardware that the profile describes."""

    code = "wrong-hardware"
    remedy = "Give the node the right profile, or check what is connected to this link."


class IdentityChanged(FlashError):
    """Another node answers here than the one we know."""

    code = "identity-changed"
    remedy = "If the node was replaced on purpose, tell Tender so; otherwise check the cabling."


class NotSupported(FlashError):
    """This node or its loader cannot do that."""

    code = "not-supported"
    remedy = "See `tender flashers` for what each flasher can do."


class BadImage(TenderError):
    """The file is not an image that this node could run; no node was touched."""

    code = "bad-image"
    remedy = "Build the image again and check that it is for this profile."


class ImageTooLarge(BadImage):
    """The image does not fit into the part."""

    code = "image-too-large"
    remedy = "Build a smaller image, or correct the profile's size of the application area."


class PluginBug(FlashError):
    """A plugin raised something that is none of the named errors; it may have erased."""

    code = "plugin-bug"
    remedy = "Report it to the plugin's maintainer with the attempt's trace."
    retryable = True
