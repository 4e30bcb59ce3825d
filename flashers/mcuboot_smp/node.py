"""A node as it answers now: its slots, its role, what it can do, and how it is restarted.

A request that restarts the node is sent once and never again, because a second
restart takes back what the first one started.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flashers.api import Evidence, NodeSilent, ResetKind, Role, Seen, Session
from flashers.mcuboot_smp.abilities import Abilities, ask_abilities
from flashers.mcuboot_smp.codec import Group, ImageCommand, Op, OsCommand
from flashers.mcuboot_smp.errors import ModeContradicted, SmpRefused
from flashers.mcuboot_smp.params import Mode, SmpParams
from flashers.mcuboot_smp.requests import Requests
from flashers.mcuboot_smp.state import ImageState, read_state
from transports.errors import LinkLost

_BOOT_MODE_LOADER = 1
"""``BOOT_MODE_TYPE_BOOTLOADER`` of Zephyr's retention/bootmode.h, in a reset request."""
_LOOK_EVERY = 0.5


class Node:
    """What the flasher's verbs are made of."""

    def __init__(self, session: Session, params: SmpParams) -> None:
        self.session = session
        self.params = params
        self.requests = Requests(session, params)
        self._abilities: Abilities | None = None

    async def state(self, *, tries: int = 3, reply_timeout: float | None = None) -> ImageState:
        """The image list."""
        body = await self.requests.ask(
            Op.READ,
            Group.IMAGE,
            ImageCommand.STATE,
            tries=tries,
            reply_timeout=reply_timeout,
            what="its image list",
        )
        return read_state(body, self.params.mode)

    async def write_state(self, body: Mapping[str, Any], *, tries: int = 3) -> ImageState:
        """Change the image list, and the list as it is then.

        Raises:
            ModeContradicted: this bootloader has nothing to be told.
            SmpRefused: the node said no.
        """
        try:
            answer = await self.requests.ask(
                Op.WRITE, Group.IMAGE, ImageCommand.STATE, body, tries=tries, what="an image state"
            )
        except SmpRefused as refused:
            if refused.said.unsupported:
                raise ModeContradicted(
                    f"the node takes no image states, so its MCUboot is not in the mode {self.params.mode}"
                ) from refused
            raise
        return read_state(answer, self.params.mode) if "images" in answer else await self.state()

    async def abilities(self) -> Abilities:
        """What the node can do, asked once between two restarts."""
        if self._abilities is None:
            self._abilities = await ask_abilities(self.requests)
        return self._abilities

    async def role(self, state: ImageState) -> Role:
        """Who answers: the application, or MCUboot's serial recovery.

        Serial recovery flags no slot unless it is built to, has one buffer, and knows no
        echo unless it is built to; an application does, has more, and knows it.
        """
        if not state.flagged:
            return Role.LOADER
        if self.params.mode is not Mode.SERIAL_RECOVERY:
            return Role.APP
        self.forget()  # if its power failed meanwhile, it is another who answers now
        if (await self.abilities()).buffers.count == 1:
            return Role.LOADER
        try:
            await self.requests.ask(Op.WRITE, Group.OS, OsCommand.ECHO, {"d": "-"}, what="an echo")
        except SmpRefused as refused:
            if refused.said.unsupported:
                return Role.LOADER
        return Role.APP

    async def seen(self, state: ImageState, *more: Evidence) -> Seen:
        """The node as reported to the host."""
        role = await self.role(state)
        facts = {"mode": str(self.params.mode)} | (await self.abilities()).facts()
        return Seen(role, state.slots, state.evidence(role) + more, facts=facts)

    def forget(self) -> None:
        """The node restarted or went away: what it can do may be another's now."""
        self._abilities = None

    async def restart(self) -> None:
        """Restart the node by command, and leave it in peace while it boots."""
        await self._ask_for_restart({})
        await self._settle()

    async def restart_by_line(self) -> None:
        """The same by the port's lines, for a node that does not answer."""
        await self.session.reset(self.params.reset)
        await self._settle()

    async def restart_into_loader(self) -> None:
        """Restart into serial recovery, by the port's lines or else by command."""
        if self.params.reset is not ResetKind.NONE:
            await self.session.reset(self.params.reset)
        else:
            await self._ask_for_restart({"boot_mode": _BOOT_MODE_LOADER})
        self.forget()
        await self.requests.listen(self.params.loader_quiet)

    async def answering(self) -> ImageState:
        """The image list as soon as the restarted node gives it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.params.boot_deadline
        while True:
            try:
                return await self.state(tries=1, reply_timeout=_LOOK_EVERY)
            except NodeSilent:
                if loop.time() >= until:
                    raise

    async def _ask_for_restart(self, body: Mapping[str, Any]) -> None:
        with suppress(NodeSilent, LinkLost):
            await self.requests.ask(Op.WRITE, Group.OS, OsCommand.RESET, body, tries=1, what="a restart")

    async def _settle(self) -> None:
        self.forget()
        await self.requests.listen(self.params.quiet_after_reset)
