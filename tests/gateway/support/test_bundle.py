"""What is sent to the vendor helps, and has no secret and no image in it, whatever the gateway's state."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.api.server import ApiServer
from gateway.cli.main import main
from gateway.support.redact import HIDDEN, Redactor
from tests.gateway.service.site import Bench
from tests.gateway.support import place
from transports.virtual.clock import run_virtual


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A gateway's files after an update that failed, and an environment with secrets."""
    bench = Bench(tmp_path)

    async def filling() -> None:
        await place.fill(bench)

    run_virtual(filling())
    monkeypatch.setenv("TENDER_CONFIG", str(place.write_config(bench)))
    monkeypatch.setenv("TENDER_UPLOAD_PASSWORD", place.VARIABLE)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{place.IN_URL}@proxy:3128")
    monkeypatch.delenv("TENDER_SOCKET", raising=False)
    with place.memory_lines(bench):
        yield bench


def log_of(folder: Path) -> Path:
    """A log in which everything stands that should not."""
    lines = [f"WARNING dial {secret}" for secret in place.SECRETS]
    lines += [f"DEBUG tx {secret.encode().hex(' ')}" for secret in place.SECRETS]
    lines += [
        f"DEBUG b64 {base64.b64encode(b'x' + secret.encode() + b'yy').decode()}" for secret in place.SECRETS
    ]
    lines += [
        "GET https://a.example/f?X-Amz-Signature=deadbeefdeadbeef&n=1",
        "Authorization: Bearer abcdefgh12345678",
    ]
    lines += [f"connecting mqtts://other:{'pw' * 6}@{place.BROKER}:8883", "node=s1 attempt=1 phase=proving"]
    file = folder / "tender.log"
    file.write_text("\n".join(lines))
    return file


def no_secret_in(files: dict[str, str], bench: Bench) -> None:
    whole = "\n".join(files.values())
    for secret in place.SECRETS:
        for form in place.forms(secret.encode()):
            assert form not in whole, f"{secret!r} is in it as {form!r}"
    for secret in (
        "deadbeefdeadbeef",
        "abcdefgh12345678",
        "pw" * 6,
        place.BROKER,
        "files.example/x.tender?token=t",
    ):
        assert secret not in whole
    pieces = place.pieces_of_images(bench)
    assert len(pieces) > 20
    for piece in pieces:
        for form in place.forms(piece):
            assert form not in whole, f"a piece of an image is in it as {form!r}"
    assert (bench.folder / "key.pem").read_text().splitlines()[1] not in whole


def test_without_a_service_the_files_say_what_happened_and_no_secret(bench: Bench) -> None:
    out = bench.folder / "b.tar.gz"
    assert main(["support-bundle", "--out", str(out), "--log", str(log_of(bench.folder))]) == 0
    assert out.stat().st_mode & 0o077 == 0
    files = place.read(out)
    no_secret_in(files, bench)
    for name in ("doctor.json", "versions.json", "config.json", "profiles.json", "journal.json", "log.txt"):
        assert name in files, files["MANIFEST"]
    config = json.loads(files["config.json"])
    assert config["upstream.mqtt.password"]["value"] == HIDDEN
    assert config["nodes.s1.profile"]["value"] == "sensor"
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert [event["id"]["sequence"] for event in events] == list(range(1, len(events) + 1))
    attempts = [json.loads(text) for name, text in files.items() if name.startswith("attempts/")]
    assert {each["record"]["result"]["outcome"] for each in attempts} == {"rolled-back", "wounded"}
    said = "\n".join(line for each in attempts for line in each["trace"])
    assert "write image/upload" in said or "read answer image/state" in said
    assert "program page 128 bytes of 'F'" in said
    assert json.loads(files["journal.json"])["findings"] == ["ok"]
    assert "node=s1 attempt=1 phase=proving" in files["log.txt"]
    assert "connecting mqtts://(secret)@host-1:8883" in files["log.txt"]
    assert "service-not-running" in files["doctor.json"]
    for name in files.keys() - {"MANIFEST"}:
        assert name in files["MANIFEST"]


async def test_beside_a_running_service_it_is_the_service_that_tells(bench: Bench) -> None:
    out = bench.folder / "b.tar.gz"
    async with bench.gateway() as running:
        server = ApiServer(running.gateway, bench.folder / "sock", spool=bench.folder / "spool")
        await server.start()
        try:
            assert await asyncio.to_thread(main, ["support-bundle", "--out", str(out), "--json"]) == 0
        finally:
            await server.stop()
    files = place.read(out)
    no_secret_in(files, bench)
    status: Any = json.loads(files["status.json"])
    assert status["status"]["gateway"] == "gw"
    assert "attempts/1.json" in files
    assert {node["name"] for node in json.loads(files["nodes.json"])} == {"s1", "r1"}
    assert "log.txt" in files["MANIFEST"].partition("Could not be had:")[2]


def test_a_broken_journal_is_told_of_and_keeps_nothing_else_out(bench: Bench) -> None:
    file = bench.folder / "state" / "journal.sqlite"
    data = bytearray(file.read_bytes())
    data[4096 * 3 : 4096 * 8] = b"\xa5" * (4096 * 5)
    file.write_bytes(data)
    before = file.read_bytes()
    out = bench.folder / "b.tar.gz"
    assert main(["support-bundle", "--out", str(out)]) == 0
    files = place.read(out)
    assert json.loads(files["journal.json"])["findings"] != ["ok"]
    assert "journal-damaged" in files["doctor.json"]
    assert {"config.json", "versions.json", "profiles.json"} <= files.keys()
    assert file.read_bytes() == before, "looking changed it"
    no_secret_in(files, bench)


def test_a_configuration_that_cannot_be_read_gives_a_bundle_all_the_same(bench: Bench) -> None:
    place.write_config(bench, mqtt=f"mqtts://gw:{place.IN_URL}@{place.BROKER}")
    out = bench.folder / "b.tar.gz"
    assert main(["support-bundle", "--out", str(out)]) == 0
    files = place.read(out)
    assert "config-bad-value" in files["doctor.json"]
    assert place.IN_URL not in "\n".join(files.values())


def test_a_password_in_a_file_of_its_own_is_as_secret(bench: Bench) -> None:
    file = bench.folder / "broker.password"
    file.write_text(f"{place.FILE_PASSWORD}\n")
    place.write_config(bench, secret=f'password_file = "{file}"')
    log = bench.folder / "tender.log"
    log.write_text(
        f"it is {place.FILE_PASSWORD}, or {base64.b64encode(place.FILE_PASSWORD.encode()).decode()}"
    )
    out = bench.folder / "b.tar.gz"
    assert main(["support-bundle", "--out", str(out), "--log", str(log)]) == 0
    files = place.read(out)
    assert files["log.txt"] == f"it is {HIDDEN}, or {HIDDEN}"
    assert str(file) in files["config.json"]


def test_an_archive_that_is_there_is_not_written_over(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    out = bench.folder / "b.tar.gz"
    out.write_text("mine")
    assert main(["support-bundle", "--out", str(out)]) == 2
    assert out.read_text() == "mine"
    assert "is there already" in capsys.readouterr().err


def test_one_host_is_called_the_same_everywhere_and_a_longer_name_is_not_cut() -> None:
    redactor = Redactor(hosts=["plant", "10.0.0.5", "localhost"])
    assert redactor.text("rfc2217://10.0.0.5:4000 at plant, not planting") == (
        "rfc2217://host-2:4000 at host-1, not planting"
    )
    assert redactor.text("localhost 110.0.0.51") == "localhost 110.0.0.51"


def test_plain_values_lose_what_their_keys_call_secret() -> None:
    told = Redactor().value({"password": "x", "list": [{"api_token": "y"}], "tokens": 3, "phase": "done"})
    assert told == {"password": HIDDEN, "list": [{"api_token": HIDDEN}], "tokens": HIDDEN, "phase": "done"}
