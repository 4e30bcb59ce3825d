"""Have a lease while a command runs; and wait politely for one."""

import argparse
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from gateway.api.client import Client, Refused
from gateway.cli.parsing import UsageError
from transports.errors import TenderError

_SHORT_S = 60.0
"""A lease for a command is short and renewed: if we are killed, the link is free again soon."""
_RENEW_S = 15.0
_WAIT_S = 20.0
"""How long the service lets us wait before it answers; we ask again."""
_GRACE_S = 5.0
_TIMED_OUT = 124
"""As timeout(1) ends."""
_PASSING = frozenset({"link-exposed", "link-leased", "link-busy"})


def waited_for(service: Client, ask: Mapping[str, object], *, wait: bool) -> dict[str, Any]:
    """A lease; with ``wait`` not refused because somebody else has the link just now.

    Raises:
        Refused: with the service's own code.
    """
    told = False
    while True:
        try:
            lease: dict[str, Any] = service.post("leases", body={**ask, "wait_s": _WAIT_S if wait else 0.0})
            return lease
        except Refused as refused:
            if not wait or refused.code not in _PASSING:
                raise
            if not told:
                print(f"tender: {refused.message}  Waiting.", file=sys.stderr)
                told = True


def run_with_lease(service: Client, arguments: argparse.Namespace, command: Sequence[str]) -> int:
    """Run the command while we have the link; the answer is its exit code.

    With ``--for`` it is ended when the time is over.
    """
    limit: float | None = arguments.seconds
    why = arguments.why or " ".join(command)[:200]
    ask = {"link": arguments.link, "seconds": limit or _SHORT_S, "why": why}
    lease = waited_for(service, ask, wait=arguments.wait)
    ended = threading.Event()
    keeper = threading.Thread(target=_keep, args=(service, lease["id"], ended), daemon=True)
    try:
        try:
            process = subprocess.Popen(command)
        except OSError as error:
            raise UsageError(
                f"{command[0]} cannot be started: {error.strerror}", remedy="See what stands after `--`."
            ) from error
        if limit is None:
            keeper.start()
        return _ended(process, limit)
    finally:
        ended.set()
        with suppress(TenderError):  # its deadline has passed, or the service is away: then it ends by itself
            service.post("leases", "give-back", body={"target": str(lease["id"])})


def _ended(process: "subprocess.Popen[bytes]", limit: float | None) -> int:
    # The terminal's Ctrl-C is for the command; we only wait for it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if _in_main_thread() else None
    try:
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            print("tender: the time is over, and the command is ended", file=sys.stderr)
            process.terminate()
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return _TIMED_OUT
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def _keep(service: Client, lease: int, ended: threading.Event) -> None:
    while not ended.wait(_RENEW_S):
        try:
            service.post("leases", str(lease), "renew", body={"seconds": _SHORT_S})
        except Refused as refused:
            print(f"tender: {refused.code}: {refused.message}  {refused.what_to_do}", file=sys.stderr)
            return
        except TenderError:
            continue  # the service starts again; the lease is in its journal


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
