"""The named errors of the service's own verbs."""

from transports.errors import TenderError


class RequestError(TenderError):
    """What was asked cannot be done as it was asked."""

    code = "bad-request"
    remedy = "See `tender COMMAND --help`."


class NodeUnknown(RequestError):
    """No node has this name."""

    code = "node-unknown"
    remedy = "`tender nodes` lists them; nodes are added in the configuration."


class NodeBusy(RequestError):
    """An attempt holds this node, or its link is in use."""

    code = "node-busy"
    remedy = "Wait for the attempt (`tender watch`), or cancel it."
    retryable = True


class NodeAsleep(RequestError):
    """The node sleeps, and is not asked before it wakes."""

    code = "node-asleep"
    remedy = "Press its button and ask again; what waits for it begins by itself when it is heard."
    retryable = True


class ProbeCosts(RequestError):
    """Looking at this node restarts its application."""

    code = "probe-costs"
    remedy = "Add --allow-restart if that is acceptable now."


class AttemptUnknown(RequestError):
    """There is no such attempt or deployment."""

    code = "attempt-unknown"
    remedy = "`tender attempts` lists them."


class ReleaseUnknown(RequestError):
    """The release is not in the store, and no address of it was given."""

    code = "release-unknown"
    remedy = "Add it with `tender release add FILE`, or give upstream its URL."


class NothingSelected(RequestError):
    """The selector matches no node that the release has an artifact for."""

    code = "nothing-selected"
    remedy = "Check names and labels with `tender nodes`, and profiles with `tender release list`."


class NoKnownGood(RequestError):
    """There is nothing to go back to."""

    code = "no-known-good"
    remedy = "Give one with `tender baseline add FILE --profile P`."


class NoTrace(RequestError):
    """Nothing that passed on this node's link was kept."""

    code = "no-trace"
    remedy = "They are kept of attempts that did not succeed; `tender trace NODE --follow` shows one live."


class VerbUnknown(RequestError):
    """This verb is not one that Tender understands."""

    code = "verb-unknown"
    remedy = "See the page on the upstream contract."


class MessageMalformed(RequestError):
    """The message is not of the form that the contract gives."""

    code = "message-malformed"
    remedy = "See the page on the upstream contract; the message says which field."
