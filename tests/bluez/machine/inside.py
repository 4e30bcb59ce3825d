"""What becomes of the small machine once it has booted: a message bus, BlueZ, and one command.

This is the first process in there, so its end is the machine's; nothing else would reap what
others leave behind.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.bluez.machine.debian import found

BUS = Path("/run/dbus/system_bus_socket")
_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={bus}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow send_type="method_call"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""
_SETTINGS = """[General]
ControllerMode = le
"""
_REBOOT = 0x01234567
"""LINUX_REBOOT_CMD_RESTART; the machine is started so that it ends instead."""
_UP_S = 60.0


def main(command: list[str]) -> None:
    """Bring up BlueZ, run the command, and end the machine."""
    os.chdir(os.environ.get("TENDER_ROOT", "/"))
    try:
        for folder in ("/run/dbus", "/var/lib/bluetooth", "/tmp"):
            Path(folder).mkdir(parents=True, exist_ok=True)
        Path("/run/bus.conf").write_text(_BUS.format(bus=BUS))
        Path("/run/bluez.conf").write_text(_SETTINGS)
        subprocess.Popen(
            [str(found("usr/bin/dbus-daemon")), "--config-file=/run/bus.conf", "--nofork", "--nopidfile"]
        )
        _until_there(BUS)
        bluetoothd = str(found("usr/libexec/bluetooth/bluetoothd", "usr/lib/bluetooth/bluetoothd"))
        subprocess.Popen([bluetoothd, "--nodetach", "--configfile=/run/bluez.conf", "--noplugin=*"])
        subprocess.run(command, check=False)
    finally:
        os.sync()
        ctypes.CDLL(None).reboot(_REBOOT)


def _until_there(path: Path) -> None:
    until = time.monotonic() + _UP_S
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{path} did not appear in {_UP_S:g} s")
        time.sleep(0.02)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    main(sys.argv[1:])
