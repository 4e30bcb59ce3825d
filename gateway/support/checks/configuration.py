"""Whether the configuration can be read, and whether the files that it names are there and private."""

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.config.model import Config
from gateway.support.ground import Ailment, Badness, Ground


def check(ground: Ground) -> Sequence[Ailment]:
    """Every finding of the configuration as one of ours."""
    if ground.bad_config is not None:
        return [
            Ailment(Badness.BROKEN, each.code, f"{each.where}: {each.message}", each.remedy, "tender config")
            for each in ground.bad_config.findings
        ]
    if ground.loaded is None:
        return []
    aside = [
        Ailment(
            Badness.FINE, "variable-left-aside", sentence, "Correct its name, or unset it.", "tender config"
        )
        for sentence in ground.loaded.aside
    ]
    return [*aside, *_files(ground.loaded.config)]


def _files(config: Config) -> Iterator[Ailment]:
    mqtt = config.upstream.mqtt
    if mqtt is None:
        return
    for name in ("password_file", "ca_file", "cert_file", "key_file"):
        file: Path | None = getattr(mqtt, name)
        if file is not None:
            yield from _file(f"upstream.mqtt.{name}", file, private=name in {"password_file", "key_file"})


def _file(key: str, file: Path, *, private: bool) -> Iterator[Ailment]:
    try:
        mode = file.stat().st_mode
    except PermissionError:
        text = f"{key}: {file} cannot be looked at by this user."
        yield Ailment(Badness.FINE, "file-not-seen", text, "Ask again as root.", "sudo tender doctor")
        return
    except OSError as error:
        text = f"{key}: {file}: {error.strerror}"
        remedy = "Put the file there, or correct the configuration."
        yield Ailment(Badness.BROKEN, "file-missing", text, remedy, f"ls -l {file}")
        return
    if private and mode & (stat.S_IROTH | stat.S_IWOTH):
        text = f"{key}: everybody on this machine may read {file}."
        remedy = "Let only the service's user read it."
        yield Ailment(Badness.WAITS, "secret-readable", text, remedy, f"chmod o-rwx {file}")
