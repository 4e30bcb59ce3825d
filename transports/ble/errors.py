"""What can go wrong between a radio and a node, as the rest of Tender knows it."""

from transports.errors import LinkBusy, LinkDenied, LinkError, LinkNotFound, NodeUnreachable


class NodeNotHeard(NodeUnreachable):
    """No advertisement of the node was heard."""

    code = "ble-not-heard"
    remedy = "Bring the node closer or give it power; `tender nodes --candidates` lists who is heard."


class AdapterMissing(LinkNotFound):
    """There is no Bluetooth adapter of this address."""

    code = "ble-adapter-missing"
    remedy = "Plug it in, or correct its address; `bluetoothctl list` shows those that BlueZ has."


class BluezMissing(AdapterMissing):
    """The system's Bluetooth does not run."""

    code = "ble-no-bluez"
    remedy = "Install BlueZ and start it: `systemctl enable --now bluetooth`."


class AdapterHung(LinkError):
    """The adapter answers nothing any more."""

    code = "ble-adapter-hung"
    remedy = "It is switched off and on by itself; if that does not help, unplug it."


class AdapterFull(LinkBusy):
    """As many nodes are connected as this adapter can carry."""

    code = "ble-adapter-full"
    remedy = "It goes on when one of them has ended; another adapter carries more."


class PairingFailed(LinkDenied):
    """The node wants an encrypted link, and pairing with it failed."""

    code = "ble-pairing-failed"
    remedy = "Give the passkey in the profile or the node's options, or remove the old bond on either side."


class GattRefused(LinkError):
    """The node answered with an ATT error."""

    code = "gatt-refused"
    remedy = "The node is not in the state that the operation wants, or asks for encryption."
    retryable = False

    def __init__(self, message: str = "", *, att_error: int = 0, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.att_error = att_error
