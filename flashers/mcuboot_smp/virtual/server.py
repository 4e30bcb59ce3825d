"""MCUmgr's server as a virtual node's application runs it.

Source: Zephyr's documentation of the default group; the image group has a module of
its own.  A handler returns an answer, or raises a refusal.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flashers.mcuboot_smp.codec import Group, ImageCommand, Message, Op, OsCommand, SaidNo
from flashers.mcuboot_smp.params import Mode
from flashers.mcuboot_smp.virtual.answers import Body, No, Reply
from flashers.mcuboot_smp.virtual.bootloader import Bootloader, Running
from flashers.mcuboot_smp.virtual.images import ImageGroup

_MODE_NUMBERS = {
    Mode.SWAP: 1,
    Mode.OVERWRITE: 2,
    Mode.DIRECT_XIP: 4,
    Mode.DIRECT_XIP_REVERT: 5,
    Mode.RAM_LOAD: 6,
    Mode.SERIAL_RECOVERY: 0,
}
_OLD_NUMBERS = {3: 5, 9: 6, 27: 6, 28: 6, 14: 3, 20: 3, 21: 3, 22: 3, 24: 3}
"""How Zephyr translates the image group's errors for clients of the original protocol."""


class AppServer:
    """The application's side of MCUmgr; one that is ``sick`` answers echoes so."""

    def __init__(
        self,
        bootloader: Bootloader,
        running: Mapping[int, Running],
        *,
        sick: bool = False,
        claims: tuple[str, bytes] | None = None,
    ) -> None:
        self.options = bootloader.options
        self.mode = bootloader.mode
        self.sick = sick
        self.images = images = ImageGroup(bootloader, running, claims)
        self._handlers: dict[tuple[int, int, int], Callable[[Mapping[str, Any]], Reply]] = {
            (Op.READ, Group.IMAGE, ImageCommand.STATE): lambda _: Reply(images.list()),
            (Op.WRITE, Group.IMAGE, ImageCommand.STATE): images.set_state,
            (Op.WRITE, Group.IMAGE, ImageCommand.UPLOAD): images.take_piece,
            (Op.WRITE, Group.IMAGE, ImageCommand.ERASE): images.erase,
            (Op.READ, Group.IMAGE, ImageCommand.SLOTS): images.slot_info,
            (Op.READ, Group.OS, OsCommand.PARAMETERS): self._parameters,
            (Op.READ, Group.OS, OsCommand.BOOTLOADER): self._bootloader_info,
            (Op.READ, Group.OS, OsCommand.INFO): self._info,
            (Op.WRITE, Group.OS, OsCommand.ECHO): self._echo,
            (Op.READ, Group.OS, OsCommand.ECHO): self._echo,
            (Op.WRITE, Group.OS, OsCommand.RESET): self._reset,
        }

    def handle(self, request: Message) -> Reply:
        """Carry a request out.

        Raises:
            PowerCut: power failed meanwhile.
        """
        handler = self._handlers.get((request.op, request.group, request.command))
        try:
            if handler is None:
                raise No(8, None)
            return handler(request.body)
        except No as no:
            return Reply(self._refusal(no.said, request))

    def _refusal(self, said: SaidNo, request: Message) -> Body:
        if said.group is None:
            return {"rc": said.number}
        if self.options.legacy or request.version == 0:
            return {"rc": _OLD_NUMBERS.get(said.number, 1)}
        return {"err": {"group": said.group, "rc": said.number}}

    def _parameters(self, _: Mapping[str, Any]) -> Reply:
        if self.options.no_params:
            raise No(8, None)
        return Reply({"buf_size": self.options.buf_size, "buf_count": self.options.buf_count})

    def _bootloader_info(self, body: Mapping[str, Any]) -> Reply:
        if self.options.no_info:
            raise No(8, None)
        if body.get("query") != "mode":
            return Reply({"bootloader": "MCUboot"})
        said = self.options.says_mode
        mode = _MODE_NUMBERS[self.mode] if said is None else said
        return Reply({"mode": mode} | ({"no-downgrade": True} if self.options.no_downgrade else {}))

    def _info(self, body: Mapping[str, Any]) -> Reply:
        # Formats are letters, n is the node's name; without any, Zephyr tells the kernel's name.
        if self.options.hw_id is None:
            raise No(8, None)
        return Reply({"output": self.options.hw_id if "n" in str(body.get("format", "")) else "Zephyr"})

    def _echo(self, body: Mapping[str, Any]) -> Reply:
        return Reply({"r": "sick" if self.sick else str(body.get("d", ""))})

    def _reset(self, body: Mapping[str, Any]) -> Reply:
        return Reply({}, restart=True, into_loader=body.get("boot_mode") == 1)
