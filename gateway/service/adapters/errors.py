"""Why a node on the air is not begun, or not connected to, just now; none of it touched the node."""

from gateway.attempt.radio import Waits
from transports.errors import LinkBusy, TenderError


class LoaderTaken(LinkBusy):
    """Another node of this adapter is in a loader that calls itself the same."""

    code = "loader-taken"
    remedy = "It has its turn when that node is back; `tender recover NODE` helps one that stays there."


class Ambiguous(LinkBusy):
    """Several nodes are in a loader that calls itself the same, and nothing tells them apart."""

    code = "ble-ambiguous"
    remedy = "Switch off the one that is not meant, or bring it back by hand; then it goes on by itself."


class BatteryLow(Waits, TenderError):
    """The node's battery has less than its profile asks for."""

    code = "battery-low"
    remedy = "Charge or change its battery; it is read again by itself."
    retryable = True


class BatteryUnread(Waits, TenderError):
    """The node does not say how full its battery is, and its profile asks for that."""

    code = "battery-unread"
    remedy = "Correct `battery_characteristic` of its profile, or take `min_battery` out."
    retryable = True
