"""Take secrets out of everything that leaves the site.

Two nets, one behind the other.  What is known to be secret (configured passwords,
contents of password files, secret variables, private keys) is looked for as it is and
in every form that a log or a dump could give it.  What merely looks like a secret (a
name and password in a URL, a token in a query, a key block) is taken out by its shape.
Names of hosts are replaced too, each by the same word everywhere.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from gateway.config.findings import is_secret
from gateway.config.model import Config
from gateway.upstream.credentials import password

HIDDEN = "(secret)"
_LEAST = 4
"""Characters of a secret that is looked for by what it is; a shorter one would be found in any text."""
_MOST_FILE = 64 << 10

_SHAPES: tuple[re.Pattern[str], ...] = (
    re.compile(
        r"(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z))", re.DOTALL
    ),
    re.compile(r"\b[a-z][a-z0-9+.-]*://(?P<secret>[^\s/?#\"'<>@]*)@", re.IGNORECASE),
    re.compile(
        r"[?&;][\w.-]*(?:token|key|secret|passw(?:or)?d|passphrase|sig|signature|credential|auth)[\w.-]*="
        r"(?P<secret>[^\s&;\"'#<>]+)",
        re.IGNORECASE,
    ),
    re.compile(r"\b(?:Bearer|Basic)\s+(?P<secret>[A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE),
    re.compile(r"\b(?P<secret>eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*)"),
    re.compile(
        r"\b[\w.-]*(?:password|passwd|secret|token|passphrase|api[_-]?key)[\w.-]*[\"']?\s*[=:]\s*[\"']?"
        r"(?P<secret>(?!\(secret\))[^\s\"',;}\]]{3,})",
        re.IGNORECASE,
    ),
)
_LEARNED = 8
"""Characters of what was found by its shape from which on it is looked for everywhere else as well."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104 - names, nothing is bound


class Redactor:
    """Makes texts fit to leave; ``secrets`` and ``hosts`` are what is known of this site."""

    def __init__(self, secrets: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= _LEAST}
        self._forms = _longest_first(known)
        self._learned: set[str] = set()
        names = [host for host in dict.fromkeys(hosts) if host and host not in _LOCAL]
        self._hosts = {host: f"host-{number}" for number, host in enumerate(names, 1)}

    @classmethod
    def of(cls, config: Config | None, environment: Mapping[str, str]) -> "Redactor":
        """What this site's configuration and this process's environment hold."""
        secrets = [value for name, value in environment.items() if is_secret(name) or "_KEY" in name]
        for value in environment.values():
            secrets += _userinfo(value)
        hosts: list[str] = []
        if config is not None:
            secrets += _configured(config)
            mqtt = config.upstream.mqtt
            hosts += [mqtt.host] if mqtt is not None else []
            for node in config.nodes.values():
                if node.spec.scheme in {"socket", "rfc2217"}:
                    hosts.append(urlsplit(f"//{node.spec.target}").hostname or "")
        return cls(secrets, hosts)

    def text(self, text: str) -> str:
        """The text without them."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        for shape in _SHAPES:
            text = shape.sub(self._hide, text)
        for host, instead in self._hosts.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", instead, text, flags=re.IGNORECASE)
        return text

    def again(self, text: str) -> str:
        """A text that was made fit, once more: without what was found by its shape in any other."""
        for form in _longest_first(self._learned):
            text = text.replace(form, HIDDEN)
        return text

    def _hide(self, found: re.Match[str]) -> str:
        secret = found["secret"].rpartition(":")[2]  # of a name and a password, the name is none
        if len(secret) >= _LEARNED and not secret.startswith(("(", "-----")):
            self._learned.add(secret)
        begin, end = found.start("secret") - found.start(), found.end("secret") - found.start()
        return found[0][:begin] + HIDDEN + found[0][end:]

    def value(self, value: Any) -> Any:
        """Plain values without them: by the names of their keys as well."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {
                    self.text(str(key)): HIDDEN if _is_secret_key(str(key), each) else self.value(each)
                    for key, each in value.items()
                }
            case list() | tuple():
                return [self.value(each) for each in value]
            case _:
                return value

    def lines(self, values: Iterable[Any]) -> str:
        """Plain values as JSON, one a line."""
        texts = (json.dumps(self.value(each), ensure_ascii=False, default=str) for each in values)
        return "".join(f"{self.text(text)}\n" for text in texts)

    def json(self, value: Any) -> str:
        """Plain values as JSON."""
        return self.text(json.dumps(self.value(value), indent=1, ensure_ascii=False, default=str)) + "\n"


def _is_secret_key(key: str, value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and is_secret(key) and bool(value)


def _configured(config: Config) -> list[str]:
    mqtt = config.upstream.mqtt
    if mqtt is None:
        return []
    found = []
    with suppress(OSError, ValueError):
        found.append(password(mqtt) or "")
    if mqtt.key_file is not None:
        found += _lines_of(mqtt.key_file)
    return found


def _lines_of(file: Path) -> list[str]:
    """The lines of a private key, each of which is a part of the secret."""
    with suppress(OSError, UnicodeDecodeError):
        text = file.read_text()[:_MOST_FILE]
        return [line for line in text.splitlines() if len(line) >= 16 and not line.startswith("-----")]
    return []


def _userinfo(text: str) -> list[str]:
    if "://" not in text or "@" not in text:
        return []
    with suppress(ValueError):
        parts = urlsplit(text)
        return [parts.password or ""]
    return []


def _longest_first(secrets: Iterable[str]) -> list[str]:
    return sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)


def _forms(secret: str) -> set[str]:
    """A secret as it may stand in a text: itself, escaped, in hexadecimal, in base64 at any offset."""
    raw = secret.encode()
    hexadecimal = raw.hex()
    forms = {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }
    for text in (hexadecimal, raw.hex(" "), raw.hex(":")):
        forms |= {text, text.upper()}
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        # The characters at both ends depend on what stands beside the secret.
        begin, end = (0, 2, 3)[before], len(encoded) - (0 if (before + len(raw)) % 3 == 0 else 4)
        middle = encoded[begin:end]
        if len(middle) >= _LEAST + 2:
            forms |= {middle, middle.replace("+", "-").replace("/", "_")}
    forms |= {base64.b64encode(raw).decode(), base64.b64encode(raw).decode().rstrip("=")}
    return forms
