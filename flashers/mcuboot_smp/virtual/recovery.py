"""MCUboot's serial recovery: the few commands that the bootloader itself answers.

Source: MCUboot's ``boot_serial.c``.  It writes the first slot, begins anew at every
request with offset 0, takes whole flash words only, lists what it has checked and
flags nothing, and answers ENOTSUP to a change of state.
"""

from collections.abc import Mapping
from typing import Any

from flashers.mcuboot_smp.codec import Group, ImageCommand, Message, Op, OsCommand
from flashers.mcuboot_smp.virtual.answers import Body, Reply, UploadState
from flashers.mcuboot_smp.virtual.bootloader import Bootloader

_EINVAL = 3
_ENOTSUP = 8


class RecoveryServer:
    """The bootloader's side of SMP."""

    def __init__(self, bootloader: Bootloader) -> None:
        self.bootloader = bootloader
        self.slots = bootloader.slots
        self.options = bootloader.options
        self.upload: UploadState | None = None

    def handle(self, request: Message) -> Reply:
        """Carry a request out.

        Raises:
            PowerCut: power failed meanwhile.
        """
        match (request.op, request.group, request.command):
            case (Op.READ, Group.IMAGE, ImageCommand.STATE):
                return Reply(self.list())
            case (Op.WRITE, Group.IMAGE, ImageCommand.UPLOAD):
                return self._upload(request.body)
            case (Op.READ, Group.OS, OsCommand.PARAMETERS) if not self.options.no_params:
                return Reply({"buf_size": self.options.buf_size, "buf_count": 1})
            case (Op.WRITE, Group.OS, OsCommand.RESET):
                return Reply({"rc": 0}, restart=True)
            case _:
                return Reply({"rc": _ENOTSUP})

    def list(self) -> Body:
        """Images whose digest and key are right."""
        listed = []
        for image in range(self.slots.images):
            found = self.bootloader.valid(image, 0)
            if found is None:
                continue
            major, minor, revision, build = found.image.header.version
            entry: Body = {"image": image} if self.slots.images > 1 else {}
            entry |= {"slot": 0}
            if not self.options.no_hash:
                entry["hash"] = found.image.identity.value
            entry["version"] = f"{major}.{minor}.{revision}" + (f".{build}" if build else "")
            listed.append(entry)
        return {"images": listed}

    def _upload(self, body: Mapping[str, Any]) -> Reply:
        offset, data = body.get("off"), body.get("data")
        if not isinstance(offset, int) or not isinstance(data, bytes):
            return Reply({"rc": _EINVAL})
        takes = 0.0
        if offset == 0:
            size, image = body.get("len"), body.get("image", 0)
            fits = isinstance(size, int) and len(data) <= size <= self.slots.room
            if not isinstance(size, int) or not fits or not 0 <= image < self.slots.images:
                return Reply({"rc": _EINVAL})
            self.upload = UploadState(image, 0, size, b"")
            self.slots.prepare(image, 0, size)
            takes = self.options.slow_erase
        upload = self.upload
        if upload is None or offset != upload.offset:
            return Reply({"rc": 0, "off": upload.offset if upload else 0})
        if offset + len(data) > upload.size:
            return Reply({"rc": _EINVAL})
        if offset + len(data) < upload.size:
            data = data[: len(data) - len(data) % self.options.trim_tail]
        self.slots.write(upload.image, 0, offset, data)
        upload.offset += len(data)
        return Reply({"rc": 0, "off": upload.offset}, takes=takes)
