"""With what the service runs: a digest of its configuration, and what changed in it since the last start.

A digest of a secret would be one of the things that a secret is guessed by, so
secrets are not in it: a changed password changes nothing here.
"""

import hashlib
import json
from importlib.metadata import version
from typing import Any

from gateway.config.load import Loaded
from gateway.config.model import Config
from gateway.config.show import HIDDEN, values
from gateway.journal.journal import Journal, Told
from gateway.model.records import Provenance

_CHANGES = 50
"""Changed keys that are told; a rewritten list of nodes has thousands."""
_VALUES = "config-values"


def plain_values(config: Config) -> dict[str, Any]:
    """Every value by its dotted key, without those that are secret."""
    told = values(Loaded(config, {}), environment={})
    return {each.key: each.value for each in told if each.value != HIDDEN}


def config_digest(config: Config) -> str:
    """``sha256:`` and the digest of all that is not secret, in one order however it was written."""
    return _digest(plain_values(config))


async def note_configuration(journal: Journal, config: Config) -> str:
    """Tell what changed since the last start, if anything did, and note it in every attempt from now on."""
    now = plain_values(config)
    digest = _digest(now)
    journal.makes = Provenance(config=digest, tender=version("fleet-tender"))
    stored = await journal.meta(_VALUES)
    before: dict[str, Any] | None = json.loads(stored) if stored is not None else None
    if before == now:
        return digest
    told = [_changed(before, now)] if before is not None else []
    await journal.set_meta_and_tell(_VALUES, json.dumps(now), told)
    return digest


def _changed(before: dict[str, Any], now: dict[str, Any]) -> Told:
    keys = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    data: dict[str, object] = {
        "before": _digest(before),
        "after": _digest(now),
        "changed": [
            {"key": key, "before": before.get(key), "after": now.get(key)} for key in keys[:_CHANGES]
        ],
        "more": len(keys) - len(keys[:_CHANGES]),
    }
    return Told("config.changed", data=data)


def _digest(plain: dict[str, Any]) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
