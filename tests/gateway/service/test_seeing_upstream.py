"""Why upstream is not reached, and since when: from the connection itself."""

import asyncio
import socket

from gateway.service.seeing.upstream import trouble_of
from gateway.upstream.mqtt import MqttUpstream
from gateway.upstream.settings import MqttSettings
from tests.gateway.upstream.small import SmallGateway


async def test_a_broker_that_nobody_runs_is_trouble_since_the_first_try() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: whoever dials is refused
        settings = MqttSettings(
            url=f"mqtt://127.0.0.1:{taken.getsockname()[1]}", retry_first=0.01, retry_cap=0.02
        )
        upstream = MqttUpstream(settings)
        assert trouble_of(upstream) is None
        gateway = SmallGateway()
        running = asyncio.ensure_future(upstream.run(gateway, gateway))
        try:
            async with asyncio.timeout(20):
                while (first := trouble_of(upstream)) is None:  # noqa: ASYNC110 - nobody is told of a try
                    await asyncio.sleep(0.01)
                again = upstream.trouble
                while upstream.trouble is again:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.wait([running])
    later = trouble_of(upstream)
    assert later is not None
    assert first.code == "upstream-unreachable"
    assert "127.0.0.1" in first.message
    assert first.remedy
    assert later.since == first.since, "the same outage"
