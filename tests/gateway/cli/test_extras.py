"""Nobody pays for a medium that he does not have: which libraries a running service has loaded.

The real command is started as it is on a site, in a process of its own, with a configuration
for one medium, and asked what is in memory once it is ready and has looked at its nodes.
"""

import asyncio
import json
import os
import pty
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest

SCRIPT = """
import json, os, signal, sys, threading, time
from pathlib import Path
from gateway.api.client import Client
from gateway.cli.main import main
from transports.errors import TenderError

def watch():
    client = Client(Path(sys.argv[2]))
    while True:
        try:
            client.get("status")
            client.get("nodes")
            client.post("nodes", "n", "probe", body={"allow_restart": True})
        except TenderError as error:
            if error.code in ("service-not-running", "service-lost"):
                time.sleep(0.05)
                continue
        break
    end = time.monotonic() + 30
    while sys.argv[3] not in sys.modules and time.monotonic() < end:
        time.sleep(0.05)  # a network is opened beside everything else
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=watch, daemon=True).start()
sys.exit(main(["serve", "--config", sys.argv[1]]))
"""
LAMP = """
schema = 1
name = "lamp"
flasher = "zigbee_ota"
media = ["zigbee"]
format = "zigbee-ota"
rollback = ["reflash"]
reset_by = "none"
[evidence]
boot = ["version"]
[params]
manufacturer = 0x1234
image_type = 1
"""
BLUETOOTH = {"bleak", "bleak_retry_connector", "bumble", "dbus_fast"}
ZIGBEE = {"zigpy", "zigpy_znp", "bellows"}


@pytest.mark.parametrize(
    ("link", "pays_for", "never"),
    [
        ("uart:PORT", {"serial"}, BLUETOOTH | ZIGBEE),
        ("ble:air#C0:00:00:00:00:01", {"bleak", "bumble"}, ZIGBEE | {"serial"}),
        ("ble:00:1A:7D:DA:71:13#C0:00:00:00:00:01", {"bleak", "dbus_fast"}, ZIGBEE | {"bumble", "serial"}),
        ("zigbee:hall#00:12:4b:00:1c:aa:bb:cc", {"zigpy", "zigpy_znp"}, BLUETOOTH | {"bellows"}),
    ],
    ids=["uart", "air", "bluez", "zigbee"],
)
async def test_a_site_loads_the_libraries_of_its_own_media_and_no_others(
    tmp_path: Path, link: str, pays_for: set[str], never: set[str]
) -> None:
    ours, theirs = pty.openpty()
    link = link.replace("PORT", os.ttyname(theirs))
    scheme = link.partition(":")[0]
    profile = {"uart": "mcuboot-uart", "ble": "demo-ble-sensor", "zigbee": "lamp"}[scheme]
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "lamp.toml").write_text(LAMP)
    # An adapter that is configured is listened with, whether a node names it or not.
    adapters = f'[adapters.air]\nhci = "unix:{tmp_path}/air"\n' if link.startswith("ble:air") else ""
    # Nobody answers at that port: a coordinator that is not there keeps nobody from starting.
    networks = f'[networks.hall]\nradio = "znp"\npath = "{os.ttyname(theirs)}"\n'
    adapters += networks if scheme == "zigbee" else ""
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'state = "{tmp_path}/state"\nsocket = "{tmp_path}/s"\nprofiles = ["{tmp_path}/profiles"]\n'
        f'[gateway]\nname = "g"\n'
        f"{adapters}"
        f'[nodes.n]\nprofile = "{profile}"\nlink = "{link}"\n'
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SCRIPT, str(config), f"{tmp_path}/s", max(pays_for)),
        stdout=PIPE,
        stderr=DEVNULL,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    for descriptor in (ours, theirs):
        os.close(descriptor)
    loaded = set(json.loads(said))
    assert sorted(loaded & never) == []
    assert sorted(pays_for - loaded) == []
    assert process.returncode == 0
