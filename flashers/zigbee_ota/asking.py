"""What can be asked of a Zigbee node's application: an attribute, and how it is reported.

For health checks.  ``read 0x0402/0x0000`` is the value of an attribute (cluster/attribute) as text,
``reporting 0x0402/0x0000`` what it was told of reporting it: ``every 10 to 300 s, by 50``, or ``none``.
A number and a colon before the cluster name the endpoint: ``read 2:0x0402/0x0000``.  ``bindings`` is whom
it sends its reports to, a line each, or ``none``.
"""

import re

from flashers.api import NodeSilent, NotSupported
from flashers.zigbee_ota.codec import general
from flashers.zigbee_ota.codec.errors import BadCommand
from flashers.zigbee_ota.codec.words import General
from transports.errors import NodeUnreachable
from transports.zcl import Zcl, ZigbeeLink

_REQUEST = re.compile(
    r"(?P<what>read|reporting)\s+(?:(?P<endpoint>\d{1,3}):)?"
    r"(?P<cluster>0x[0-9a-f]{1,4}|\d{1,5})/(?P<name>0x[0-9a-f]{1,4}|\d{1,5})",
    re.IGNORECASE,
)


async def answered(link: ZigbeeLink, request: str, *, within: float) -> bytes:
    """The node's answer as text; ``within`` is seconds.

    Raises:
        NotSupported: it is no such request, or the node has no such attribute, or cannot say.
        NodeSilent: the node does not answer.
        LinkLost: the coordinator is gone.
    """
    try:
        return await _answered(link, request, within)
    except NodeUnreachable as error:
        raise NodeSilent(error.message) from error


async def _answered(link: ZigbeeLink, request: str, within: float) -> bytes:
    if request.strip().lower() == "bindings":
        return "\n".join(await link.bindings(within=within)).encode() or b"none"
    found = _REQUEST.fullmatch(request.strip())
    if found is None:
        raise NotSupported("ask as in `read 0x0402/0x0000`, `reporting 0x0402/0x0000` or `bindings`")
    cluster, name = int(found["cluster"], 0), int(found["name"], 0)
    endpoint = int(found["endpoint"]) if found["endpoint"] else serving(link, cluster)
    if found["what"].lower() == "reporting":
        return await _reporting(link, cluster, name, endpoint, within)
    values = await link.read(cluster, (name,), endpoint=endpoint, within=within)
    if name not in values:
        raise NotSupported(f"the node has no attribute 0x{name:04x} in cluster 0x{cluster:04x}")
    value = values[name]
    return value if isinstance(value, bytes) else str(value).encode()


def serving(link: ZigbeeLink, cluster: int) -> int:
    """The endpoint that serves a cluster."""
    return next((each for each, has in sorted(link.facts.servers.items()) if cluster in has), 1)


async def _reporting(link: ZigbeeLink, cluster: int, name: int, endpoint: int, within: float) -> bytes:
    payload = general.encode_read_reporting([name])
    asked = Zcl(cluster, General.READ_REPORTING, payload, endpoint=endpoint, general=True)
    answer = await link.ask(asked, within=within)
    if answer.command != General.READ_REPORTING_RESPONSE:
        raise NotSupported("the node does not say what it reports")
    try:
        told = general.decode_reporting_read(answer.payload).get(name)
    except BadCommand as error:
        raise NotSupported(f"the node does not say what it reports: {error.message}") from error
    if told is None:
        return b"none"
    change = f", by {told.change}" if told.change else ""
    return f"every {told.least} to {told.most} s{change}".encode()
