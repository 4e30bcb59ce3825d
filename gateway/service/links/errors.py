"""What goes wrong with leases: each with its code, and no node was touched by any of it."""

from gateway.errors import RequestError
from transports.errors import LinkBusy, TenderError


class HookFailed(TenderError):
    """A hook of a shared link did not do its work."""

    code = "link-hook-failed"
    remedy = "Run the hook by hand and see what it says; it is tried again by itself."
    retryable = True


class HookOverran(HookFailed):
    """A hook of a shared link took too long, and was killed."""

    code = "link-hook-overran"
    remedy = "Give the link a longer `hook_deadline`, or see why the hook hangs; it is tried again by itself."


class UnitUnknown(HookFailed):
    """The service manager does not know the unit of a shared link."""

    code = "link-unit-unknown"
    remedy = "Correct `unit` of the link in the configuration; `systemctl list-units` lists them."


class LinkStillHeld(LinkBusy):
    """The other software was asked off, and still holds the port."""

    code = "link-still-held"
    remedy = "Correct the hook: it has to end only once the port is free."


class LinkLocked(LinkBusy):
    """Somebody else has locked the link."""

    code = "link-locked"
    remedy = "It is tried again by itself; stop the program that holds the lock if it need not have the link."


class LockTrouble(TenderError):
    """A lock file cannot be made."""

    code = "link-lock-trouble"
    remedy = "Let the service's user write where the lock is (often the group dialout, uucp or lock)."
    retryable = True


class LinkUnknown(RequestError):
    """No link has this name."""

    code = "link-unknown"
    remedy = "`tender links` lists them; a link is named as there, by its port, or by a node on it."


class LeaseUnknown(RequestError):
    """There is no such lease."""

    code = "lease-unknown"
    remedy = "It may have ended by its deadline; `tender links` shows who has what."


class LinkLeased(LinkBusy):
    """Somebody else has a lease of this link."""

    code = "link-leased"
    remedy = "Wait for its end, or give it back for them with `tender lease --give-back LINK`."


class LinkNotLent(RequestError):
    """A Zigbee network is not lent: its nodes would be without their coordinator meanwhile."""

    code = "link-not-lent"
    remedy = "Send frames of your own with `tender zigbee zcl`; who owns the coordinator is for [guests]."


class LinkExposed(LinkBusy):
    """A node on this link must not be left alone just now."""

    code = "link-exposed"
    remedy = "Add --wait, or ask again in a while."
