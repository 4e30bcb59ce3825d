"""The named errors of identity; that another node answers is :class:`flashers.api.IdentityChanged`."""

from flashers.api import FlashError


class IdentityUnread(FlashError):
    """A node that has said who it is does not say it now; it is left alone until it does."""

    code = "identity-unread"
    remedy = (
        "Check what is connected; if its firmware cannot say it any more, "
        "`tender node accept` lets it be known by its place alone."
    )
    retryable = True
