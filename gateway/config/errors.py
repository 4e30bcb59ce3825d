"""A configuration that cannot be used."""

from gateway.config.findings import Findings


class BadConfig(Findings):
    """The configuration cannot be used as it is written; nothing was started."""

    code = "config-bad"
    remedy = "Correct what the findings name; `tender config` shows every value and where it is from."
