"""A gateway's files as a service left them: a configuration, a journal with a failed update, a store."""

import asyncio
import base64
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flashers.sim import Behaviour
from gateway.control import DeploymentPolicy, DeployRequest, Selector
from tests.gateway.service.site import NEW, PRODUCT, RELAY, SENSOR, Bench, Piece
from transports.links import MEDIUM_OF_SCHEME, Medium
from transports.open import register

PASSWORD = "correct-horse/battery+staple"
FILE_PASSWORD = "kept in its own file 77"
TOKEN = "tok_9f8e7d6c5b4a39281706"
IN_URL = "s3cr3t-in-a-url"
VARIABLE = "a variable that nobody may read"
KEY_LINE = "MC4CAQAwBQYDK2VwBCIEIHplantedPlantedPlantedPlanted0123456789abc"
SECRETS = (PASSWORD, TOKEN, IN_URL, VARIABLE, KEY_LINE)
BROKER = "broker.greenhouse.example"


async def fill(bench: Bench) -> None:
    """An update that failed on two nodes, whose recordings were kept; its request has a URL with a token."""
    bench.node("s1", SENSOR)
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        pieces = (Piece(SENSOR, Behaviour.UNHEALTHY), Piece(RELAY, Behaviour.UNHEALTHY))
        await running.gateway.add_release(bench.release(NEW, *pieces), asked_by="ann")
        url = f"https://bob:{IN_URL}@files.example/x.tender?token={TOKEN}"
        await running.gateway.deploy(
            DeployRequest(
                "night",
                PRODUCT,
                NEW,
                Selector(all=True),
                DeploymentPolicy(no_rollback="allow", all_at_once=True),
                asked_by="ann",
                manifest_url=url,
            )
        )
        await running.ended()
        await running.gateway.command_refused(
            "dance", "verb-unknown", f"password={PASSWORD}", "read the page"
        )
        await asyncio.sleep(1.0)


def write_config(bench: Bench, *, mqtt: str | None = None, secret: str | None = None) -> Path:
    """The configuration as a file, with a broker that needs a password."""
    key = bench.folder / "client.key"
    key.write_text(f"-----BEGIN PRIVATE KEY-----\n{KEY_LINE}\n-----END PRIVATE KEY-----\n")
    lines = [
        f"state = {json.dumps(str(bench.folder / 'state'))}",
        f"socket = {json.dumps(str(bench.folder / 'sock'))}",
        f"profiles = [{json.dumps(str(bench.profiles))}]",
        '[gateway]\nname = "gw"',
        f'[trust]\nkeys.team = "{bench.public}"',
        "[upstream.mqtt]",
        f'url = "{mqtt or f"mqtts://{BROKER}"}"\nusername = "gw"',
        secret or f'password = "{PASSWORD}"',
        f'cert_file = "{key}"\nkey_file = "{key}"',
    ]
    for name, table in bench.tables.items():
        lines.append(f'[nodes.{name}]\nprofile = "{table["profile"]}"\nlink = "{table["link"]}"')
    file = bench.folder / "gateway.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


@contextmanager
def memory_lines(bench: Bench) -> Iterator[None]:
    """Links in memory are links, for as long as the context lasts."""
    MEDIUM_OF_SCHEME.pop("memory", None)
    unregister = register("memory", Medium.UART, bench.lines.open)
    try:
        yield
    finally:
        unregister()


def read(bundle: Path) -> dict[str, str]:
    """Every file of a bundle by its name without the folder."""
    with tarfile.open(bundle) as archive:
        return {
            entry.name.partition("/")[2]: archive.extractfile(entry).read().decode()  # type: ignore[union-attr]
            for entry in archive
        }


def forms(data: bytes) -> set[str]:
    """Bytes as they may stand in a text: as they are, in hexadecimal, inside of base64 at any offset."""
    found = {data.hex(), data.hex().upper(), data.hex(" "), data.hex(":"), data.decode("latin-1")}
    found |= {json.dumps(data.decode("latin-1"))[1:-1]}
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        found.add(encoded[(before * 4 + 2) // 3 + (1 if before else 0) : -2])
    return {form for form in found if len(form) >= 6}


def pieces_of_images(bench: Bench) -> list[bytes]:
    """Pieces of every image in the store that could be of nothing else; a digest, which names it, is none."""
    found = []
    named = bench.identity(SENSOR, NEW, Behaviour.UNHEALTHY).value
    for file in (bench.folder / "state" / "store").rglob("*"):
        data: Any = file.read_bytes() if file.is_file() else b""
        found += [
            data[start : start + 16]
            for start in range(64, len(data) - 16, max(16, len(data) // 60))
            if len(set(data[start : start + 16])) >= 11
            and not data.find(named) - 16 < start < data.find(named) + len(named)
        ]
    return found
