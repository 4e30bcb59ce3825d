"""Whether the service runs, answers, is of this version, and has a clock that can be believed."""

from collections.abc import Sequence
from importlib.metadata import version

from gateway.clock import now
from gateway.service.seeing.provenance import config_digest
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
    overview = ground.overview or {}
    theirs, ours = overview["status"]["version"], version("fleet-tender")
    found = []
    if ground.loaded is not None and config_digest(ground.loaded.config) != overview["config"]:
        text = "The service runs with another configuration than the one that is read here."
        remedy = "It was edited since the start, or the service was given flags or variables of its own."
        found.append(
            Ailment(Badness.FINE, "config-differs", text, remedy, "tender events --kind config.changed")
        )
    if theirs != ours:
        found.append(
            Ailment(
                Badness.WAITS,
                "version-differs",
                f"The service is Tender {theirs}, and this command is {ours}.",
                "Restart the service, so that it is the version that is installed.",
                "systemctl restart tender",
            )
        )
    return found


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
