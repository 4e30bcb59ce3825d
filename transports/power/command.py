"""A switch that a command works: a PoE switch's port, a relay card, somebody's script.

The command runs in a thread of its own and is killed with all it started when its
deadline has passed.  It runs to its end also if nobody waits for it any more: half of
it would leave the switch somewhere in between.
"""

import asyncio
import os
import signal
import subprocess

from transports.power.circuits import CommandSwitch
from transports.power.errors import CommandFailed

_SAID = 300
"""Characters of its output that are told when it failed."""


class CommandedSwitch:
    """Two commands, or one that does it all."""

    def __init__(self, command: CommandSwitch) -> None:
        self._command = command

    async def check(self) -> None:
        """Nothing can be known of a command before it runs."""

    async def off(self) -> None:
        """Run the command that cuts the power, if it is a command of its own.  Raises CommandFailed."""
        if self._command.off:
            await asyncio.to_thread(self._run, self._command.off)

    async def on(self) -> None:
        """Run the command that gives it again.  Raises CommandFailed."""
        await asyncio.to_thread(self._run, self._command.on)

    def _run(self, argv: tuple[str, ...]) -> None:
        command = self._command
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TENDER_NODE": command.node},
                start_new_session=True,
            )
        except OSError as error:
            raise CommandFailed(f"{argv[0]} cannot be run: {error.strerror or error}") from error
        with process:
            try:
                output, _ = process.communicate(timeout=command.deadline)
            except subprocess.TimeoutExpired as late:
                _kill(process)
                raise CommandFailed(f"{argv[0]} did not end within {command.deadline:g} s") from late
        if process.returncode != 0:
            said = output.decode(errors="replace").strip()[-_SAID:]
            raise CommandFailed(f"{argv[0]} ended with {process.returncode}{f': {said}' if said else ''}")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """The command and its children; it has a session of its own, so nobody else is hit."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
