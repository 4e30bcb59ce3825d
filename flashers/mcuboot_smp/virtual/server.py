"""MCUmgr's server as a virtual node's application runs it: image and OS group.

Source: Zephyr's documentation of both groups, and for what it leaves open the
behaviour of Zephyr 4.4's server: which slot takes an upload, when a slot is in use,
what a state may be changed to, what is forgotten after the last byte.  Handlers
return an answer's body; a refusal is raised as :class:`No`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flashers.mcuboot_smp.codec import Group, ImageCommand, Message, Op, OsCommand, SaidNo
from flashers.mcuboot_smp.image import Flag as ImageFlag
from flashers.mcuboot_smp.params import Mode
from flashers.mcuboot_smp.virtual.bootloader import Bootloader, Running
from flashers.mcuboot_smp.virtual.slots import Flag
from flashers.mcuboot_smp.virtual.swap import Swap

Body = dict[str, Any]
_MODE_NUMBERS = {
    Mode.SWAP: 1,
    Mode.OVERWRITE: 2,
    Mode.DIRECT_XIP: 4,
    Mode.DIRECT_XIP_REVERT: 5,
    Mode.RAM_LOAD: 6,
    Mode.SERIAL_RECOVERY: 0,
}
_WORN = 0x40
"""Where a worn flash loses a bit: in the body of every image."""
_OLD_NUMBERS = {3: 5, 9: 6, 27: 6, 28: 6, 14: 3, 20: 3, 21: 3, 22: 3, 24: 3}
"""How Zephyr translates the image group's errors for clients of the original protocol."""


class No(Exception):
    """The server refuses; ``group`` None is an error that all groups share."""

    def __init__(self, number: int, group: int | None = Group.IMAGE) -> None:
        super().__init__(number)
        self.said = SaidNo(number, group)


@dataclass(slots=True)
class UploadState:
    """An upload under way; it lies in RAM and is gone after a restart."""

    image: int
    slot: int
    size: int
    sha: bytes
    offset: int = 0


@dataclass(slots=True)
class Reply:
    """An answer, how long the work on it takes, and whether the node restarts after it."""

    body: Body
    takes: float = 0.0
    restart: bool = False
    into_loader: bool = False


class AppServer:
    """The application's side of MCUmgr.

    ``claims`` replaces what the running image is said to be: (version, hash).
    """

    def __init__(
        self,
        bootloader: Bootloader,
        running: Mapping[int, Running],
        *,
        sick: bool = False,
        claims: tuple[str, bytes] | None = None,
    ) -> None:
        self.bootloader = bootloader
        self.slots = bootloader.slots
        self.options = bootloader.options
        self.mode = bootloader.mode
        self.running = running
        self.sick = sick
        self.claims = claims
        self.upload: UploadState | None = None

    def handle(self, request: Message) -> Reply:
        """Carry a request out.

        Raises:
            PowerCut: power failed meanwhile.
        """
        handlers: dict[tuple[int, int, int], Callable[[Mapping[str, Any]], Reply]] = {
            (Op.READ, Group.IMAGE, ImageCommand.STATE): lambda _: Reply(self.list()),
            (Op.WRITE, Group.IMAGE, ImageCommand.STATE): self._set_state,
            (Op.WRITE, Group.IMAGE, ImageCommand.UPLOAD): self._upload,
            (Op.WRITE, Group.IMAGE, ImageCommand.ERASE): self._erase,
            (Op.READ, Group.IMAGE, ImageCommand.SLOTS): self._slot_info,
            (Op.READ, Group.OS, OsCommand.PARAMETERS): self._parameters,
            (Op.READ, Group.OS, OsCommand.BOOTLOADER): self._bootloader_info,
            (Op.WRITE, Group.OS, OsCommand.ECHO): self._echo,
            (Op.READ, Group.OS, OsCommand.ECHO): self._echo,
            (Op.WRITE, Group.OS, OsCommand.RESET): self._reset,
        }
        handler = handlers.get((request.op, request.group, request.command))
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

    # Images

    def list(self) -> Body:
        """The image list, from what is stored, unchecked."""
        listed = []
        for image in range(self.slots.images):
            kind = self._next(image)
            for slot in (0, 1):
                found = self.slots.image(image, slot)
                if found is None:
                    continue
                active = slot == self.active(image)
                version = ".".join(map(str, found.header.version[:3]))
                version += f".{found.header.version[3]}" if found.header.version[3] else ""
                digest = found.identity.value
                if active and image == 0 and self.claims is not None:
                    version, digest = self.claims
                flags = {
                    "bootable": not found.header.flags & ImageFlag.NON_BOOTABLE,
                    "pending": not active and kind in {Swap.TEST, Swap.PERMANENT},
                    "confirmed": (kind is not Swap.REVERT) if active else kind is Swap.REVERT,
                    "active": active,
                    "permanent": not active and kind is Swap.PERMANENT,
                }
                if self.options.frugal:
                    flags = {name: value for name, value in flags.items() if value}
                number = {"image": image} if self.slots.images > 1 else {}
                listed.append({**number, "slot": slot, "version": version, "hash": digest, **flags})
        return {"images": listed} | ({} if self.options.frugal else {"splitStatus": 0})

    def active(self, image: int) -> int:
        """The slot that an image runs from."""
        return self.running[image].slot

    def _next(self, image: int) -> Swap | None:
        """What the server thinks that the next boot does."""
        if self.mode in {Mode.SWAP, Mode.OVERWRITE, Mode.SERIAL_RECOVERY}:
            return self.bootloader.next_swap(image)
        if self.mode is Mode.RAM_LOAD:
            return None  # Zephyr reads the trailers here too, and they say nothing
        mine = self.slots.trailer(image, self.active(image))
        other = self.slots.trailer(image, 1 - self.active(image))
        if self.mode is Mode.DIRECT_XIP_REVERT:
            if mine.copy_done and not mine.image_ok:
                return Swap.REVERT
            if not other.pending:
                return None
        found = self.slots.image(image, 1 - self.active(image))
        if found is None or found.header.version <= self.running[image].image.header.version:
            return None
        permanent = self.mode is not Mode.DIRECT_XIP_REVERT or other.image_ok
        return Swap.PERMANENT if permanent else Swap.TEST

    def _in_use(self, image: int) -> bool:
        return not self.mode.highest_wins and self._next(image) is not None

    def _set_state(self, body: Mapping[str, Any]) -> Reply:
        if self.mode.highest_wins or self.mode is Mode.SERIAL_RECOVERY:
            raise No(8, None)
        confirm, digest = body.get("confirm") is True, body.get("hash")
        if not digest:
            if not confirm:
                raise No(24)
            image, slot = 0, self.active(0)
        else:
            image, slot = self._find(digest)
        if confirm and self.options.reject == "confirm":
            raise No(32)
        self._mark(image, slot, confirm=confirm)
        return Reply(self.list())

    def _find(self, digest: object) -> tuple[int, int]:
        for image in range(self.slots.images):
            for slot in (0, 1):
                found = self.slots.image(image, slot)
                if found is not None and found.identity.value == digest:
                    return image, slot
        raise No(8)

    def _mark(self, image: int, slot: int, *, confirm: bool) -> None:
        active, kind = self.active(image), self._next(image)
        if slot == active:
            if not confirm:
                raise No(33)
            if kind in {Swap.TEST, Swap.PERMANENT}:
                raise No(28)
            self.confirm(image)
            return
        if not confirm and self.options.reject == "pending":
            raise No(12)
        if kind is Swap.REVERT:
            if confirm:
                return  # it is what the next boot goes back to anyway
            raise No(28)
        if kind is not None:
            if confirm == (kind is Swap.PERMANENT):
                return
            raise No(28)
        self.slots.set_flag(image, slot, Flag.PENDING)
        if confirm:
            self.slots.set_flag(image, slot, Flag.IMAGE_OK)

    def confirm(self, image: int) -> None:
        """Make the running image permanent, as the application itself may."""
        if self.slots.trailer(image, self.active(image)).pending:
            self.slots.set_flag(image, self.active(image), Flag.IMAGE_OK)

    def _upload(self, body: Mapping[str, Any]) -> Reply:
        offset, data = body.get("off"), body.get("data", b"")
        if not isinstance(offset, int) or not isinstance(data, bytes):
            raise No(20)
        if offset == 0:
            return self._begin_upload(body, data)
        upload = self.upload
        if upload is None or offset != upload.offset:
            return Reply({"rc": 0, "off": upload.offset if upload else 0})
        if offset + len(data) > upload.size:
            self.upload = None
            raise No(31)
        return Reply(self._take(upload, data))

    def _begin_upload(self, body: Mapping[str, Any], data: bytes) -> Reply:
        size, sha, image = body.get("len"), body.get("sha", b""), body.get("image", 0)
        if len(data) < 32:
            raise No(22)
        if not isinstance(size, int):
            raise No(21)
        if data[:4] != b"\x3d\xb8\xf3\x96":
            raise No(23)
        if sha and self.upload is not None and self.upload.sha == sha:
            return Reply({"rc": 0, "off": self.upload.offset})
        if self.options.reject == "upload" or image not in self.running or self._in_use(image):
            raise No(9)
        if size > self.slots.room or len(data) > size:
            raise No(30)
        self.upload = UploadState(image, 1 - self.active(image), size, sha)
        self.slots.prepare(image, self.upload.slot, size)
        return Reply(self._take(self.upload, data), takes=self.options.slow_erase)

    def _take(self, upload: UploadState, data: bytes) -> Body:
        offset, written = upload.offset, data
        if self.options.worn_flash and offset == 0:
            written = data[:_WORN] + bytes((data[_WORN] ^ 0x10,)) + data[_WORN + 1 :]
        self.slots.write(upload.image, upload.slot, offset, written)
        upload.offset += len(data)
        if upload.offset == upload.size:
            self.upload = None
        return {"rc": 0, "off": upload.offset}

    def _erase(self, body: Mapping[str, Any]) -> Reply:
        if body.get("slot", 1) != 1 - self.active(0):
            raise No(14)
        if self._in_use(0):
            raise No(9)
        self.upload = None
        self.slots.prepare(0, 1 - self.active(0), self.slots.room)
        return Reply({"rc": 0}, takes=self.options.slow_erase)

    def _slot_info(self, _: Mapping[str, Any]) -> Reply:
        if self.options.no_info:
            raise No(8, None)
        size, room = (self.slots.pages + 1) * self.slots.flash.page, self.slots.room
        slots = [{"slot": 0, "size": size}, {"slot": 1, "size": size, "upload_image_id": 0}]
        images = [{"image": n, "slots": slots, "max_image_size": room} for n in range(self.slots.images)]
        return Reply({"images": images})

    # Operating system

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

    def _echo(self, body: Mapping[str, Any]) -> Reply:
        return Reply({"r": "sick" if self.sick else str(body.get("d", ""))})

    def _reset(self, body: Mapping[str, Any]) -> Reply:
        return Reply({}, restart=True, into_loader=body.get("boot_mode") == 1)
