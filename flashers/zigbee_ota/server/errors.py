"""What can go wrong while a node is served, each told apart by what is true of the node then."""

from flashers.api import (
    ImageMismatch,
    NodeRefused,
    NodeSilent,
    Stalled,
    TransferRefused,
)


class NodeAsleep(NodeSilent):
    """A sleepy node was told that there is something for it, and has not woken since.

    It is untouched, or keeps what it has, and goes on from there.
    """

    code = "zigbee-asleep"
    remedy = "Press the node's button, or wait: Tender goes on when it checks in or is heard otherwise."


class NotifyIgnored(NodeSilent):
    """The node is there, and does not ask for an image though it was told that there is one."""

    code = "zigbee-notify-ignored"
    remedy = "Restart the node; some only ask after a restart, or once a day by themselves."


class OfferDeclined(TransferRefused):
    """The node was offered the image, and never asked for its bytes.  Its firmware is untouched."""

    code = "zigbee-offer-declined"
    remedy = "The node does not say why; check image type, hardware version and the node's battery."


class NoRoom(TransferRefused):
    """The node says that it has no room for the image.  Its firmware is untouched."""

    code = "zigbee-no-room"
    remedy = "Deploy a smaller image, or one that is made for this revision of the node."


class ImageInvalid(ImageMismatch):
    """The node took the whole image, checked it, and found it bad.  It goes on with what it ran."""

    code = "zigbee-invalid-image"
    remedy = "Tender sends it again; if it persists the file is not for this node, or its flash is worn."


class ImageDeclined(TransferRefused):
    """The node looked into the image's header, and would not have the rest.  It goes on with what it ran."""

    code = "zigbee-image-declined"
    remedy = "The file is not for this node: check manufacturer, image type and hardware version."


class NodeGaveUp(TransferRefused):
    """The node ended the transfer by itself (ABORT), and threw away what it had."""

    code = "zigbee-node-gave-up"
    remedy = "Tender tries again; a node with a low battery, or in use, often refuses until that is over."
    retryable = True
    at_once = False
    """It had asked for nothing but the header."""


class NeedsMoreImages(TransferRefused):
    """The node has the image, and wants further files before it starts any of them."""

    code = "zigbee-needs-more-images"
    remedy = "Use the vendor's file that has all images in one, or the vendor's own gateway for this node."


class CheckSilent(Stalled):
    """The node took everything, and never said whether it is good."""

    code = "zigbee-check-silent"
    remedy = "Give the profile a longer `verify_deadline`; else restart the node, which asks again."


class ActivationIgnored(NodeRefused):
    """The node has the image, was told to start it, and goes on with what it ran."""

    code = "zigbee-activation-ignored"
    remedy = "Tender tells it again; restart the node if it persists."
    retryable = True
