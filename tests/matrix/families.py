"""The kinds of node that the matrix is run over, each as small as its protocol allows.

A flash of a few pages keeps the list of its operations short, so that a power cut
can be had at every one of them, together with everything else that can happen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from flashers.api import Component, FlasherPlugin
from flashers.mcuboot_smp import PLUGIN as SMP
from flashers.mcuboot_smp.make import make_image
from flashers.nordic_dfu import FORMAT as NORDIC_FORMAT
from flashers.nordic_dfu import PLUGIN as NORDIC
from flashers.sim import Behaviour, SimApp, build_app
from flashers.stk500 import PLUGIN as STK500
from flashers.stk500.parts import PARTS
from flashers.zigbee_ota import PLUGIN as ZIGBEE
from gateway.attempt.ports import NodeType
from gateway.profiles.model import Profile

OLD, NEW = "1.0.0", "2.0.0"
LIE = "9.9.9"
"""What a lying application says that it is."""

_PLUGINS: dict[str, FlasherPlugin] = {
    "stk500": STK500,
    "mcuboot_smp": SMP,
    "nordic_dfu": NORDIC,
    "zigbee_ota": ZIGBEE,
}


@dataclass(frozen=True, eq=False)
class Family:
    """Nodes of one kind.

    ``size`` is that of an application in bytes; ``known_good`` whether an artifact to go
    back to is given; ``two_slots`` that the node must be bootable at every moment;
    ``on_trial`` that a restart takes an image back which is not confirmed yet.
    """

    name: str
    profile: Profile
    size: int
    options: Mapping[str, str] = field(default_factory=dict)
    known_good: bool = True
    two_slots: bool = False
    on_trial: bool = False
    on_air: bool = False
    """Whether it is behind a radio, and not on a line."""
    on_mesh: bool = False
    """Whether it is on a Zigbee network."""
    versions: tuple[str, str] = (OLD, NEW)
    """What it runs, and what it is to run."""
    latency: float = 0.0
    """Seconds that a byte is under way, where a transfer has to take its time."""

    @property
    def components(self) -> tuple[Component, ...]:
        """The parts that have a firmware of their own."""
        return tuple(table.value() for table in self.profile.components)

    @property
    def node_type(self) -> NodeType:
        """The profile with its flasher."""
        return _node_type(self)

    def artifact(self, version: str, behaviour: Behaviour, component: Component) -> bytes:
        """A firmware file whose application behaves so."""
        return _artifact(self, version, behaviour, component)


@cache
def _node_type(family: Family) -> NodeType:
    plugin = _PLUGINS[family.profile.flasher]
    params = plugin.params.model_validate(family.profile.params)
    return NodeType(family.profile, plugin, params, plugin.declare(params))


@cache
def _artifact(family: Family, version: str, behaviour: Behaviour, component: Component) -> bytes:
    app = SimApp(version, behaviour, claims=LIE if behaviour is Behaviour.LIES else "")
    if family.profile.format == NORDIC_FORMAT:
        protocol = str(family.profile.params["protocol"])
        return NORDIC.build(app, family.size, {"protocol": protocol})
    if family.on_mesh:
        return ZIGBEE.build(app, family.size, {})
    if family.profile.format == "mcuboot":
        return make_image(app, size=family.size, seed=component.image)
    return build_app(app, family.size, seed=component.image)


def _stk500(
    name: str,
    *,
    boot_line: bool = True,
    known_good: bool = True,
    pages: int = 3,
    latency: float = 0.0,
) -> Family:
    # All but a few pages of the part belong to the loader: that is less to read back.
    part, room = PARTS["atmega328p"], pages + 2
    section = part.flash_size - room * part.page_size
    params: dict[str, object] = {"part": "atmega328p", "boot_deadline": 3.0, "boot_section": section}
    health: list[dict[str, object]] = []
    if boot_line:
        params["boot_line"] = r"^fw (?P<version>\S+)"
        health = [{"kind": "version"}, {"kind": "command", "request": "health?", "expect": "^ok"}]
    profile = Profile.model_validate(
        {
            "name": name,
            "flasher": "stk500",
            "format": "raw",
            "reset": "dtr",
            "evidence": {} if boot_line else {"boot": []},
            "timing": {"boot_deadline": 5.0, "patience": 20.0, "soak": 1.0, "soak_interval": 1.0},
            "health": health,
            "params": params,
        }
    )
    size, options = pages * part.page_size, {"pages": str(room)}
    return Family(name, profile, size, options, known_good=known_good, latency=latency)


def _smp(
    name: str,
    mode: str,
    *,
    reset: str = "none",
    known_good: bool = False,
    components: int = 1,
    pages: int = 2,
    two_slots: bool = True,
    on_trial: bool = False,
    on_air: bool = False,
) -> Family:
    names = ("app", "net")[:components]
    profile = Profile.model_validate(
        {
            "name": name,
            "flasher": "mcuboot_smp",
            "format": "mcuboot",
            "components": [{"id": each, "image": number} for number, each in enumerate(names)],
            "reset": reset,
            **({"media": ["ble"]} if on_air else {}),
            "timing": {"boot_deadline": 5.0, "patience": 20.0, "soak": 1.0, "soak_interval": 1.0},
            "health": [
                {"kind": "digest"},
                {"kind": "command", "request": "echo:health", "expect": "health", "within": 2.0},
            ],
            "params": {
                "mode": mode,
                "reset": reset,
                "reply_timeout": 1.5 if on_air else 0.5,
                "stall_timeout": 5.0,
                "boot_deadline": 5.0,
                "quiet_after_reset": 0.3,
            },
        }
    )
    # An image has 232 bytes, and comes in three pieces; a slot has one page more than that, its trailer.
    options = {"page": str(256 // pages), "slot-pages": str(pages + 1), "buf-size": "160"}
    return Family(
        name,
        profile,
        160,
        options,
        known_good=known_good,
        two_slots=two_slots,
        on_trial=on_trial,
        on_air=on_air,
    )


def _nordic(name: str, protocol: str, banks: str, *, two_slots: bool = False, **options: str) -> Family:
    profile = Profile.model_validate(
        {
            "name": name,
            "flasher": "nordic_dfu",
            "media": ["ble"],
            "format": NORDIC_FORMAT,
            "reset_by": "none",
            "timing": {"boot_deadline": 5.0, "patience": 20.0, "soak": 1.0, "soak_interval": 1.0},
            "health": [{"kind": "version"}],
            "params": {
                "protocol": protocol,
                "banks": banks,
                "version_rule": "off",
                "version_text": "decimal",
                "reply_timeout": 2.0,
                "boot_deadline": 8.0,
                "loader_deadline": 5.0,
            },
        }
    )
    return Family(name, profile, 2 * 256 + 40, options, two_slots=two_slots, on_air=True)


def _zigbee(
    name: str,
    params: Mapping[str, object] | None = None,
    *,
    known_good: bool = True,
    reports: bool = False,
    versions: tuple[str, str] = (OLD, NEW),
    **options: str,
) -> Family:
    health: list[dict[str, object]] = [{"kind": "version"}]
    if reports:
        health.append({"kind": "reports", "within": 10.0})
    profile = Profile.model_validate(
        {
            "name": name,
            "flasher": "zigbee_ota",
            "media": ["zigbee"],
            "format": "zigbee-ota",
            "reset_by": "none",
            "timing": {"boot_deadline": 40.0, "patience": 20.0, "soak": 1.0, "soak_interval": 1.0},
            "health": health,
            "zigbee": {"missing_after": 300.0},
            "params": {
                "reply_timeout": 2.0,
                "stall_timeout": 60.0,
                "verify_deadline": 60.0,
                "boot_deadline": 40.0,
                "check_in": 60.0,
                **(params or {}),
            },
        }
    )
    # A file has 1062 bytes: three pages, and seventeen blocks.
    usual = {
        "page": "512",
        "slot-pages": "3",
        "block": "64",
        "page-size": "512",
        "reply-timeout": "2",
        "tries-again": "30",
        "check-s": "0.2",
        "report-every": "3" if reports else "0",
        "check-in": "60",
    }
    return Family(
        name,
        profile,
        1000,
        {**usual, **{trait.replace("_", "-"): value for trait, value in options.items()}},
        known_good=known_good,
        two_slots=True,
        on_mesh=True,
        versions=versions,
    )


STK500_LINE = _stk500("stk500")
"""One slot, proved by its boot line, taken back by sending the known-good."""
STK500_MUTE = _stk500("stk500-mute", boot_line=False)
"""One slot, and nothing that could prove a boot."""
STK500_RESTORE = _stk500("stk500-restore", known_good=False)
"""One slot, and what is read from the node is all that there is to go back to."""
STK500_LARGE = _stk500("stk500-large", pages=160, latency=0.01)
"""An image of 20 KiB over a line that takes its time: its headway is written down in between."""
SWAP = _smp("smp-swap", "swap", reset="dtr", on_trial=True)
"""Two slots exchanged, and back if nobody confirms; a line restarts it."""
SWAP_SMALL = _smp("smp-swap-small", "swap", pages=1, reset="dtr", on_trial=True)
"""The same, with images of one page: for images that make it swap again and again."""
SWAP_BARE = _smp("smp-swap-bare", "swap", pages=1, known_good=True, on_trial=True)
"""The same, and nothing but its power switch restarts it."""
SWAP_PAIR = _smp("smp-swap-pair", "swap", pages=1, components=2, reset="dtr", on_trial=True)
"""Two images that have to fit each other, each with two slots."""
OVERWRITE = _smp("smp-overwrite", "overwrite", known_good=True)
"""The second slot copied over the first: back only by sending the known-good."""
XIP_REVERT = _smp("smp-direct-xip-revert", "direct-xip-revert", reset="dtr", on_trial=True)
"""Each image runs where it lies, and is erased if nobody confirms."""
RECOVERY = _smp("smp-serial-recovery", "serial-recovery", reset="dtr", known_good=True, two_slots=False)
"""One slot, written by the bootloader."""

BLE_SWAP = _smp("smp-ble", "swap", on_trial=True, on_air=True)
"""MCUboot with two slots, by SMP over a radio; nothing but its power switch restarts it."""
BLE_OVERWRITE = _smp("smp-ble-overwrite", "overwrite", known_good=True, on_air=True)
"""The same with the second slot copied over the first."""
SECURE = _nordic("nordic-secure", "secure", "dual", two_slots=True, page="256", pages="4")
"""Nordic's secure loader with two banks, its buttonless service without bonds; as SDK 17.1.0 has it."""
SECURE_SINGLE = _nordic("nordic-secure-single", "secure", "single", page="256", pages="4")
"""The same with one bank: the old application goes with the first object."""
LEGACY = _nordic("nordic-legacy", "legacy", "dual", page="256", pages="4")
"""Nordic's legacy loader with two banks; several of its kind are called alike."""
LEGACY_SINGLE = _nordic("nordic-legacy-single", "legacy", "single", page="256", pages="4")
"""The same with one bank."""

ZIGBEE_BLOCKS = _zigbee("zigbee")
"""It asks for its firmware block by block, and has two slots; nothing takes an image back by itself."""
ZIGBEE_REPORTS = _zigbee("zigbee-reports", reports=True)
"""The same; that it reports is what it is judged by, so it is taken back under a higher number."""
ZIGBEE_ADVERTISED = _zigbee("zigbee-advertised", reports=True, reports_version="advertised")
"""The same, and it calls itself by the number that it was offered: nothing proves what it runs then."""
ZIGBEE_REVERTS = _zigbee("zigbee-reverts", {"reverts": True})
"""Its loader takes an image back that does not come up."""
ZIGBEE_PAGES = _zigbee("zigbee-pages", asks="pages")
"""It asks for whole pages, and then for what was lost of them."""
ZIGBEE_SLEEPY = _zigbee("zigbee-sleepy", sleepy="", deep="")
"""Its receiver is off; between its check-ins nothing reaches it."""
ZIGBEE_EXTERNAL = _zigbee("zigbee-external", layout="external")
"""What it took is copied over what it ran."""
ZIGBEE_FORGETS = _zigbee("zigbee-forgets", forgets="")
"""A loss of power makes it begin anew."""
ZIGBEE_GIVES_UP = _zigbee("zigbee-gives-up", aborts="", retries="2", says_no="", single_minded="")
"""It gives up early, says so, and throws away what it had."""
ZIGBEE_OLDER = _zigbee("zigbee-older", versions=(NEW, OLD))
"""What it is to run is older than what it runs, and offered under a higher number."""

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        STK500_LINE,
        STK500_MUTE,
        STK500_RESTORE,
        STK500_LARGE,
        SWAP,
        SWAP_SMALL,
        SWAP_BARE,
        SWAP_PAIR,
        OVERWRITE,
        XIP_REVERT,
        RECOVERY,
        BLE_SWAP,
        BLE_OVERWRITE,
        SECURE,
        SECURE_SINGLE,
        LEGACY,
        LEGACY_SINGLE,
        ZIGBEE_BLOCKS,
        ZIGBEE_REPORTS,
        ZIGBEE_ADVERTISED,
        ZIGBEE_REVERTS,
        ZIGBEE_PAGES,
        ZIGBEE_SLEEPY,
        ZIGBEE_EXTERNAL,
        ZIGBEE_FORGETS,
        ZIGBEE_GIVES_UP,
        ZIGBEE_OLDER,
    )
}
