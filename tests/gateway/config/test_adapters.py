"""Adapters and nodes behind them, as somebody writes them down."""

import pytest
from pydantic import ValidationError

from gateway.config.model import Config
from transports.ble.adapters import DEFAULT_LINKS, Adapters, AdapterSettings

ADDRESS = "00:1A:7D:DA:71:13"
NODE = {"profile": "mcuboot-ble", "link": "ble:main#c0:ff:ee:00:00:01"}


def config(**tables: object) -> Config:
    """A configuration with these tables."""
    return Config.model_validate(tables)


def test_an_adapter_is_known_by_its_address_or_by_where_its_controller_listens() -> None:
    said = config(
        adapters={
            "main": {"address": ADDRESS.lower(), "links": 3},
            "air": {"hci": "unix:/run/tender/air"},
        }
    )
    assert said.adapters["main"].settings == AdapterSettings(ADDRESS, None, 3)
    assert said.adapters["air"].settings == AdapterSettings(None, "unix:/run/tender/air", None)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"address": ADDRESS, "hci": "unix:/run/air"},
        {"address": "hci0"},
        {"hci": "/dev/ttyUSB0"},
        {"address": ADDRESS, "links": 0},
    ],
)
def test_one_that_is_neither_or_both_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        config(adapters={"main": table})


@pytest.mark.parametrize("link", ["ble:main", "ble:main#th-1", "ble:#C0:FF:EE:00:00:01"])
def test_a_node_behind_an_adapter_has_an_address(link: str) -> None:
    config(nodes={"th-1": NODE})
    with pytest.raises(ValidationError):
        config(nodes={"th-1": NODE | {"link": link}})


def test_what_was_learned_counts_where_nothing_is_configured() -> None:
    settings = {"main": AdapterSettings(address=ADDRESS), "other": AdapterSettings(address=ADDRESS, links=5)}
    adapters = Adapters(settings, learned={"main": 3, "other": 3})
    assert (adapters.cap("main"), adapters.cap("other"), adapters.cap("new")) == (3, 5, DEFAULT_LINKS)
    assert adapters.cap(ADDRESS.lower()) == 3, "by its address it is the same adapter"
