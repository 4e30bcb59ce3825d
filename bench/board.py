"""A virtual node behind a PTY in a process of its own, so that its work is not counted as ours.

Run as ``python -m bench.board PATH PROFILE-PARAMS-JSON OPTIONS-JSON IMAGE``.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_START_S = 10.0


@contextmanager
def board(
    path: Path, plugin: str, params: Mapping[str, object], options: Mapping[str, str], image: Path
) -> Iterator[None]:
    """A node that is there while the context is."""
    words = [plugin, str(path), json.dumps(params), json.dumps(options), str(image)]
    process = subprocess.Popen([sys.executable, "-m", "bench.board", *words])
    try:
        end = time.monotonic() + _START_S
        while not path.exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the virtual node at {path} does not start")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()
        path.unlink(missing_ok=True)


async def _serve(plugin_name: str, path: str, params: str, options: str, image: str) -> None:
    from flashers.api import VirtualSetup, uart_node
    from gateway.plugins.registry import Registry
    from transports.virtual.pty import PtyHost

    plugin = Registry().flasher(plugin_name)
    setup = VirtualSetup(
        params=plugin.params.model_validate(json.loads(params)),
        flash={"app": Path(image).read_bytes()},  # noqa: ASYNC240 - nothing else runs yet
        options=json.loads(options),
    )
    async with PtyHost(uart_node(plugin.virtual_node(setup)), link=path):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
