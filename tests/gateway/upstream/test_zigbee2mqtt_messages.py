"""zigbee2mqtt's messages: what is understood, and what is said back."""

import json

import pytest

from gateway.upstream.zigbee2mqtt.messages import (
    BadRequest,
    NotVerified,
    Request,
    Update,
    UpdateState,
    Verb,
    answer,
    read,
    refusal,
    transaction_of,
)


@pytest.mark.parametrize(
    ("place", "payload", "meant"),
    [
        ("check", b'{"id": "lamp"}', Request(Verb.CHECK, "lamp")),
        ("check/downgrade", b'{"id": "lamp"}', Request(Verb.CHECK, "lamp", downgrade=True)),
        ("update", b"lamp", Request(Verb.UPDATE, "lamp")),
        ("update/downgrade", b'"lamp"', Request(Verb.UPDATE, "lamp", downgrade=True)),
        ("update/abort", b'{"id": "lamp", "transaction": 7}', Request(Verb.ABORT, "lamp", transaction=7)),
        ("schedule", b'{"id": "0x00124b001caabbcc"}', Request(Verb.SCHEDULE, "0x00124b001caabbcc")),
        ("unschedule", b'{"id": "lamp"}', Request(Verb.UNSCHEDULE, "lamp")),
    ],
)
def test_a_request_means_what_it_means_to_zigbee2mqtt(place: str, payload: bytes, meant: Request) -> None:
    assert read(place, payload) == meant


@pytest.mark.parametrize(
    ("place", "payload"),
    [
        ("check", b"{}"),
        ("check", b""),
        ("check", b"\xff"),
        ("check", b"[1]"),
        ("check", b'{"id": 5}'),
        ("burn", b'{"id": "lamp"}'),
        ("unschedule/downgrade", b'{"id": "lamp"}'),
        ("update/abort/downgrade", b'{"id": "lamp"}'),
    ],
)
def test_a_request_that_means_nothing_is_refused(place: str, payload: bytes) -> None:
    with pytest.raises(BadRequest):
        read(place, payload)


@pytest.mark.parametrize("own", [{"url": "http://x/y.ota"}, {"hex": {"data": "00"}}])
@pytest.mark.parametrize("place", ["check", "update", "schedule"])
def test_an_image_that_nobody_signed_is_not_taken(place: str, own: dict[str, object]) -> None:
    with pytest.raises(NotVerified):
        read(place, json.dumps({"id": "lamp", **own}).encode())


def test_an_answer_repeats_the_transaction_and_an_error_says_what_to_do() -> None:
    assert json.loads(answer({"id": "lamp"}, "t1")) == {
        "data": {"id": "lamp"},
        "status": "ok",
        "transaction": "t1",
    }
    said = json.loads(refusal(BadRequest("no such place"), None))
    assert (said["status"], said["error"], said["code"]) == ("error", "no such place", BadRequest.code)
    assert said["remedy"]
    assert "transaction" not in said
    assert transaction_of(b'{"transaction": "a"}') == "a"
    assert transaction_of(b"\xff{") is None


def test_a_state_has_zigbee2mqtts_keys() -> None:
    said = json.loads(Update(UpdateState.UPDATING, 1, 2, progress=12.3456, remaining=60).payload())
    assert said == {
        "update": {
            "state": "updating",
            "installed_version": 1,
            "latest_version": 2,
            "latest_source": None,
            "latest_release_notes": None,
            "progress": 12.35,
            "remaining": 60,
        }
    }
    assert "progress" not in json.loads(Update(UpdateState.IDLE, None, None).payload())["update"]
