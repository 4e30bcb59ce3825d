"""What keeps the gateway from talking to its upstream, for the overview."""

from gateway.upstream.port import Upstream
from gateway.verbs.seeing import UpstreamTrouble


def trouble_of(upstream: Upstream) -> UpstreamTrouble | None:
    """The trouble of an upstream that is not connected now; None for one that is, or was not tried yet."""
    error, since = upstream.trouble, upstream.trouble_since
    if error is None or since is None or upstream.connected:
        return None
    return UpstreamTrouble(error.code, error.message, error.what_to_do, since)
