"""zigpy as a host of its own, with its own way of updating: orders on standard input, a line each.

It takes the same orders as ``tests/peers/zigbee/host.mjs`` and nothing of it is ours but the reading
of orders: ``device.update_firmware`` over zigpy-znp is what a user of zigpy gets.
"""

import asyncio
import logging
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import zigpy.types as t
from zigpy.ota import OtaImageWithMetadata
from zigpy.ota.image import parse_ota_image
from zigpy.ota.providers import BaseOtaImageMetadata

from bench.orders import Said, serve


class ZigpyHost:
    """One controller of zigpy, told what to do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._app: Any = None
        self._joined: dict[str, asyncio.Event] = {}

    async def start(self, path: str, **_: Any) -> Said:
        """Form the network, or go on with it."""
        self._app = await import_module("zigpy_znp.zigbee.application").ControllerApplication.new(
            {
                "device": {"path": path.replace("tcp://", "socket://"), "baudrate": 115200},
                "database_path": str(self._folder / "zigbee.db"),
                "ota": {"enabled": False},
                "topology_scan_enabled": False,
                "startup_energy_scan": False,
                "backup_enabled": False,
                "network": {"channel": 15, "channels": [15]},
            },
            auto_form=True,
        )
        self._app.add_listener(self)
        return {"version": self._app.state.node_info.version}

    def device_initialized(self, device: Any) -> None:
        """The library's word that it has interviewed a node."""
        self._event(str(device.ieee)).set()

    async def permit(self, seconds: int, **_: Any) -> Said:
        """Let nodes join."""
        await self._running.permit(seconds)
        return {}

    async def joined(self, ieee: str, **_: Any) -> Said:
        """Wait until a node is interviewed."""
        await self._event(ieee).wait()
        device = self._device(ieee)
        return {"model": device.model, "manufacturer": device.manufacturer}

    async def update(self, ieee: str, file: str, **_: Any) -> Said:
        """Update a node; the processor's time is taken until it has the whole image."""
        image, _rest = parse_ota_image(await asyncio.to_thread(Path(file).read_bytes))
        metadata = BaseOtaImageMetadata(file_version=image.header.file_version)
        used: list[float] = []
        cpu = time.process_time()

        def progress(current: int, total: int, _percent: float) -> None:
            if current >= total:
                used.append(time.process_time() - cpu)

        status = await self._device(ieee).update_firmware(
            OtaImageWithMetadata(metadata=metadata, firmware=image), progress_callback=progress
        )
        return {"status": str(status), "cpu": used[0] if used else None}

    async def stop(self, **_: Any) -> Said:
        """Let go of the coordinator."""
        await self._running.shutdown()
        return {}

    @property
    def _running(self) -> Any:
        if self._app is None:
            raise RuntimeError("it was not started")
        return self._app

    def _event(self, ieee: str) -> asyncio.Event:
        return self._joined.setdefault(ieee, asyncio.Event())

    def _device(self, ieee: str) -> Any:
        return self._running.get_device(ieee=t.EUI64.convert(ieee))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(ZigpyHost(Path(sys.argv[1]))))
