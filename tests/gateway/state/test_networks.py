"""Zigbee networks outlive the machine with the rest of the state."""

import re
import sqlite3
from pathlib import Path

import pytest

from gateway.artifacts.files import off_loop
from gateway.state.importing import READY, REPLACED, import_state, settle
from gateway.state.networks import NAMES
from tests.gateway.state.test_importing import Place, place, word

__all__ = ["place"]


class Died(Exception):
    """The process ends here."""


def network(state: Path, name: str, word: str) -> sqlite3.Connection:
    """What zigpy keeps of a network, open as it is while the service works."""
    folder = state / "zigbee" / name
    (folder / "backups").mkdir(parents=True)
    for number in (9, 10):
        (folder / "backups" / f"{number:06d}-20261121T120000.json").write_text(
            f'{{"word": "{word} {number}"}}'
        )
    connection = sqlite3.connect(folder / "zigbee.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE devices (ieee TEXT)")
    connection.execute("INSERT INTO devices VALUES (?)", (word,))
    return connection


def devices(state: Path, name: str) -> list[str]:
    """What a network's database has, after whoever had it open is gone."""
    connection = sqlite3.connect(state / "zigbee" / name / "zigbee.db")
    try:
        return [ieee for (ieee,) in connection.execute("SELECT ieee FROM devices")]
    finally:
        connection.close()


async def test_a_network_goes_along_while_it_is_open_with_its_newest_backup(
    place: Place, tmp_path: Path
) -> None:
    connection = network(place.state, "hall", "lamp")
    await place.export()
    connection.close()
    elsewhere = tmp_path / "elsewhere"
    await place.take(elsewhere)
    assert devices(elsewhere, "hall") == ["lamp"]
    backups = [path.name for path in (elsewhere / "zigbee" / "hall" / "backups").iterdir()]
    assert backups == ["000010-20261121T120000.json"]
    assert (elsewhere / "zigbee" / "hall" / "zigbee.db").stat().st_mode & 0o077 == 0, (
        "it has the network's key"
    )


async def test_a_database_that_cannot_be_read_keeps_no_export_from_being_made(
    place: Place, tmp_path: Path
) -> None:
    network(place.state, "hall", "lamp").close()
    (place.state / "zigbee" / "hall" / "zigbee.db").write_bytes(b"no database" * 100)
    await place.export()
    elsewhere = tmp_path / "elsewhere"
    await place.take(elsewhere)
    assert [path.name for path in (elsewhere / "zigbee" / "hall").iterdir()] == ["backups"]


@pytest.mark.parametrize("at", ["move network hall", "move network yard", "move journal", "clean"])
async def test_killed_as_networks_are_moved_the_next_start_has_the_new_ones(place: Place, at: str) -> None:
    for name in ("hall", "yard"):
        network(place.state, name, f"new {name}").close()
    await place.export()
    for name in ("hall", "yard"):
        database = place.state / "zigbee" / name / "zigbee.db"
        with sqlite3.connect(database) as connection:
            connection.execute("UPDATE devices SET ieee = 'old'")
        connection.close()

    def die(step: str) -> None:
        if step == at:
            raise Died

    with pytest.raises(Died):
        await import_state(place.file, place.opener, place.state, "gw", replace=True, step=die)
    await off_loop(lambda: settle(place.state))
    assert [devices(place.state, name) for name in ("hall", "yard")] == [["new hall"], ["new yard"]]
    aside = sqlite3.connect(place.state / REPLACED / "zigbee" / "hall" / "zigbee.db")
    assert aside.execute("SELECT ieee FROM devices").fetchall() == [("old",)]
    aside.close()
    assert not (place.state / READY).exists()
    assert await word(place.state) == "exported"


@pytest.mark.parametrize(
    "name",
    [
        "networks/../zigbee.db",
        "networks/hall/../../zigbee.db",
        "networks/hall/backups/../zigbee.db",
        "networks/hall/zigbee_db",
        "networks//zigbee.db",
        "networks/hall/backups/.hidden.json",
        "networks/hall/other.db",
    ],
)
def test_no_member_leads_out_of_its_folder(name: str) -> None:
    assert re.fullmatch(NAMES, "networks/hall/zigbee.db")
    assert not re.fullmatch(NAMES, name)
