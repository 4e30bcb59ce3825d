"""The named errors of the verbs about nodes."""

from gateway.errors import RequestError


class NodeExists(RequestError):
    """The name, or the link, is another node's."""

    code = "node-exists"
    remedy = "`tender nodes` lists them; take another name, or `tender node forget` the other one."


class LinkTaken(RequestError):
    """Another node is on this link, and the two could not be told apart."""

    code = "link-taken"
    remedy = "Several nodes on one line need addresses: LINK#ADDRESS."


class BadNode(RequestError):
    """No node can be like this."""

    code = "bad-node"
    remedy = "See `tender node adopt --help`, and `tender profiles list` for the profiles."


class NodeInFile(RequestError):
    """A file says that this is a node, and the files' word comes first."""

    code = "node-in-file"
    remedy = "Change the file, restart the service, and say this again."


class NotAcceptable(RequestError):
    """It is another node, and no word makes it the one that is known."""

    code = "not-acceptable"
    remedy = "Put the cable back; or say `tender node replace` if there is a new board."


class ProbingUnderWay(RequestError):
    """A round of looks has not ended."""

    code = "probing-under-way"
    remedy = "Wait for it; `tender probe --all` shows how far it is."
    retryable = True


class RoundUnknown(RequestError):
    """There is no such round, or the service was restarted since; what was seen is kept."""

    code = "round-unknown"
    remedy = "`tender nodes --stale 24h` lists what was not looked at."
