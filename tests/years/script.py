"""What people want and what goes wrong, made from a seed before anything begins.

Every line is plain: a time, a verb, what it is about.  Nothing in it depends on what
the gateway does, so a script is the same whatever the gateway has become.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.years.clock import DAY, HOUR

MINUTE = 60.0

GOOD = "healthy"
SICK = ("unhealthy", "hangs", "crashes", "confirms-early")
"""How a release can be bad that is signed and fits."""
NEVER = ("unsigned", "stranger", "corrupt", "wrong-hardware", "wrong-size")
"""How a release can be bad so that no node must hear of it."""


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """At a time, in seconds from the beginning, something is done."""

    at: float
    number: int
    do: str
    about: tuple[str, ...] = ()
    figure: float = 0.0
    flag: bool = False


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """A release that somebody makes: its version, and what is wrong with it."""

    version: str
    how: str = GOOD


@dataclass
class Script:
    """All acts in order, and the releases that occur in them."""

    seed: int
    days: int
    acts: list[Act] = field(default_factory=list)
    releases: dict[str, ReleasePlan] = field(default_factory=dict)


class _Author:
    def __init__(self, seed: int, days: int, nodes: Sequence[str], hubs: int) -> None:
        self.dice = Random(f"years {seed}")
        self.script = Script(seed, days)
        self.nodes = list(nodes)
        self.hubs = hubs
        self.release = 0
        self.deployment = 0
        self.good: list[str] = []
        self.standing: list[tuple[str, str, str]] = []
        """What upstream wants now: deployment, version, whom."""

    def act(self, at: float, do: str, *about: str, figure: float = 0.0, flag: bool = False) -> None:
        if 0 <= at < self.script.days * DAY - 2 * DAY:
            self.script.acts.append(Act(at, len(self.script.acts), do, about, figure, flag))

    def some(self, most: int, least: int = 1) -> list[str]:
        return sorted(self.dice.sample(self.nodes, min(len(self.nodes), self.dice.randint(least, most))))

    def log_uniform(self, least: float, most: float) -> float:
        return float(least * (most / least) ** self.dice.random())

    # Campaigns

    def write(self) -> Script:
        dice, end = self.dice, self.script.days * DAY
        at = 0.4 * DAY
        while at < end:
            kind = dice.choices(
                ["good", "good-some", "sick", "never", "mind", "back", "hands"], [3, 6, 6, 3, 5, 2, 2]
            )[0]
            length = {
                "good": self.good_one,
                "good-some": self.good_for_some,
                "sick": self.sick_one,
                "never": self.never_one,
                "mind": self.changed_mind,
                "back": self.go_back,
                "hands": self.by_hand,
            }[kind](at)
            self.faults(at, length)
            if dice.random() < 0.25:
                begin = at + self.log_uniform(30, length)
                self.act(begin, "pause")
                self.act(begin + self.log_uniform(60, 3 * DAY), "resume")
            self.act(at + length + 0.3 * DAY, "go-on")
            if dice.random() < 0.7:
                self.visit(at + length + 2 * DAY)
            at += length + dice.uniform(12, 45) * DAY
        self.quiet_faults(end)
        self.script.acts.sort()
        return self.script

    def new_release(self, how: str = GOOD) -> str:
        self.release += 1
        version = f"1.{self.release}.0"
        self.script.releases[version] = ReleasePlan(version, how)
        if how == GOOD:
            self.good.append(version)
        return version

    def wish(self, at: float, version: str, whom: str, *, keep: int = 2) -> str:
        """Upstream wants one more deployment, beside the newest others."""
        self.deployment += 1
        name = f"d{self.deployment}"
        self.standing = [*self.standing, (name, version, whom)][-keep:]
        self.publish(at)
        return name

    def publish(self, at: float) -> None:
        self.act(at, "want", *(" ".join(each) for each in self.standing))

    def good_one(self, at: float) -> float:
        version = self.new_release()
        self.act(at, "release", version)
        self.wish(at + self.dice.uniform(1, 60) * MINUTE, version, "all")
        return 1.0 * DAY

    def good_for_some(self, at: float) -> float:
        version = self.new_release()
        self.act(at, "release", version)
        self.wish(at + self.dice.uniform(1, 600) * MINUTE, version, self.whom())
        return 0.6 * DAY

    def whom(self) -> str:
        if self.dice.random() < 0.3:
            return f"row={self.dice.randrange(4)}"
        return "+".join(self.some(24, 4))

    def sick_one(self, at: float) -> float:
        version = self.new_release(self.dice.choice(SICK))
        self.act(at, "release", version)
        self.wish(at + self.dice.uniform(1, 60) * MINUTE, version, "+".join(self.some(14, 3)))
        after = at + self.log_uniform(20, 12 * HOUR)
        match self.dice.randrange(4):
            case 0:
                self.standing.pop()
                self.publish(after)
            case 1:
                self.act(after, "recall", version, flag=self.dice.random() < 0.5)
            case 2:
                self.act(after, "hold", version)
                self.act(after + self.log_uniform(60, DAY), "unhold", version)
            case _:
                pass
        return 0.8 * DAY

    def never_one(self, at: float) -> float:
        version = self.new_release(self.dice.choice(NEVER))
        self.act(at, "release", version)
        self.wish(at + self.dice.uniform(1, 60) * MINUTE, version, "all")
        self.standing.pop()
        return 0.3 * DAY

    def changed_mind(self, at: float) -> float:
        """One deployment, and before it can be done another, and perhaps the first again."""
        first, second = self.new_release(), self.new_release()
        self.act(at, "release", first)
        self.act(at + 1, "release", second)
        whom, soon = self.whom(), at + 10 * MINUTE
        name = self.wish(soon, first, whom)
        after = soon + self.log_uniform(0.5, HOUR)
        match self.dice.randrange(4):
            case 0:
                self.wish(after, second, whom)
            case 1:
                self.standing.pop()
                self.publish(after)
            case 2:
                self.act(after, "cancel", name)
            case _:
                self.standing.pop()
                self.wish(after, second, whom)
                self.wish(after + self.log_uniform(0.5, HOUR), first, whom, keep=1)
        return 0.8 * DAY

    def go_back(self, at: float) -> float:
        for node in self.some(8, 2):
            self.act(at + self.dice.uniform(0, 60), "rollback", node)
        return 0.2 * DAY

    def by_hand(self, at: float) -> float:
        """Somebody at the gateway itself deploys, and cancels, and asks."""
        if not self.good:
            return 0.1 * DAY
        nodes = self.some(10, 2)
        self.act(at, "deploy", self.good[-1], "+".join(nodes))
        if self.dice.random() < 0.4:
            self.act(at + self.log_uniform(0.5, 60), "cancel-mine")
        return 0.3 * DAY

    def visit(self, at: float) -> None:
        """Somebody goes there with a programmer, to the nodes that are wounded and stay so."""
        self.act(at, "visit")

    # What goes wrong

    def faults(self, at: float, length: float) -> None:
        dice = self.dice

        def when() -> float:
            return at + self.log_uniform(30, length)

        for node in self.some(6, 0) if dice.random() < 0.7 else []:
            self.act(at, "cut-at", node, figure=dice.randint(1, 12), flag=dice.random() < 0.5)
        for node in self.some(6, 0) if dice.random() < 0.6 else []:
            begin = when()
            self.act(begin, "unplug", node)
            self.act(begin + self.log_uniform(2, 14 * DAY), "replug", node)
        for node in self.some(5, 0) if dice.random() < 0.6 else []:
            begin = when()
            self.act(begin, "off", node)
            self.act(begin + self.log_uniform(1, 5 * DAY), "on", node)
        if dice.random() < 0.4:
            begin, hub = when(), str(dice.randrange(self.hubs))
            self.act(begin, "unplug-hub", hub)
            self.act(begin + self.log_uniform(5, 8 * DAY), "replug-hub", hub)
        for _ in range(dice.choice((0, 0, 1, 2, 5))):
            self.act(when(), "kill-at", figure=dice.randint(0, 200), flag=dice.random() < 0.5)
        for _ in range(dice.choice((0, 1, 1, 3))):
            # The first minutes of a campaign are when everything happens.
            self.act(at + self.log_uniform(60, 4 * HOUR), "kill-at", figure=dice.randint(0, 400))
        if dice.random() < 0.25:
            begin = when()
            self.act(begin, "stop")
            self.act(begin + self.log_uniform(1, 2 * DAY), "start")
        if dice.random() < 0.25:
            begin = when()
            self.act(begin, "blackout")
            self.act(begin + self.log_uniform(1, DAY), "light")
        if dice.random() < 0.25:
            begin = when()
            self.act(begin, "disk-full")
            self.act(begin + self.log_uniform(10, DAY), "disk-free")
        if dice.random() < 0.3:
            begin = when()
            self.act(begin, "flaky", figure=dice.choice((0.02, 0.1, 0.3)))
            self.act(begin + self.log_uniform(60, 3 * DAY), "steady")

    def quiet_faults(self, end: float) -> None:
        """What does not care for campaigns."""
        dice = self.dice
        at = dice.uniform(5, 40) * DAY
        while at < end:
            self.act(at, "broker-down")
            self.act(at + self.log_uniform(60, 90 * DAY), "broker-up")
            at += dice.uniform(30, 160) * DAY
        for _ in range(int(end / DAY / 60)):
            self.act(dice.uniform(0, end), "clock", figure=dice.choice((-400, -1, 0.1, 30, 3650)) * DAY)
        for _ in range(int(end / DAY / 45)):
            self.act(dice.uniform(0, end), "tamper", dice.choice(self.nodes), flag=dice.random() < 0.5)
        for _ in range(int(end / DAY / 20)):
            self.act(dice.uniform(0, end), "probe", dice.choice(self.nodes), flag=dice.random() < 0.5)
        for _ in range(int(end / DAY / 30)):
            self.act(dice.uniform(0, end), "nonsense", figure=dice.randrange(4))
        for _ in range(int(end / DAY / 40)):
            self.act(dice.uniform(0, end), "kill")


def write_script(seed: int, days: int, nodes: Sequence[str], hubs: int) -> Script:
    """The whole story of so many days."""
    return _Author(seed, days, nodes, hubs).write()
