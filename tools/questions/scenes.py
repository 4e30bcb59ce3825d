"""Ten scenes: a failure is staged, a question is asked, and the answer is held against the truth.

Each scene breaks something for real (a port that is gone, a process that is killed, power that
fails in the middle of a write) and looks at the virtual nodes themselves, past everything that
the gateway believes.
"""

import asyncio
import tarfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from flashers.sim import Behaviour
from tools.questions.site import BAD, NEW, OLD, PRODUCT, RELAYS, SENSOR, SENSORS, Site, image


def check(condition: object, what: str) -> None:
    """Hold something to be true."""
    if not condition:
        raise AssertionError(what)


@dataclass(frozen=True, slots=True)
class Scene:
    """A question; what is staged, and how it is played."""

    question: str
    staged: str
    play: Callable[[Site], Awaitable[str]]
    """Returns what was checked, in words."""
    extra: str = ""


async def broken(site: Site) -> str:
    """A bad release, and a node that went dark for reasons of its own."""
    await site.ask("tender probe r08 --allow-restart", shown=False)
    site.nodes["r08"].power_off()
    await site.ask("tender probe r08 --allow-restart", shown=False)
    await site.release(BAD, Behaviour.UNHEALTHY)
    await site.ask(f"tender deploy {PRODUCT} {BAD} --profile climate-sensor --id monday")

    async def stopped() -> bool:
        (view,) = await site.json("tender deployments")
        return bool(view["state"] == "stopped")

    await site.until("the rollout has stopped by itself", stopped)
    answer = await site.ask("tender status")
    check(answer.code == 1, f"something waits for a person, and the exit code is {answer.code}")
    check("s01" in answer.text and "did we do it?  yes" in answer.text, "it does not say that it was us")
    check("monday" in answer.text, "the answer does not name the rollout")
    check(
        all(site.runs(name) == OLD for name in SENSORS),
        f"a sensor does not run what it ran before: {[site.runs(name) for name in SENSORS]}",
    )
    attempts = await site.json("tender attempts")
    begun = {view["node"] for view in attempts if view["bytes_sent"]}
    check(len(begun) == 1, f"the first wave is one node, and {begun} were sent something")
    await site.ask("tender deployments")
    return f"one node of {len(SENSORS)} was touched, and every one runs {OLD}"


async def stop_everything(site: Site) -> str:
    """A release is on its way when somebody rings."""
    await site.release(NEW)
    await site.ask(f"tender deploy {PRODUCT} {NEW} --profile climate-sensor --id tuesday --all-at-once")

    async def under_way() -> bool:
        return any(view["bytes_sent"] for view in await site.json("tender attempts --open"))

    await site.until("an update is under way", under_way)
    answer = await site.ask("tender pause --all --why 'the customer rang'")
    check(answer.code == 0, answer.text)

    async def at_rest() -> bool:
        attempts = await site.json("tender attempts --open")
        return all(view["phase"] in {"queued", "waiting"} for view in attempts)

    await site.until("what was touched has come to its end", at_rest)
    before = {name: site.nodes[name].operations for name in SENSORS}
    await site.stop(killed=True)
    await site.start()
    await asyncio.sleep(3.0)
    check(
        {name: site.nodes[name].operations for name in SENSORS} == before,
        "a node was written although everything is paused",
    )
    await site.ask("tender status")
    answer = await site.ask("tender resume --all")
    check(answer.code == 0, answer.text)

    async def done() -> bool:
        return all(site.runs(name) == NEW for name in SENSORS)

    await site.until("everything goes on after the resume", done, within=120)
    return "no node was written while it was paused, a killed and restarted gateway included"


async def plug(site: Site) -> str:
    """Relays have one slot; pulled at the wrong moment, one of them has no firmware."""
    await site.release(NEW)
    await site.baseline()
    await site.ask(f"tender deploy {PRODUCT} {NEW} --profile valve-relay --all-at-once", shown=False)

    async def exposed() -> bool:
        return not (await site.json("tender status"))["safe_to_power_off"]

    await site.until("a relay has no firmware at this moment", exposed)
    await site.ask("tender status")
    answer = await site.ask("tender drain --wait")
    check(answer.code == 0, answer.text)
    check((await site.json("tender status"))["safe_to_power_off"], "it is not safe, and was said to be")
    await site.stop(killed=True)
    for name in (*SENSORS, *RELAYS):
        site.nodes[name].power_off()
    for name in (*SENSORS, *RELAYS):
        check(site.nodes[name].truth().bootable, f"{name} has no firmware")
        site.nodes[name].power_on()
    await site.start()
    await site.ask("tender undrain")

    async def done() -> bool:
        return all(site.runs(name) == NEW for name in RELAYS)

    await site.until("the rest is updated after the power is back", done, within=180)
    return "the power was cut to everything at that moment, and every node had firmware that runs"


async def node_twelve(site: Site) -> str:
    """Everybody asks why theirs is not updated yet."""
    await site.release(NEW)
    await site.ask(f"tender deploy {PRODUCT} {NEW} --profile climate-sensor --id wednesday", shown=False)

    async def first_begun() -> bool:
        return any(view["bytes_sent"] for view in await site.json("tender attempts --open"))

    await site.until("the first node is under way", first_begun)
    answer = await site.ask("tender explain s12")
    check("wave" in answer.text, "the answer does not speak of the wave")
    check(site.runs("s12") == OLD and not site.nodes["s12"].operations, "s12 was touched")

    async def done() -> bool:
        return site.runs("s12") == NEW

    await site.until("its wave comes", done, within=120)
    return "s12 was untouched when it was said to wait, and had its turn when its wave came"


async def changed(site: Site) -> str:
    """Somebody flashed a node by hand, and somebody else changed the configuration."""
    await site.release(NEW)
    await site.ask(f"tender deploy {PRODUCT} {NEW} --node s03 --node r03 --id thursday --wait", shown=False)
    await site.ask("tender probe s05", shown=False)
    await site.swap("s05", NEW)
    await site.ask("tender node label s07 house=greenhouse")
    await site.ask("tender probe s05", shown=False)
    await site.stop()
    site.extra += "\n[rollout]\nmax_in_parallel = 4\n"
    await site.start()
    answer = await site.ask("tender events --since 10min")
    for word in ("thursday", "s05", "label", "rollout.max_in_parallel", "(pid "):
        check(word in answer.text, f"the answer does not speak of {word}")
    told = site.heard_by_the_broker()
    shown = [event["id"]["sequence"] for event in await site.json_lines("tender events --since 10min")]
    check(shown == sorted(set(shown)), "events are shown twice or out of order")
    check(set(told) <= set(shown), f"upstream was told {set(told) - set(shown)}, and it is not shown")
    return f"{len(shown)} events in order, and none that upstream was told is missing"


async def whose_fault(site: Site) -> str:
    """Five faults, one after the other: a node, a cable, an adapter, the broker, the gateway's disk."""
    site.nodes["s02"].power_off()
    for name in ("s01", "s02", "s03", "s04", "s05"):
        await site.ask(f"tender probe {name}", shown=False)
    site.nodes["s01"].power_off()
    site.ports["s03"].unplug()
    for name in ("s01", "s02", "s03"):
        await site.ask(f"tender probe {name}", shown=False)
    await site.broker_off()

    async def missed() -> bool:
        return bool((await site.json("tender status"))["upstream"] == "disconnected")

    await site.until("the broker is missed", missed)
    await site.ask("tender links s01")
    await site.ask("tender links s03")
    answer = await site.ask("tender doctor")
    check(answer.code in {1, 2}, f"something is broken, and the exit code is {answer.code}")
    verdicts = {name: (await site.json(f"tender links {name}"))["finding"] for name in ("s01", "s03", "s05")}
    check(verdicts["s03"]["culprit"] == "adapter", f"s03's port is gone, and it is said: {verdicts['s03']}")
    check(
        verdicts["s01"]["culprit"] in {"node", "cable"},
        f"s01 has no power, and it is said: {verdicts['s01']}",
    )
    check("broker" in answer.text, "the dead broker is not named")
    return "the port that is gone, the node without power and the broker that is dead were each named"


async def saved(site: Site) -> str:
    """A relay loses its power while it is written and stays dark; its supply is switched by a program."""
    await site.release(NEW)
    await site.baseline()
    site.nodes["r02"].cut_power_at(site.nodes["r02"].operations + 12, torn=True, off_for=None)
    await site.ask(f"tender deploy {PRODUCT} {NEW} --node r02 --id friday --wait", shown=False)
    check(not site.nodes["r02"].truth().bootable, "r02 has firmware, and should have none")
    answer = await site.ask("tender recover r02")
    check("power-cycle" in answer.text or "remote" in answer.text, answer.text)
    switching = asyncio.create_task(site.power_when_switched("r02"))
    answer = await site.ask("tender power r02 cycle")
    check(answer.code == 0, answer.text)
    await switching

    async def back() -> bool:
        return site.nodes["r02"].truth().bootable and (await site.json("tender node r02"))["state"] == "ok"

    await site.until("the node is brought back", back, within=120)
    await site.ask("tender recover r02")
    check(site.runs("r02") in {OLD, NEW}, f"r02 runs {site.runs('r02')}")
    return f"the supply was switched once, and r02 was brought back by itself: it runs {site.runs('r02')}"


async def who_else(site: Site) -> str:
    """The supply of two relays is one; one of them has to be switched off and on."""
    await site.ask("tender recover r04")
    answer = await site.ask("tender power r04 cycle")
    check("r05" in answer.text, "the other node on that supply is not named")
    check(not (site.folder / "switched").exists(), "power was cut although another node would have been hit")
    await site.release(NEW)
    await site.ask(f"tender deploy {PRODUCT} {NEW} --node s03 --wait", shown=False)
    answer = await site.ask(f"tender nodes --on {NEW}")
    check("s03" in answer.text and "s04" not in answer.text, "the list of who runs it is wrong")
    return "nothing was switched before the other node was named and agreed to"


async def still_true(site: Site) -> str:
    """A node is another one than it was, and one lies about what it runs."""
    await site.release(NEW)
    await site.ask(f"tender deploy {PRODUCT} {NEW} --node s09 --wait", shown=False)
    await site.ask("tender probe s10", shown=False)
    await site.swap("s09", OLD)
    await site.swap("s10", NEW, Behaviour.LIES)
    await site.ask("tender nodes --stale 1h")
    answer = await site.ask("tender probe --all --profile climate-sensor")
    check("s09" in answer.text, "the changed node is not in the answer")
    await site.ask("tender node s09")
    view = await site.json("tender node s09")
    check(view["state"] == "changed-by-others", f"s09 was flashed by others, and is called {view['state']}")
    answer = await site.ask("tender node s10")
    check("reported-hash" in answer.text, "it does not say that this is the node's own word")
    check(site.nodes["r01"].operations == 0, "a relay was touched for a look")
    return "the node that was flashed by hand is named, a node's own word is called so, nothing was restarted"


async def vendor(site: Site) -> str:
    """An update failed, and the vendor asks what happened."""
    await site.release(BAD, Behaviour.UNHEALTHY)
    await site.ask(f"tender deploy {PRODUCT} {BAD} --node s02 --wait", shown=False)
    answer = await site.ask(
        "tender support-bundle --out bundle.tar.gz --config gateway.toml --log tender.log"
    )
    check(answer.code == 0, answer.text)
    with tarfile.open(site.folder / "bundle.tar.gz") as bundle:
        names = bundle.getnames()
        whole = b"".join(file.read() for member in bundle if (file := bundle.extractfile(member)))
    check(any("MANIFEST" in name for name in names), f"no manifest among {names}")
    check(b"PRIVATE KEY" not in whole, "a key is in it")
    check(image(SENSOR, BAD, Behaviour.UNHEALTHY)[64:128] not in whole, "firmware is in it")
    await site.ask("tender trace s02 --last", shown=False)
    return f"{len(names)} files, with the failed attempt and its trace, without keys or firmware"


async def full_disk(site: Site) -> str:
    """The disk is full in the middle of an update; later somebody makes room."""
    await site.stop()
    check(await site.small_disk("64m"), "a small disk could not be mounted; this scene wants root")
    await site.start()
    await site.release(NEW)
    await site.ask(
        f"tender deploy {PRODUCT} {NEW} --profile climate-sensor --all-at-once --id sunday", shown=False
    )

    async def under_way() -> bool:
        return any(view["bytes_sent"] for view in await site.json("tender attempts --open"))

    await site.until("an update is under way", under_way)
    site.fill_disk()

    async def said() -> bool:
        return (await site.ask("tender status --json", shown=False)).code == 2

    await site.until("the full disk is said", said)
    await site.ask("tender status")
    for name in (*SENSORS, *RELAYS):
        check(site.nodes[name].truth().bootable, f"{name} has no firmware")
    site.make_room()

    async def done() -> bool:
        status = await site.json("tender status")
        return not status["attempts_open"] and all(site.runs(name) == NEW for name in SENSORS)

    await site.until("everything goes on when there is room", done, within=180)
    await site.ask("tender status")
    return "every node had firmware all the while, and the updates went on when there was room"


_SUPPLY = "".join(
    f"""
[[nodes.{name}.ladder]]
kind = "relay"
name = "supply-{supply}"
off = ["/bin/sh", "FOLDER/switch", "off", "{supply}"]
on = ["/bin/sh", "FOLDER/switch", "on", "{supply}"]
off_for = 0.5
"""
    for name, supply in (("r02", "a"), ("r04", "b"), ("r05", "b"))
)

_FOUR = "[rollout]\nmax_in_parallel = 4\n"

SCENES: tuple[Scene, ...] = (
    Scene("Is anything broken, and did we do it?", broken.__doc__ or "", broken),
    Scene(
        "Stop everything now",
        stop_everything.__doc__ or "",
        stop_everything,
        "[rollout]\nmax_in_parallel = 4\n",
    ),
    Scene("May I pull the plug?", plug.__doc__ or "", plug),
    Scene("Why not node 12, and when?", node_twelve.__doc__ or "", node_twelve),
    Scene("What changed, and who ordered it?", changed.__doc__ or "", changed),
    Scene(
        "Is it the node, the cable, the adapter, the broker or the gateway?",
        whose_fault.__doc__ or "",
        whose_fault,
    ),
    Scene("And when it is the gateway, whose disk is full?", full_disk.__doc__ or "", full_disk),
    Scene("Can it be saved from here?", saved.__doc__ or "", saved, _SUPPLY),
    Scene("Who else will be hit?", who_else.__doc__ or "", who_else, _SUPPLY),
    Scene("Is this still true?", still_true.__doc__ or "", still_true),
    Scene("What do I send the vendor?", vendor.__doc__ or "", vendor),
)
