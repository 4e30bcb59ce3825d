"""Where the script is played: everything is put together here, and each act is done at its time."""

import asyncio
import gc
import json
import random
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from gateway.control import DeployRequest, Selector
from gateway.service.gateway import Gateway
from tests.years.broker import Broker
from tests.years.clock import DAY, YearsLoop, now, run_years
from tests.years.diary import Diary
from tests.years.fleet import PER_HUB, Images, Unit, make_fleet
from tests.years.house import House
from tests.years.kinds import KINDS
from tests.years.oracle import NodeFacts, Oracle
from tests.years.plain import Holds
from tests.years.releases import PRODUCT, Workshop
from tests.years.script import GOOD, NEVER, Act, Script, write_script
from transports.errors import TenderError
from transports.virtual.memory import MemoryLines

SWEEP_EVERY = 5 * DAY
_ROWS = 4


@dataclass
class Walked:
    """What came of one seed."""

    seed: int
    days: float
    nodes: int
    wrong: list[str]
    digest: str
    marks: list[str]
    counts: Counter[str]
    outcomes: Counter[str]
    acts: Counter[str]
    checks: int
    lives: int
    kills: int
    told: int
    bytes_by_day: dict[int, int] = field(default_factory=dict)
    """The state folder's size, by day."""
    memory_by_day: dict[int, int] = field(default_factory=dict)
    """Bytes of Python's own objects that are traced, or of the process, by day."""
    story: dict[str, list[str]] = field(default_factory=dict)

    def text(self, command: str) -> str:
        """A failure, with all that is needed to understand it."""
        lines = [f"seed {self.seed}, day {self.days:.3f}:", *self.wrong, "", "again:", f"  {command}"]
        for who, story in self.story.items():
            lines += ["", f"the last of {who}:", *(f"  {line}" for line in story)]
        return "\n".join(lines)


Make = Callable[..., Gateway]


class Town:
    """One gateway, its nodes, its people, and the oracle."""

    def __init__(self, folder: Path, script: Script, nodes: int, make: Make = Gateway) -> None:
        self.script = script
        self.diary = Diary()
        self.images = Images()
        self.shop = Workshop(folder / "shop", self.images)
        self.units: dict[str, Unit] = make_fleet(nodes, self.images, self._wrote)
        facts = {
            name: NodeFacts(unit.kind.name, unit.kind.two_slots, unit.kind.mute, unit.kind.no_loader)
            for name, unit in self.units.items()
        }
        self.oracle = Oracle(facts, self._look, self.images.named, self.diary, now)
        self.over = asyncio.Event()
        self.oracle.alarm = self.over.set
        self.broker = Broker(self._heard, Random(f"broker {script.seed}"))
        self.lines = MemoryLines({name: unit.line for name, unit in self.units.items()})
        self.house = House(folder, self._config(folder), self.lines, self.broker, self.oracle.committed, make)
        self.acts: Counter[str] = Counter()
        self._revision = 0
        self._asked = 0
        self._mine: str | None = None
        self._visits = 0

    def _config(self, folder: Path) -> dict[str, Any]:
        profiles = folder / "profiles"
        profiles.mkdir()
        for kind in KINDS:
            (profiles / f"{kind.name}.toml").write_text(kind.profile)
        return {
            "profiles": (profiles,),
            "gateway": {"name": "gw"},
            "trust": {"keys": {"owner": str(self.shop.public)}},
            "store": {"max_bytes": 1 << 20},
            "upstream": {
                "mqtt": {
                    "url": "mqtt://broker",
                    "progress_every": 0,
                    "status_every": 30 * DAY,
                    "status_settle": 600,
                    "retry_cap": 1800,
                }
            },
            "nodes": {
                name: {
                    "profile": unit.kind.name,
                    "link": f"memory:{name}",
                    "labels": {"row": str(number % _ROWS), "hub": str(unit.hub)},
                }
                for number, (name, unit) in enumerate(self.units.items())
            },
        }

    def _look(self, name: str) -> Holds:
        return self.units[name].holds()

    def _wrote(self, unit: Unit, address: int, data: bytes) -> None:
        self.oracle.wrote(unit.name, address, data)

    def _heard(self, topic: str, message: dict[str, Any], retained: bool) -> None:
        self.oracle.heard(topic, message, retained)

    # The walk

    async def walk(self, days: float) -> Walked:
        """Play the script for so many days, or until something is wrong."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, YearsLoop)
        random.seed(self.script.seed)  # the product's own jitter
        memory: dict[int, int] = {}
        sizes: dict[int, int] = {}
        jobs = [self.house.live(), self._people(), self._sweeper(days, memory, sizes), self.over.wait()]
        tasks = [loop.create_task(job) for job in jobs]
        self.house.neighbours |= {*tasks, asyncio.current_task()}  # type: ignore[arg-type]
        _, people, sweeper, over = tasks
        await asyncio.wait([tasks[0], sweeper, over], return_when=asyncio.FIRST_COMPLETED)
        ended = now()
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise task.exception() or AssertionError
        if people.done() and not people.cancelled():
            people.result()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        oracle = self.oracle
        who = [line.split()[3].rstrip(":") for line in oracle.wrong[:3]]
        return Walked(
            seed=self.script.seed,
            days=ended / DAY,
            nodes=len(self.units),
            wrong=oracle.wrong,
            digest=self.diary.digest,
            marks=self.diary.marks,
            counts=self.diary.counts,
            outcomes=oracle.outcomes,
            acts=self.acts,
            checks=oracle.checks,
            lives=self.house.lives,
            kills=self.house.kills,
            told=oracle.told(),
            bytes_by_day=sizes,
            memory_by_day=memory,
            story={name: self.diary.last(name) for name in dict.fromkeys([*who, "gateway"])},
        )

    async def _sweeper(self, days: float, memory: dict[int, int], sizes: dict[int, int]) -> None:
        while now() < days * DAY:
            await asyncio.sleep(SWEEP_EVERY)
            self.oracle.sweep(lambda name: self.units[name].node.operations)
            day = round(now() / DAY)
            if day % 100 == 0:
                gc.collect()
                memory[day] = _resident()
                sizes[day] = sum(
                    f.stat().st_size for f in self.house.folder.glob("state/**/*") if f.is_file()
                )

    async def _people(self) -> None:
        await self._begin()
        for act in self.script.acts:
            await asyncio.sleep(max(0.0, act.at - now()))
            self.acts[act.do] += 1
            getattr(self, "_" + act.do.replace("-", "_"))(act)

    async def _begin(self) -> None:
        """The operator vouches for what the nodes with one slot run."""
        gateway = await self.house.up()
        self.oracle.gateway_trouble("not started", on=False)
        for kind in KINDS:
            image = self.images.of(kind, "1.0.0")
            file = self.shop.folder / f"{kind.name}-1.0.0.{'img' if kind.smp else 'bin'}"
            file.write_bytes(image.body)
            await gateway.add_baseline(file, profile=kind.name, component="app", version="1.0.0")

    def _ask(self, work: Callable[[Gateway], Any]) -> None:
        """Somebody asks at the gateway itself, and asks again if it dies or is not there."""

        async def asking() -> None:
            for _ in range(20):
                gateway = await self.house.up()
                task = asyncio.get_running_loop().create_task(work(gateway))
                await asyncio.wait([task])
                if not task.cancelled():
                    error = task.exception()
                    if error is None:
                        return
                    if not isinstance(error, TenderError):
                        raise error
                    self.diary.note(now(), "gateway", "refuses", error.code)
                    if not error.retryable and error.code != "journal-full":
                        return
                await asyncio.sleep(600)

        person = asyncio.get_running_loop().create_task(asking())
        self.house.neighbours.add(person)
        person.add_done_callback(self._asked_enough)

    def _asked_enough(self, person: asyncio.Task[None]) -> None:
        self.house.neighbours.discard(person)
        if not person.cancelled() and person.exception() is not None:
            self.oracle.say("P5", "gateway", f"a request met a bug: {person.exception()!r}")

    # What people do

    def _release(self, act: Act) -> None:
        plan = self.script.releases[act.about[0]]
        if plan.how in NEVER:
            for image in self.shop.artifacts(plan):
                allowed = self.shop.allowed(self.script.releases.values(), image.kind)
                self.oracle.forbid(image.kind, image.body, f"{image.name}, {plan.how}", allowed)
        path = self.shop.make(plan)
        self._ask(lambda gateway: gateway.add_release(path, asked_by="owner"))

    def _want(self, act: Act) -> None:
        self._revision += 1
        deployments = []
        for text in act.about:
            name, version, whom = text.split(" ", 2)
            deployments.append(
                {
                    "id": name,
                    "release": {"product": PRODUCT, "version": version},
                    "select": self._select(whom),
                    **self._policy(),
                }
            )
        self.diary.note(now(), "gateway", "upstream wants", " | ".join(act.about))
        self.broker.want({"schema": 1, "revision": self._revision, "deployments": deployments})

    def _policy(self) -> dict[str, Any]:
        return {}

    def _select(self, whom: str) -> dict[str, Any]:
        if whom == "all":
            return {"all": True}
        if "=" in whom:
            key, value = whom.split("=")
            return {"labels": {key: value}}
        return {"nodes": whom.split("+")}

    def _command(self, verb: str, **args: Any) -> None:
        self._asked += 1
        self.broker.command({"schema": 1, "id": f"c{self._asked}", "verb": verb, "args": args})

    def _cancel(self, act: Act) -> None:
        self._command("cancel", target=act.about[0])

    def _rollback(self, act: Act) -> None:
        self._command("rollback", node=act.about[0])

    def _probe(self, act: Act) -> None:
        self._command("probe", node=act.about[0], allow_restart=act.flag)

    def _nonsense(self, act: Act) -> None:
        match int(act.figure):
            case 0:
                self._command("explode")
            case 1:
                self._command("rollback", node="nobody")
            case 2:
                self.broker.want({"schema": 1, "revision": 0, "deployments": []})
            case _:
                self.broker.command({"what": "is this"})

    def _deploy(self, act: Act) -> None:
        self._asked += 1
        self._mine = name = f"by-hand-{self._asked}"
        version, whom = act.about
        request = DeployRequest(
            name, PRODUCT, version, Selector(nodes=tuple(whom.split("+"))), asked_by="somebody"
        )
        self._ask(lambda gateway: gateway.deploy(request))

    def _cancel_mine(self, act: Act) -> None:
        name = self._mine
        if name is not None:
            self._ask(lambda gateway: gateway.cancel(name, asked_by="somebody"))

    def _pause(self, act: Act) -> None:
        self._ask(lambda gateway: gateway.rollout.pause(None, asked_by="somebody"))

    def _resume(self, act: Act) -> None:
        self._ask(lambda gateway: gateway.rollout.resume(None, asked_by="somebody"))

    def _go_on(self, act: Act) -> None:
        """Somebody has looked at what stopped, and what is well goes on; the rest is given up."""
        for name in sorted(self.oracle.waits_for_people):
            version = self.oracle.releases.get(name, ":").split(":")[1]
            plan = self.script.releases.get(version)
            if plan is not None and plan.how == GOOD:
                self._ask(self._resuming(name))
            else:
                self._command("cancel", target=name)

    def _resuming(self, name: str) -> Callable[[Gateway], Any]:
        return lambda gateway: gateway.rollout.resume(name, asked_by="somebody")

    def _hold(self, act: Act) -> None:
        name = f"{PRODUCT}:{act.about[0]}"
        self._ask(lambda gateway: gateway.rollout.hold(name, asked_by="somebody"))

    def _unhold(self, act: Act) -> None:
        name = f"{PRODUCT}:{act.about[0]}"
        self._ask(lambda gateway: gateway.rollout.unhold(name, asked_by="somebody"))

    def _recall(self, act: Act) -> None:
        name = f"{PRODUCT}:{act.about[0]}"
        self._ask(lambda gateway: gateway.rollout.recall(name, back=act.flag, asked_by="somebody"))

    def _visit(self, act: Act) -> None:
        """To the nodes that stay wounded goes somebody with a programmer."""
        good = [version for version, plan in self.script.releases.items() if plan.how == GOOD]
        version = good[0] if good else "1.0.0"
        left = [name for name in self.oracle.wounded() if not self.oracle.nodes[name].troubled]
        left = [name for name in left if name not in self.oracle.open()]
        for name in left:
            unit = self.units[name]
            unit.put_in(self.images.of(unit.kind, "1.0.0"))
            self.oracle.tampered(name)
        del version
        if left:
            self._visits += 1
            for name in left:
                self._probe(Act(now(), 0, "probe", (name,), flag=True))

    def _tamper(self, act: Act) -> None:
        """Somebody else flashes a node, with what we know or with something of their own."""
        name = act.about[0]
        unit = self.units[name]
        if name in self.oracle.open() or unit.dark:
            return
        version = "1.0.0" if act.flag else "0.9.0"
        unit.put_in(self.images.of(unit.kind, version))
        self.oracle.tampered(name)

    # What goes wrong with nodes

    def _cut_at(self, act: Act) -> None:
        unit = self.units[act.about[0]]
        unit.node.cut_power_at(unit.node.operations + int(act.figure), torn=act.flag, off_for=20.0)
        self.diary.note(now(), unit.name, "will lose power", f"at its write {int(act.figure)} from now")

    def _unplug(self, act: Act) -> None:
        self.units[act.about[0]].pull("cable")
        self.oracle.trouble(act.about[0], "unplugged", on=True)

    def _replug(self, act: Act) -> None:
        self.units[act.about[0]].put_back("cable")
        self.oracle.trouble(act.about[0], "unplugged", on=False)

    def _off(self, act: Act) -> None:
        self.units[act.about[0]].power_off("own")
        self.oracle.trouble(act.about[0], "without power", on=True)

    def _on(self, act: Act) -> None:
        self.units[act.about[0]].power_on("own")
        self.oracle.trouble(act.about[0], "without power", on=False)

    def _on_hub(self, hub: str) -> list[Unit]:
        return [unit for unit in self.units.values() if unit.hub == int(hub)]

    def _unplug_hub(self, act: Act) -> None:
        for unit in self._on_hub(act.about[0]):
            unit.pull("hub")
            self.oracle.trouble(unit.name, "hub gone", on=True)

    def _replug_hub(self, act: Act) -> None:
        for unit in self._on_hub(act.about[0]):
            unit.put_back("hub")
            self.oracle.trouble(unit.name, "hub gone", on=False)

    # What goes wrong with the gateway

    def _kill(self, act: Act) -> None:
        self.house.kill()

    def _kill_at(self, act: Act) -> None:
        self.house.kill(int(act.figure), after=act.flag)

    def _stop(self, act: Act) -> None:
        self.house.stop()
        self.oracle.gateway_trouble("stopped", on=True)

    def _start(self, act: Act) -> None:
        self.oracle.gateway_trouble("stopped", on=False)
        self._start_if_nothing_is_wrong()

    def _start_if_nothing_is_wrong(self) -> None:
        if not self.oracle.gateway_troubles & {"stopped", "blackout"}:
            self.house.start()

    def _blackout(self, act: Act) -> None:
        """The whole house is without power."""
        self.house.keep_off()
        self.oracle.gateway_trouble("blackout", on=True)
        for unit in self.units.values():
            unit.power_off("house")
            self.oracle.trouble(unit.name, "blackout", on=True)

    def _light(self, act: Act) -> None:
        self.oracle.gateway_trouble("blackout", on=False)
        for unit in self.units.values():
            unit.power_on("house")
            self.oracle.trouble(unit.name, "blackout", on=False)
        self._start_if_nothing_is_wrong()

    def _disk_full(self, act: Act) -> None:
        self.house.fill_disk(full=True)
        self.oracle.gateway_trouble("disk full", on=True)

    def _disk_free(self, act: Act) -> None:
        self.house.fill_disk(full=False)
        self.oracle.gateway_trouble("disk full", on=False)

    def _clock(self, act: Act) -> None:
        self.house.clock_off_ms += int(act.figure * 1000)
        self.house.synchronised = not self.house.synchronised

    # What goes wrong upstream

    def _broker_down(self, act: Act) -> None:
        self.broker.go_away()
        self.oracle.broker_trouble("broker away", on=True)

    def _broker_up(self, act: Act) -> None:
        self.broker.come_back()
        self.oracle.broker_trouble("broker away", on=False)

    def _flaky(self, act: Act) -> None:
        self.broker.flaky = act.figure
        self.oracle.broker_trouble("connection flaky", on=True)

    def _steady(self, act: Act) -> None:
        self.broker.flaky = 0.0
        self.oracle.broker_trouble("connection flaky", on=False)


def _resident() -> int:
    """Bytes of memory that the process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def walk(seed: int, days: int, folder: Path, *, nodes: int = 200, make: Make = Gateway) -> Walked:
    """Walk one seed for so many days."""
    folder.mkdir(parents=True, exist_ok=True)

    async def main() -> Walked:
        names = list(make_fleet(nodes, Images(), lambda *_: None))
        script = write_script(seed, days, names, -(-nodes // PER_HUB))
        return await Town(folder, script, nodes, make).walk(days)

    return run_years(main(), limit=(days + 30) * DAY)


def script_text(script: Script) -> str:
    """A script as lines, to be read."""
    return "\n".join(
        json.dumps([round(act.at / DAY, 4), act.do, *act.about, act.figure, act.flag]) for act in script.acts
    )
