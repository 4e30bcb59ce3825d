"""Whether the service runs, answers, is of this version, and has a clock that can be believed."""

from collections.abc import Sequence
from importlib.metadata import version

from gateway.clock import now
from gateway.support.ground import Ailment, Badness, Ground


def check(ground: Ground) -> Sequence[Ailment]:
    """The service behind the socket."""
    silence = ground.silence
    if silence is not None:
        level = Badness.WAITS if silence.code == "service-denied" else Badness.BROKEN
        commands = {
            "service-not-running": "systemctl status tender",
            "service-denied": "sudo tender doctor",
        }
        said = commands.get(silence.code, "journalctl -u tender -n 50")
        return [Ailment(level, silence.code, silence.message, silence.what_to_do, said)]
    theirs = ground.overview["status"]["version"] if ground.overview is not None else ""
    ours = version("fleet-tender")
    if theirs != ours:
        return [
            Ailment(
                Badness.WAITS,
                "version-differs",
                f"The service is Tender {theirs}, and this command is {ours}.",
                "Restart the service, so that it is the version that is installed.",
                "systemctl restart tender",
            )
        ]
    return []


def check_clock(ground: Ground) -> Sequence[Ailment]:
    """A wrong clock decides nothing about nodes, but certificates are judged by it."""
    if now().synchronised:
        return []
    mqtt = ground.loaded.config.upstream.mqtt if ground.loaded is not None else None
    tls = mqtt is not None and mqtt.tls
    level = Badness.WAITS if tls else Badness.FINE
    why = "certificates are judged by it" if tls else "times are shown with ~; nothing is decided by them"
    return [
        Ailment(
            level,
            "clock-not-synchronised",
            f"The kernel says that the clock is not synchronised: {why}.",
            "Let a time service set the clock.",
            "timedatectl set-ntp true",
        )
    ]
