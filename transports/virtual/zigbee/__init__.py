"""A virtual Zigbee network with a coordinator that speaks TI's ZNP; see :mod:`.network`."""

from transports.virtual.zigbee.network import Truth, VirtualNetwork

__all__ = ["Truth", "VirtualNetwork"]
