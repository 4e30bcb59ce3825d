"""Whether a node that joined a network may be of a type, by what it said when it was interviewed."""

from flashers.zigbee_ota.params import OtaParams
from transports.zcl import NodeFacts
from transports.zigbee.network import OTA


def fits(facts: NodeFacts, params: OtaParams) -> bool:
    """Whether manufacturer code and model are the type's, and the node has a client for upgrades.

    What a node does not say speaks against no type; image types are not told in an interview.
    """
    if not any(OTA in clusters for clusters in facts.clients.values()):
        return False
    if params.manufacturer is not None and facts.manufacturer_code not in (None, params.manufacturer):
        return False
    return not params.model or facts.model is None or facts.model in params.model
