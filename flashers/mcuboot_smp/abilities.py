"""What a node can do, asked of it once, and whether that fits its profile.

Sources: Zephyr documentation, "Default/OS Management Group": MCUmgr parameters
(command 6), bootloader information (command 8); the numbers of the modes are
``enum mcuboot_mode`` in MCUboot's ``bootutil/boot_status.h``.  Many servers know
neither command, and then nothing is concluded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flashers.api import NodeSilent, Reason
from flashers.mcuboot_smp.codec import Group, Op, OsCommand
from flashers.mcuboot_smp.errors import ModeContradicted, SmpRefused
from flashers.mcuboot_smp.params import Mode, SmpParams
from flashers.mcuboot_smp.pieces import Buffers
from flashers.mcuboot_smp.requests import Requests

_REPLY_TIMEOUT = 0.7
"""Seconds for each of the tries: a server that ignores what it does not know must not hold us up."""

_MOST_BYTES = 16 * 1024
_MOST_REQUESTS = 64
"""More than any node holds; a larger claim is taken for this."""

_MODES: dict[int, tuple[str, frozenset[Mode]]] = {
    0: ("one slot", frozenset({Mode.SERIAL_RECOVERY})),
    1: ("swap using scratch", frozenset({Mode.SWAP, Mode.SERIAL_RECOVERY})),
    2: ("overwrite", frozenset({Mode.OVERWRITE, Mode.SERIAL_RECOVERY})),
    3: ("swap using move", frozenset({Mode.SWAP, Mode.SERIAL_RECOVERY})),
    4: ("direct-xip", frozenset({Mode.DIRECT_XIP, Mode.SERIAL_RECOVERY})),
    5: ("direct-xip with revert", frozenset({Mode.DIRECT_XIP_REVERT, Mode.SERIAL_RECOVERY})),
    6: ("ram-load", frozenset({Mode.RAM_LOAD, Mode.SERIAL_RECOVERY})),
    7: ("firmware loader", frozenset({Mode.SERIAL_RECOVERY})),
    8: ("one slot, ram-load", frozenset({Mode.SERIAL_RECOVERY})),
    9: ("swap using offset", frozenset({Mode.SWAP, Mode.SERIAL_RECOVERY})),
}
"""What each reported mode is, and which of a profile's modes it agrees with.

Serial recovery is a way into the first slot that exists beside every mode.
"""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the node says of itself; None where it does not say."""

    buffers: Buffers
    mode: int | None
    no_downgrade: bool

    def contradiction(self, declared: Mode) -> Reason | None:
        """Why the profile's mode cannot be right, if it cannot."""
        if self.mode not in _MODES:
            return None
        name, agrees = _MODES[self.mode]
        if declared in agrees:
            return None
        message = f"The profile says that the node's MCUboot works in the mode {declared}; it says {name}."
        return Reason(ModeContradicted.code, message, ModeContradicted.remedy)

    def facts(self) -> dict[str, str | int | bool]:
        """The same for reports."""
        facts: dict[str, str | int | bool] = {}
        if self.buffers.size is not None:
            facts["buf_size"] = self.buffers.size
        if self.buffers.count is not None:
            facts["buf_count"] = self.buffers.count
        if self.mode in _MODES:
            facts["bootloader_mode"] = _MODES[self.mode][0]
        if self.no_downgrade:
            facts["no_downgrade"] = True
        return facts


async def ask_abilities(requests: Requests) -> Abilities:
    """Ask for everything; what is not answered stays unknown."""
    said = await _asked(requests, OsCommand.PARAMETERS, {})
    loader = await _asked(requests, OsCommand.BOOTLOADER, {"query": "mode"})
    params = requests.params
    return Abilities(
        _buffers(said, params),
        _plain(loader.get("mode")),
        loader.get("no-downgrade") is True,
    )


def _buffers(said: Mapping[str, Any], params: SmpParams) -> Buffers:
    """The profile may correct what the node says; it never makes more of it."""
    sizes = [size for size in (_plain(said.get("buf_size")), params.buf_size) if size]
    counts = [count for count in (_plain(said.get("buf_count")), params.buf_count) if count]
    return Buffers(
        min([*sizes, _MOST_BYTES]) if sizes else None,
        min([*counts, _MOST_REQUESTS]) if counts else None,
    )


async def _asked(requests: Requests, command: OsCommand, body: Mapping[str, Any]) -> Mapping[str, Any]:
    patience = requests.params.reply_timeout
    if not requests.wire.reconnects:  # where silence may be a link that fades, it is waited for
        patience = min(_REPLY_TIMEOUT, patience)
    what = command.name.lower()
    try:
        return await requests.ask(Op.READ, Group.OS, command, body, reply_timeout=patience, what=what)
    except (SmpRefused, NodeSilent):
        return {}


def _plain(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
