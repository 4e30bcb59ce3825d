"""`tender state` as somebody types it, against a real gateway behind a real socket, and against its files."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.api.server import ApiServer
from gateway.app import make_site
from gateway.config.load import load_config
from gateway.service.gateway import Gateway
from tests.gateway.cli.conftest import Tender
from tests.gateway.service.site import RELAY, Bench, firmware

WORDS = "a horse that is correct"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configured gateway with one node that is not plugged in; the folder of all of it."""
    (tmp_path / "bench").mkdir()
    bench = Bench(tmp_path / "bench")
    file = tmp_path / "site.toml"
    file.write_text(
        f"""
state = {json.dumps(str(tmp_path / "state"))}
socket = {json.dumps(str(tmp_path / "sock"))}
profiles = [{json.dumps(str(bench.profiles))}]
gateway.name = "cellar"
[nodes.r1]
profile = "{RELAY}"
link = "uart:/dev/ttyNoSuchPort"
"""
    )
    monkeypatch.setenv("TENDER_CONFIG", str(file))
    (tmp_path / "words").write_text(f"{WORDS}\n")
    return tmp_path


@pytest.fixture
async def service(site: Path) -> AsyncIterator[Gateway]:
    """That gateway at work, with a baseline that its node type may go back to."""
    config = load_config(site / "site.toml").config
    async with AsyncExitStack() as stack:
        gateway = Gateway(await make_site(config, stack))
        await gateway.start()
        (site / "old.hex").write_bytes(firmware(RELAY, "1.0.0"))
        await gateway.add_baseline(site / "old.hex", profile=RELAY, component="app", version="1.0.0")
        server = ApiServer(gateway, config.socket, spool=config.state / "spool")
        await server.start()
        work = asyncio.create_task(gateway.run())
        yield gateway
        await server.stop()
        await gateway.stop()
        work.cancel()
        await asyncio.wait([work])


def by_words(site: Path) -> tuple[str, str]:
    return "--passphrase-file", str(site / "words")


def unfinished(folder: Path) -> list[Path]:
    return [*folder.glob("*.tmp"), *folder.glob(".*.tmp")]


async def test_a_running_service_is_exported_and_taken_in_elsewhere(
    tender: Tender, site: Path, service: Gateway
) -> None:
    file = site / "cellar.tender-state"
    said = await tender("state", "export", str(file), *by_words(site))
    assert (said.code, said.err) == (0, "")
    assert "from the running service, sealed by a passphrase" in said.out
    assert file.stat().st_mode & 0o777 == 0o600
    assert WORDS.encode() not in file.read_bytes()
    told = [event for event in await service.site.journal.events() if event.kind == "state.exported"]
    assert told[0].data["known_goods"] == 0
    assert "pid" in str(told[0].data["asked_by"])
    verified = await tender("state", "verify", str(file), *by_words(site), "--json")
    assert verified.json["gateway"] == "cellar"
    assert verified.json["lacking"] == []
    refused = await tender("state", "import", str(file), *by_words(site))
    assert (refused.code, refused.err.split(": ")[1]) == (2, "state-in-use")
    taken = await tender("state", "import", str(file), *by_words(site), "--state", str(site / "new"))
    assert taken.code == 0, taken.err
    assert "known-goods    0" in taken.out
    assert len(list((site / "new/store/sha256").glob("??/*"))) == 1, "the baseline came along"
    assert not list((site / "state").glob("export-*"))


async def test_a_stopped_service_is_exported_from_its_files(tender: Tender, site: Path) -> None:
    config = load_config(site / "site.toml").config
    async with AsyncExitStack() as stack:
        await Gateway(await make_site(config, stack)).start()
    key, file = site / "key.pem", site / "cellar.tender-state"
    made = await tender("state", "keygen", str(key))
    assert made.out.startswith("x25519:")
    said = await tender("state", "export", str(file), "--to", made.out.strip(), "--json")
    assert said.json["from"] == "the files of the stopped service"
    there = await tender("state", "import", str(file), "--key", str(key))
    assert (there.code, there.err.split(": ")[1]) == (2, "state-there")
    taken = await tender("state", "import", str(file), "--key", str(key), "--replace", "--json")
    assert taken.json["gateway"] == "cellar"
    assert (config.state / "replaced/journal.sqlite").exists()


@pytest.mark.usefixtures("service")
async def test_what_is_not_known_is_said(tender: Tender, site: Path) -> None:
    shown = await tender("state", "show", "--socket", str(site / "sock"))
    assert "epoch" in shown.out
    assert "r1" not in shown.out
    rebuilt = await tender("state", "rebuild", "--socket", str(site / "sock"))
    assert rebuilt.code == 0, rebuilt.err
    row = next(line for line in rebuilt.out.splitlines() if line.startswith("r1"))
    assert "costly" in row
    assert "restarts its application" in row
    tried = await tender("state", "rebuild", "--allow-restart", "--socket", str(site / "sock"))
    row = next(line for line in tried.out.splitlines() if line.startswith("r1"))
    assert "silent" in row


async def test_a_passphrase_never_stands_on_the_command_line(
    tender: Tender, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ways in ((), (*by_words(site), "--to", "x25519:AAAA"), (*by_words(site), "--passphrase-env", "X")):
        said = await tender("state", "export", str(site / "x"), *ways)
        assert said.code == 2, said.out
        assert not (site / "x").exists()
    monkeypatch.setenv("WORDS", "")
    assert "empty" in (await tender("state", "verify", str(site / "x"), "--passphrase-env", "WORDS")).err
    monkeypatch.delenv("WORDS")
    assert (
        "no variable" in (await tender("state", "verify", str(site / "x"), "--passphrase-env", "WORDS")).err
    )


@pytest.mark.usefixtures("service")
async def test_each_bad_export_is_one_clear_error(tender: Tender, site: Path) -> None:
    file, other = site / "cellar.tender-state", site / "other-words"
    await tender("state", "export", str(file), *by_words(site))
    other.write_text("another")
    whole = file.read_bytes()
    assert (await tender("state", "verify", str(file), "--passphrase-file", str(other))).err.startswith(
        "tender: export-wrong-key: "
    )
    for data, code in (
        (whole[:-1], "export-truncated"),
        (b"hello", "not-an-export"),
        (whole + b"x" * 70_000, ""),
    ):
        file.write_bytes(data)
        said = await tender("state", "verify", str(file), *by_words(site))
        assert said.code == 2
        assert said.err.startswith(f"tender: {code or 'export-'}"), said.err
        assert len(said.err.splitlines()) == 2


async def test_an_export_that_cannot_be_written_leaves_nothing(
    tender: Tender, site: Path, service: Gateway
) -> None:
    said = await tender("state", "export", str(site / "no/such/folder/x"), *by_words(site))
    assert said.code == 2
    (site / "taken").mkdir()
    said = await tender("state", "export", str(site / "taken"), *by_words(site))
    assert said.code == 2
    assert not unfinished(site)
