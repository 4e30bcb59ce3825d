"""What HTTP answers mean, as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.artifacts.http import (
    Anew,
    Append,
    AskAgain,
    Complete,
    Later,
    Meaning,
    Never,
    judge_answer,
    request_headers,
)
from gateway.artifacts.partial import Origin

URL = "http://x/y"
KNOWN = Origin(URL, '"v1"', 1000)


def judged(status: int, headers: dict[str, str], have: int = 400, origin: Origin | None = KNOWN) -> Meaning:
    return judge_answer(status, CIMultiDict(headers), url=URL, have=have, origin=origin)


@pytest.mark.parametrize(
    ("status", "headers", "meaning"),
    [
        (200, {"content-length": "1000", "ETag": '"v2"'}, Anew(Origin(URL, '"v2"', 1000))),
        (200, {"ETag": 'W/"v2"', "Last-Modified": "Sat"}, Anew(Origin(URL, "Sat", None))),
        (200, {"Content-Length": "-5"}, Anew(Origin(URL, None, None))),
        (200, {"Content-Length": "9" * 30}, Anew(Origin(URL, None, None))),
        (206, {"Content-Range": "bytes 400-999/1000", "ETag": '"v1"'}, Append(1000)),
        (206, {"Content-Range": "bytes 400-999/1000"}, Append(1000)),
        (206, {"Content-Range": "bytes 400-999/*"}, Append(None)),
        (206, {"Content-Range": "bytes 0-999/1000", "ETag": '"v1"'}, Anew(KNOWN)),
        (206, {"Content-Range": "bytes 400-999/1000", "ETag": '"v2"'}, AskAgain("")),
        (206, {"Content-Range": "bytes 400-1199/1200"}, AskAgain("")),
        (206, {"Content-Range": "bytes 300-999/1000"}, AskAgain("")),
        (206, {"Content-Range": "bytes */1000"}, Never("")),
        (206, {"Content-Range": "furlongs 400-999/1000"}, Never("")),
        (206, {"Content-Type": "multipart/byteranges"}, Never("")),
        (200, {"Content-Encoding": "gzip"}, Never("")),
        (416, {"Content-Range": "bytes */400"}, Complete()),
        (416, {"Content-Range": "bytes */300"}, AskAgain("")),
        (416, {}, AskAgain("")),
        (503, {"Retry-After": "7"}, Later("", 7.0)),
        (503, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, Later("", None)),
        (429, {}, Later("", None)),
        (408, {}, Later("", None)),
        (500, {}, Later("", None)),
        (404, {}, Never("")),
        (403, {}, Never("")),
        (401, {}, Never("")),
        (410, {}, Never("")),
        (204, {}, Never("")),
        (304, {}, Never("")),
    ],
)
def test_an_answer_to_the_second_request(status: int, headers: dict[str, str], meaning: Meaning) -> None:
    found = judged(status, headers)
    assert type(found) is type(meaning)
    if isinstance(found, Anew | Append):
        assert found == meaning
    if isinstance(found, Later) and isinstance(meaning, Later):
        assert found.after == meaning.after


def test_an_end_is_only_believed_of_the_very_same_file() -> None:
    ended = {"Content-Range": "bytes */400"}
    assert isinstance(judged(416, ended, origin=None), AskAgain)
    assert isinstance(judged(416, ended, origin=Origin(URL)), AskAgain)
    assert isinstance(judged(416, ended, have=0), Never)


def test_bytes_from_elsewhere_are_not_compared_with_this_servers_marks() -> None:
    assert judged(206, {"Content-Range": "bytes 400-999/1000", "ETag": '"other"'}, origin=None) == Append(
        1000
    )


def test_what_is_asked_for() -> None:
    assert request_headers(0, KNOWN) == {"Accept-Encoding": "identity"}
    assert request_headers(400, KNOWN) == {
        "Accept-Encoding": "identity",
        "Range": "bytes=400-",
        "If-Range": '"v1"',
    }
    assert "If-Range" not in request_headers(400, None)
    assert "If-Range" not in request_headers(400, Origin(URL))


names = st.sampled_from(
    ["Content-Range", "Content-Length", "ETag", "Last-Modified", "Content-Encoding", "Retry-After"]
)


@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(names, st.text(max_size=30) | st.just("bytes 400-999/1000") | st.just('"v1"')),
    have=st.integers(0, 1000),
    origin=st.none() | st.just(KNOWN) | st.just(Origin(URL)),
)
def test_any_answer_has_a_meaning_and_only_a_fitting_part_is_appended(
    status: int, headers: dict[str, str], have: int, origin: Origin | None
) -> None:
    if isinstance(judged(status, headers, have, origin), Append):
        assert status == 206
        assert headers["Content-Range"].startswith(f"bytes {have}-")
