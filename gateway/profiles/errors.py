"""What can be wrong with a profile, before any node is looked at."""

from gateway.config.findings import Findings
from transports.errors import TenderError


class BadProfile(Findings):
    """A profile cannot be used as it is written."""

    code = "profile-bad"
    remedy = "Correct what the findings name; `tender profiles check FILE` looks again."


class ProfileUnknown(TenderError):
    """There is no profile of this name."""

    code = "profile-unknown"
    remedy = "`tender profiles list` lists them."
