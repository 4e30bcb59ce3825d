"""Zigbee networks and their nodes, as somebody writes them down."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.config.errors import BadConfig
from gateway.config.load import load_config
from gateway.config.model import Config
from transports.zigbee.networks import NetworkSettings, Radio

PORT = "/dev/serial/by-id/usb-coordinator-port0"
NODE = {"profile": "lamp", "link": "zigbee:hall#00:12:4b:00:1c:aa:bb:cc"}


def config(**tables: object) -> Config:
    """A configuration with these tables."""
    return Config.model_validate(tables)


def test_a_network_is_a_radio_and_where_its_coordinator_is() -> None:
    said = config(
        networks={
            "hall": {"radio": "znp", "path": PORT, "baud": 115200, "channel": 15},
            "yard": {"radio": "ezsp", "path": "socket://10.0.0.7:6638", "concurrent": 2},
        }
    )
    assert said.networks["hall"].settings == NetworkSettings(PORT, Radio.ZNP, 115200, 15, 4)
    assert said.networks["yard"].settings == NetworkSettings(
        "socket://10.0.0.7:6638", Radio.EZSP, None, None, 2
    )


@pytest.mark.parametrize(
    "table",
    [
        {"radio": "znp"},
        {"path": PORT},
        {"radio": "zwave", "path": PORT},
        {"radio": "znp", "path": "ttyUSB0"},
        {"radio": "znp", "path": "socket://10.0.0.7"},
        {"radio": "znp", "path": "socket://10.0.0.7:many"},
        {"radio": "znp", "path": PORT, "channel": 27},
        {"radio": "znp", "path": PORT, "concurrent": 0},
    ],
)
def test_one_that_cannot_be_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        config(networks={"hall": table})


def test_two_networks_do_not_share_a_coordinator() -> None:
    with pytest.raises(ValidationError, match="hall and yard have the same coordinator"):
        config(networks={name: {"radio": "znp", "path": PORT} for name in ("hall", "yard")})


@pytest.mark.parametrize(
    "text",
    ["00:12:4B:00:1C:AA:BB:CC", "0x00124b001caabbcc", "00124B001CAABBCC", "00-12-4b-00-1c-aa-bb-cc"],
)
def test_an_address_has_one_form_however_it_is_written(text: str) -> None:
    said = config(nodes={"lamp": NODE | {"link": f"zigbee:hall#{text}"}})
    assert said.nodes["lamp"].link == NODE["link"]


@pytest.mark.parametrize(
    "link",
    [
        "zigbee:hall",
        "zigbee:hall#lamp",
        "zigbee:hall#0x1234",
        "zigbee:hall#00:12:4b:00:1c:aa:bb",
        "zigbee:#1",
    ],
)
def test_a_node_of_a_network_has_an_ieee_address(link: str) -> None:
    with pytest.raises(ValidationError):
        config(nodes={"lamp": NODE | {"link": link}})


def test_a_node_names_a_network_that_there_is(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    network = f'[networks.hall]\nradio = "znp"\npath = "{PORT}"\n'
    node = f'[nodes.lamp]\nprofile = "lamp"\nlink = "{NODE["link"]}"\n'
    file.write_text(network + node)
    assert load_config(file, environment={}).config.nodes["lamp"].link == NODE["link"]
    file.write_text(network + node.replace("zigbee:hall", "zigbee:hal"))
    with pytest.raises(BadConfig) as bad:
        load_config(file, environment={})
    (finding,) = bad.value.findings
    assert finding.code == "config-unknown-network"
    assert finding.where == f"{file}:6"
    assert "Did you mean hall?" in finding.remedy


def test_two_nodes_do_not_have_one_address_in_two_spellings(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'[networks.hall]\nradio = "znp"\npath = "{PORT}"\n'
        f'[nodes.a]\nprofile = "lamp"\nlink = "{NODE["link"]}"\n'
        '[nodes.b]\nprofile = "lamp"\nlink = "zigbee:hall#0x00124B001CAABBCC"\n'
    )
    with pytest.raises(BadConfig) as bad:
        load_config(file, environment={})
    assert [finding.code for finding in bad.value.findings] == ["config-link-twice"]


def test_a_node_may_be_in_a_network_that_other_software_owns(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[guests.hall]\n[guests.hall.mqtt]\nurl = "mqtt://127.0.0.1"\n'
        f'[nodes.lamp]\nprofile = "lamp"\nlink = "{NODE["link"]}"\n'
    )
    assert load_config(file, environment={}).config.nodes["lamp"].link == NODE["link"]


def test_a_network_is_not_shared_as_a_port_is() -> None:
    with pytest.raises(ValidationError, match="guests"):
        config(links={"hall": {"link": "zigbee:hall", "unit": "other.service"}})
