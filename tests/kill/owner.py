"""Other software that owns a port: it opens it for itself alone, says so, and keeps it until told to end."""

import fcntl
import signal
import sys

import serial


def main() -> int:
    """The answer is 3 if somebody else has the port."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        # An exclusive flock on the device, as every polite program takes it.
        port = serial.Serial(sys.argv[1], 115_200, timeout=0.5, exclusive=True)
    except (OSError, serial.SerialException):
        return 3
    fcntl.flock(port.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    sys.stdout.write("mine\n")
    sys.stdout.flush()
    while True:
        port.read(64)


if __name__ == "__main__":
    sys.exit(main())
