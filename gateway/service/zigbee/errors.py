"""The named errors of the verbs about Zigbee networks."""

from gateway.errors import RequestError


class NetworkUnknown(RequestError):
    """There is no such Zigbee network."""

    code = "network-unknown"
    remedy = "`tender zigbee networks` lists them; `[networks.NAME]` of the configuration adds one."


class BackupUnknown(RequestError):
    """Nothing of that name is kept of this network."""

    code = "backup-unknown"
    remedy = "`tender zigbee backup list NETWORK` shows what is kept."


class NotRestorable(RequestError):
    """Nothing is kept of this network, since it is not over a coordinator of ours."""

    code = "network-not-restorable"
    remedy = "Back it up with the software that owns its coordinator."


class NotPermitted(RequestError):
    """Nodes cannot be let in for so long."""

    code = "permit-too-long"
    remedy = "At most 254 s at a time; ask again to go on, and 0 to end it."


class ClusterOurs(RequestError):
    """Frames of the OTA cluster are Tender's alone: one of somebody else's would spoil a transfer."""

    code = "zigbee-cluster-ours"
    remedy = "Deploy a release instead."


class BadPayload(RequestError):
    """The payload is not hexadecimal, or too long for any frame."""

    code = "zigbee-bad-payload"
    remedy = "Write pairs of hexadecimal digits, at most 80 bytes."
