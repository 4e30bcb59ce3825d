"""Who is in the fleet, what is wrong with each, and how it has to end.

The demo fails if any node ends otherwise: it is a test that can be looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.model.outcomes import Outcome

OLD, NEW = "1.0.0", "1.1.0"
SENSOR, RELAY = "demo-th-sensor", "demo-relay"
RADIO, LAMP, TAG = "demo-ble-sensor", "demo-dfu-secure", "demo-dfu-legacy"
PLUG, DOOR = "demo-zigbee-plug", "demo-zigbee-sensor"
ON_AIR = frozenset({RADIO, LAMP, TAG})
"""Profiles whose nodes are behind a simulated radio."""
ON_MESH = frozenset({PLUG, DOOR})
"""Profiles whose nodes are in a simulated Zigbee network."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A node of the demo.

    ``variant`` chooses its artifact in the release; ``cut_at`` is the flash operation at
    which its power fails, for a moment or (``stays_off``) until it was reported wounded.
    ``leaves_at`` is the share of its image at which it is carried out of the radio's reach, for a while;
    ``traits`` are those of its virtual node.
    ``ends`` are the outcomes in order: a wounded node has a second one, its recovery's.
    """

    name: str
    profile: str
    story: str
    ends: tuple[Outcome, ...] = (Outcome.SUCCEEDED,)
    rollback: str = "none"
    runs: str = NEW
    variant: str | None = None
    cut_at: int | None = None
    stays_off: bool = False
    starts_with: str = OLD
    sends_nothing: bool = False
    leaves_at: float | None = None
    traits: Mapping[str, str] = field(default_factory=dict)

    @property
    def on_air(self) -> bool:
        """Whether it is behind a radio."""
        return self.profile in ON_AIR

    @property
    def on_mesh(self) -> bool:
        """Whether it is in a Zigbee network."""
        return self.profile in ON_MESH


UNWELL, FOREIGN_KEY, OTHER_BOARD = "rev-b", "rev-c", "rev-d"

FLEET: tuple[Actor, ...] = (
    Actor("th-1", SENSOR, "an ordinary update"),
    Actor("th-2", SENSOR, "an ordinary update"),
    Actor(
        "th-3",
        SENSOR,
        "boots, fails its health check, is taken back by its loader",
        ends=(Outcome.ROLLED_BACK,),
        rollback="bootloader",
        runs=OLD,
        variant=UNWELL,
    ),
    Actor(
        "th-4",
        SENSOR,
        "its loader rejects the image's key",
        ends=(Outcome.FAILED,),
        runs=OLD,
        variant=FOREIGN_KEY,
    ),
    Actor("th-5", SENSOR, "loses power in the middle of the transfer", cut_at=5),
    Actor(
        "th-6",
        SENSOR,
        "runs the target already",
        ends=(Outcome.ALREADY_THERE,),
        starts_with=NEW,
        sends_nothing=True,
    ),
    Actor(
        "th-7",
        SENSOR,
        "falls silent, and is brought back when it answers",
        ends=(Outcome.WOUNDED, Outcome.SUCCEEDED),
        cut_at=4,
        stays_off=True,
    ),
    Actor("relay-1", RELAY, "an ordinary update"),
    Actor("relay-2", RELAY, "an ordinary update"),
    Actor(
        "relay-3",
        RELAY,
        "boots, fails its health check, gets its known-good again",
        ends=(Outcome.ROLLED_BACK,),
        rollback="reflash",
        runs=OLD,
        variant=UNWELL,
    ),
    Actor("relay-4", RELAY, "loses power in the middle of the transfer", cut_at=60),
    Actor(
        "relay-5",
        RELAY,
        "the image is for other hardware",
        ends=(Outcome.REFUSED,),
        runs=OLD,
        variant=OTHER_BOARD,
        sends_nothing=True,
    ),
    Actor(
        "relay-6",
        RELAY,
        "falls silent half-written, and is brought back when it answers",
        ends=(Outcome.WOUNDED, Outcome.SUCCEEDED),
        cut_at=70,
        stays_off=True,
    ),
    Actor("ble-1", RADIO, "an ordinary update over a simulated radio"),
    Actor(
        "ble-2",
        RADIO,
        "fails its health check, is taken back by its loader",
        ends=(Outcome.ROLLED_BACK,),
        rollback="bootloader",
        runs=OLD,
        variant=UNWELL,
    ),
    Actor("ble-3", RADIO, "goes out of range in mid-transfer, comes back", leaves_at=0.3),
    Actor("lamp-1", LAMP, "Nordic's secure loader: an ordinary update"),
    Actor(
        "lamp-2",
        LAMP,
        "its package is for another board",
        ends=(Outcome.REFUSED,),
        runs=OLD,
        variant=OTHER_BOARD,
        sends_nothing=True,
    ),
    Actor("tag-1", TAG, "Nordic's legacy loader: an ordinary update"),
    Actor("tag-2", TAG, "its loader has the same name as the other's: one after the other"),
    Actor("plug-1", PLUG, "Zigbee: it asks for pages; an ordinary update", traits={"asks": "pages"}),
    Actor("plug-2", PLUG, "loses power in mid-image, and goes on where it was", cut_at=8),
    Actor(
        "plug-3",
        PLUG,
        "starts its old firmware again, whatever it was given",
        ends=(Outcome.ROLLED_BACK,),
        rollback="bootloader",
        runs=OLD,
        traits={"boots-back": ""},
    ),
    Actor(
        "door-1",
        DOOR,
        "sleeps, and is updated when it is heard",
        traits={"sleepy": "", "long-poll": "1.0", "check-in": "8"},
    ),
    Actor(
        "door-2",
        DOOR,
        "sleeps; its image is for other hardware",
        ends=(Outcome.REFUSED,),
        runs=OLD,
        variant=OTHER_BOARD,
        sends_nothing=True,
        traits={"sleepy": "", "long-poll": "1.0", "check-in": "8"},
    ),
)
