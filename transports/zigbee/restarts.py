"""Noticing that a coordinator restarted by itself.

A brown-out, or the chip's own watchdog, and the coordinator is back within a second: its port
stays open, and it answers the library's watchdog.  But its network is not started, and nothing
of ours is registered with it any more, so that from then on nobody is heard.  Whoever speaks ZNP
says so in an indication that zigpy_znp takes no notice of once it is up; the other libraries
treat such a word as a lost connection by themselves.
"""

import logging
from importlib import import_module
from typing import Any

log = logging.getLogger(__name__)


def watch(app: Any) -> None:
    """Take a restart of a started application's coordinator for the loss that it is."""
    znp = getattr(app, "_znp", None)
    if znp is None:
        return
    commands = import_module("zigpy_znp.commands")

    def restarted(indication: Any) -> None:
        log.info("the coordinator restarted by itself (reason %s)", indication.Reason)
        app.connection_lost(ConnectionResetError("the coordinator restarted by itself"))

    znp.callback_for_response(commands.SYS.ResetInd.Callback(partial=True), restarted)
