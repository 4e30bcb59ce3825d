"""Scenes around updates: a bad one, one to be stopped, one that exposes nodes, one that takes its time."""

import asyncio

from flashers.sim import Behaviour
from tools.questions.scenes.scene import check
from tools.questions.site import BAD, NEW, OLD, PRODUCT, RELAYS, SENSORS, Site


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
    check(answer.code == 2, f"a node is silent, which is broken, and the exit code is {answer.code}")
    check(_blamed(answer.text, "r08 does not answer") == "no", "it does not say that r08 was not us")
    check(_blamed(answer.text, "s01: rolled-back") == "yes", "it does not say that s01 was us")
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


def _blamed(status: str, what: str) -> str:
    """What the status answers to "did we do it?" in the paragraph that says this."""
    (paragraph,) = (part for part in status.split("\n\n") if what in part and "did we do it?  " in part)
    return paragraph.partition("did we do it?  ")[2].partition(":")[0]


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
