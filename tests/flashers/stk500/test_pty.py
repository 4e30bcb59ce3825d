"""The same over a real PTY and the real transport, in real time."""

from pathlib import Path

from flashers.api import Firmware, Probe, Role, Transfer
from flashers.stk500 import PLUGIN
from tests.flashers.session import FakeSession
from tests.flashers.stk500.world import NEW, OLD, PARAMS, RESTART, node_with
from transports.links import LinkSpec
from transports.open import open_link
from transports.virtual.pty import PtyHost


async def test_a_node_behind_a_pty_is_looked_at_updated_and_asked(tmp_path: Path) -> None:
    node = node_with(OLD)
    async with PtyHost(node, link=tmp_path / "node", baud=115200) as host:
        session = FakeSession(lambda: open_link(LinkSpec.parse(f"uart:{host.path}?baud=115200")))
        flasher = PLUGIN.open(session, PARAMS)
        try:
            before = await flasher.probe(Probe(RESTART, (NEW, OLD)))
            after = await flasher.transfer(Transfer(NEW))
            assert await flasher.command(b"version?", reply_timeout=5) == b"version 1.1.0"
        finally:
            await flasher.cleanup()
            await session.close()
    for seen, image, version in ((before, OLD, "1.0.0"), (after, NEW, "1.1.0")):
        assert seen is not None
        slot = seen.active(0)
        assert slot is not None
        assert (seen.role, slot.firmware) == (Role.APP, Firmware(image.firmware.identity, version))
    assert session.opens == 2  # no modem lines, so the second reset was an opening
    assert node.truth().running == {0: NEW.firmware.identity}
