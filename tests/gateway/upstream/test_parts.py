"""Topics, settings, the waits between tries, and the end of things that run together."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from gateway.upstream.backoff import Backoff
from gateway.upstream.inbox import INBOX_BYTES, INBOX_MESSAGES, Inbox
from gateway.upstream.settings import MqttSettings
from gateway.upstream.together import until_one_ends
from gateway.upstream.topics import Topics, escape, unescape


@given(st.text())
def test_a_name_stays_within_its_level_and_can_be_read_back(name: str) -> None:
    level = escape(name)
    assert not set(level) & set("/+#$\0 ")
    assert level.isascii()
    assert unescape(level) == name


@given(st.text(), st.text())
def test_two_names_never_share_a_topic(one: str, other: str) -> None:
    topics = Topics("tender/gw")
    assert (topics.node(one) == topics.node(other)) == (one == other)


def test_a_gateways_name_is_escaped_where_it_stands_in_the_prefix() -> None:
    assert Topics.of("fleet/{gateway}/t", "a/b").status == "fleet/a%2Fb/t/status"
    assert Topics.of("fleet", "a/b").event == "fleet/event"


def test_a_url_says_where_the_broker_is_and_whether_it_is_encrypted() -> None:
    plain, secure = MqttSettings(url="mqtt://broker"), MqttSettings(url="mqtts://[::1]:9000/")
    assert (plain.host, plain.port, plain.tls) == ("broker", 1883, False)
    assert (secure.host, secure.port, secure.tls) == ("::1", 9000, True)
    assert MqttSettings(url="mqtts://broker").port == 8883


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": "http://broker"}, "write mqtt://HOST:PORT"),
        ({"url": "mqtt://"}, "write mqtt://HOST:PORT"),
        ({"url": "mqtt://[::1"}, "Invalid IPv6 URL"),
        ({"url": "mqtt://broker:99999"}, "Port out of range"),
        ({"url": "mqtt://broker:0"}, "0 is no port"),
        ({"url": "mqtt://me:secret@broker"}, "`password_file`"),
        ({"url": "mqtt://broker/tender"}, "`prefix`"),
        ({"prefix": "tender/#"}, "no + or #"),
        ({"prefix": "/tender"}, "slash"),
        ({"prefix": "tender/"}, "slash"),
        ({"prefix": ""}, "1 to 200"),
        ({"password": "x"}, "needs a `username`"),
        ({"username": "u", "password": "x", "password_file": "/x"}, "not both"),
        ({"cert_file": "/x", "url": "mqtts://broker"}, "belong together"),
        ({"ca_file": "/x"}, "need a mqtts:// url"),
        ({"retry_first": 10, "retry_cap": 1}, "less than"),
        ({"keepalive": 0}, "greater than or equal to 1"),
        ({"keep_alive": 10}, "Extra inputs"),
        ({"in_flight": 0}, "greater than or equal to 1"),
        ({"progress_every": -1}, "greater than or equal to 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_with_what_is_wrong(
    settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        MqttSettings(**{"url": "mqtt://broker", **settings})
    assert says in str(refused.value)


def test_a_password_is_not_shown() -> None:
    settings = MqttSettings(url="mqtt://broker", username="u", password=SecretStr("hunter2"))
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()
    assert MqttSettings(url="mqtt://b", username="u", password_file=Path("/x")).password is None


def test_waits_double_up_to_the_cap_and_scatter_by_half() -> None:
    never, always = Backoff(1, 60, chance=lambda: 0.0), Backoff(1, 60, chance=lambda: 1.0)
    assert [never.next(0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [always.next(0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_only_a_connection_that_lasted_starts_the_waits_anew() -> None:
    waits = Backoff(1, 60, chance=lambda: 0.0)
    assert [waits.next(0.1) for _ in range(5)] == [1, 2, 4, 8, 16]
    assert waits.next(31.9) == 32
    assert waits.next(64.0) == 1
    assert waits.next(3600.0) == 1


@given(st.lists(st.floats(0, 1e6), max_size=2000))
def test_a_wait_is_never_longer_than_the_cap_nor_none_at_all(lasted: list[float]) -> None:
    waits = Backoff(0.5, 120)
    for each in lasted:
        assert 0.25 <= waits.next(each) <= 120


@dataclass(frozen=True)
class Letter:
    """As much of a message as an inbox looks at."""

    qos: int
    payload: bytes = b""


def lacks_some(inbox: Inbox[Letter]) -> bool:
    return inbox.overflowed


def test_an_inbox_keeps_room_for_what_must_not_be_lost() -> None:
    inbox: Inbox[Letter] = Inbox()
    for _ in range(2 * INBOX_MESSAGES):
        inbox.put_nowait(Letter(0))
    assert inbox.qsize() == INBOX_MESSAGES // 2
    assert not lacks_some(inbox), "what the broker would not send again is simply lost"
    for _ in range(INBOX_MESSAGES // 2):
        inbox.put_nowait(Letter(1))
    assert not lacks_some(inbox)
    inbox.put_nowait(Letter(1))
    assert lacks_some(inbox)
    assert inbox.qsize() == INBOX_MESSAGES


def test_an_inbox_is_bounded_in_bytes_and_its_room_comes_back() -> None:
    inbox: Inbox[Letter] = Inbox()
    large = Letter(1, bytes(INBOX_BYTES // 4))
    for _ in range(4):
        inbox.put_nowait(large)
    assert not lacks_some(inbox)
    inbox.put_nowait(Letter(1, b"x"))
    assert lacks_some(inbox)
    assert [inbox.get_nowait() for _ in range(4)] == [large] * 4
    inbox.put_nowait(large)
    assert inbox.qsize() == 1


def test_a_message_larger_than_the_inbox_is_seen_once_it_is_alone() -> None:
    inbox: Inbox[Letter] = Inbox()
    giant = Letter(1, bytes(INBOX_BYTES + 1))
    inbox.put_nowait(giant)
    assert inbox.get_nowait() is giant
    assert not lacks_some(inbox)


async def forever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise LookupError("it failed")


async def test_what_runs_together_ends_together() -> None:
    ended = []

    async def work() -> None:
        try:
            await forever()
        finally:
            ended.append("work")

    with pytest.raises(LookupError, match="it failed"):
        await until_one_ends(work(), fail(), work())
    assert ended == ["work", "work"]


async def test_a_failure_of_what_runs_is_never_taken_for_being_stopped() -> None:
    task = asyncio.current_task()
    assert task is not None
    for _ in range(3):
        with pytest.raises(LookupError):
            await until_one_ends(forever(), fail())
        assert task.cancelling() == 0


async def test_being_stopped_is_told_as_such_even_while_something_fails() -> None:
    failing = asyncio.Event()

    async def fail_when_told() -> None:
        await failing.wait()
        raise LookupError

    task = asyncio.create_task(until_one_ends(forever(), fail_when_told()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    failing.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_ends_without_a_failure_ends_the_others_too() -> None:
    await until_one_ends(forever(), asyncio.sleep(0))
