"""MCUmgr's image group on a virtual node.

Source: Zephyr's documentation of the group, and for what it leaves open the
behaviour of Zephyr 4.4's server: which slot takes an upload, when a slot is in use,
what a state may be changed to, what is forgotten after the last byte.
"""

from collections.abc import Mapping
from typing import Any

from flashers.mcuboot_smp.image import Flag as ImageFlag
from flashers.mcuboot_smp.params import Mode
from flashers.mcuboot_smp.virtual.answers import Body, No, Reply, UploadState
from flashers.mcuboot_smp.virtual.bootloader import Bootloader, Running
from flashers.mcuboot_smp.virtual.slots import Flag
from flashers.mcuboot_smp.virtual.swap import Swap

_WORN = 0x40
"""Where a worn flash loses a bit: in the body of every image."""


class ImageGroup:
    """The commands of group 1 over the node's slots.

    ``claims`` replaces what the running image is said to be: (version, hash).
    """

    def __init__(
        self,
        bootloader: Bootloader,
        running: Mapping[int, Running],
        claims: tuple[str, bytes] | None = None,
    ) -> None:
        self.bootloader = bootloader
        self.slots = bootloader.slots
        self.options = bootloader.options
        self.mode = bootloader.mode
        self.running = running
        self.claims = claims
        self.upload: UploadState | None = None

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

    def set_state(self, body: Mapping[str, Any]) -> Reply:
        """Name an image for one start, or make one permanent."""
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

    def take_piece(self, body: Mapping[str, Any]) -> Reply:
        """A piece of an upload."""
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

    def erase(self, body: Mapping[str, Any]) -> Reply:
        """Erase the slot that runs nothing."""
        if body.get("slot", 1) != 1 - self.active(0):
            raise No(14)
        if self._in_use(0):
            raise No(9)
        self.upload = None
        self.slots.prepare(0, 1 - self.active(0), self.slots.room)
        return Reply({"rc": 0}, takes=self.options.slow_erase)

    def slot_info(self, _: Mapping[str, Any]) -> Reply:
        """The sizes of the slots."""
        if self.options.no_info:
            raise No(8, None)
        size, room = (self.slots.pages + 1) * self.slots.flash.page, self.slots.room
        slots = [{"slot": 0, "size": size}, {"slot": 1, "size": size, "upload_image_id": 0}]
        images = [{"image": n, "slots": slots, "max_image_size": room} for n in range(self.slots.images)]
        return Reply({"images": images})
