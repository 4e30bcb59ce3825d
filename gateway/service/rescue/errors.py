"""Why a step from outside is not taken."""

from gateway.errors import NodeBusy, RequestError


class NodeInAttempt(NodeBusy):
    """The node is inside an attempt, which the step would disturb."""

    code = "node-in-attempt"
    remedy = "Wait for the attempt (`tender watch`), cancel it, or add --force where that is safe."


class NodeExposed(NodeBusy):
    """The node may have no firmware that runs right now."""

    code = "node-exposed"
    remedy = "Wait until it is written; there is no way to force this."


class NeighbourInAttempt(NodeBusy):
    """The step also hits another node, which is inside an attempt."""

    code = "neighbour-in-attempt"
    remedy = "Wait for that attempt (`tender watch`), or cancel it."


class OthersHit(RequestError):
    """The step also hits other nodes."""

    code = "others-hit"
    remedy = "Add --yes-all if they may be hit, too."


class NoSuchStep(RequestError):
    """The node's ladder has no such step."""

    code = "step-unknown"
    remedy = (
        "`tender recover NODE` lists its steps; they are given as [[nodes.NODE.ladder]] in the configuration."
    )


class StepBounded(RequestError):
    """The step was taken as often, or so recently, that it may not be taken now."""

    code = "step-bounded"
    remedy = "Wait, or raise `per_day` or lower `pause` of the step."
    retryable = True


class LinkInUse(NodeBusy):
    """Somebody holds the link of a node that the step would hit."""

    code = "link-in-use"
    remedy = "Wait until it is given back; `tender links` tells who has it."
