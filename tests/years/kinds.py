"""The kinds of node in town, each as small as its protocol allows."""

from collections.abc import Mapping
from dataclasses import dataclass

_TIMING = "boot_deadline = 5.0\npatience = 20.0\nsoak = 1.0\nsoak_interval = 1.0\n"


@dataclass(frozen=True, slots=True)
class Kind:
    """A node type: its profile as text, and how its virtual nodes are made."""

    name: str
    profile: str
    share: int
    """Of every hundred nodes."""
    options: Mapping[str, str]
    smp: bool = False
    two_slots: bool = False
    """It has firmware that runs at every moment, whatever is done to it."""
    mute: bool = False
    """Nothing can prove what it boots."""
    no_loader: bool = False
    """It is reached through its own firmware only, and nothing but that would restart it."""


def _smp(
    name: str,
    mode: str,
    share: int,
    *,
    reset: str = "none",
    two_slots: bool = True,
    rollback: str = '["bootloader", "slot-switch"]',
) -> Kind:
    profile = f"""
schema = 1
name = "{name}"
flasher = "mcuboot_smp"
hardware = ["{name}"]
format = "mcuboot"
rollback = {rollback}
reset = "{reset}"
[evidence]
boot = ["reported-hash"]
[timing]
{_TIMING}
[[health]]
kind = "command"
request = "echo:health"
expect = "health"
within = 2.0
[params]
mode = "{mode}"
reset = "{reset}"
reply_timeout = 0.5
stall_timeout = 3.0
boot_deadline = 5.0
quiet_after_reset = 0.3
"""
    options = {"page": "256", "slot-pages": "3", "buf-size": "384"}
    return Kind(name, profile, share, options, smp=True, two_slots=two_slots, no_loader=reset == "none")


def _stk(name: str, share: int, *, mute: bool = False) -> Kind:
    proof = "boot = []" if mute else 'boot = ["version"]'
    health = "" if mute else '[[health]]\nkind = "command"\nrequest = "health?"\nexpect = "^ok"\n'
    line = "" if mute else "boot_line = '^fw (?P<version>\\S+)'\n"
    profile = f"""
schema = 1
name = "{name}"
flasher = "stk500"
hardware = ["{name}"]
format = "raw"
rollback = ["reflash"]
reset = "dtr"
[evidence]
transfer = ["readback"]
{proof}
[timing]
{_TIMING}
{health}
[params]
part = "atmega328p"
loader = "optiboot"
boot_section = 32128
{line}boot_deadline = 4.0
"""
    return Kind(name, profile, share, {"pages": "5"}, mute=mute)


KINDS: tuple[Kind, ...] = (
    _smp("sensor", "swap", 50, reset="dtr"),
    _stk("relay", 25),
    _smp("valve", "overwrite", 7, rollback='["reflash"]'),
    _smp("lamp", "direct-xip-revert", 6, reset="dtr", rollback='["bootloader"]'),
    _smp("meter", "serial-recovery", 6, reset="dtr", two_slots=False, rollback='["reflash"]'),
    _stk("siren", 6, mute=True),
)
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}


def kinds_of(count: int) -> list[Kind]:
    """The kind of each of so many nodes, mixed over the hubs, always the same."""
    left = {kind.name: 0.0 for kind in KINDS}
    chosen = []
    for _ in range(count):
        for kind in KINDS:
            left[kind.name] += kind.share
        name = max(left, key=lambda each: left[each])
        left[name] -= 100
        chosen.append(BY_NAME[name])
    return chosen
