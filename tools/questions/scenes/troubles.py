"""Scenes of things that are broken: links, the broker, the disk, a node in the dark."""

import asyncio

from tools.questions.scenes.scene import check
from tools.questions.site import NEW, OLD, PRODUCT, RELAYS, SENSORS, SERVED, Site


async def whose_fault(site: Site) -> str:
    """A node has no power, a cable was never in, an adapter is gone, another hangs, the broker is dead."""
    site.nodes["s02"].power_off()
    for name in ("s01", "s02", "s03", "s04", SERVED):
        await site.ask(f"tender probe {name}", shown=False)
    site.nodes["s01"].power_off()
    site.ports["s03"].unplug()
    await site.hang_the_server()
    for name in ("s01", "s03", SERVED):
        await site.ask(f"tender probe {name}", shown=False)
    await site.broker_off()

    async def missed() -> bool:
        return bool((await site.json("tender status"))["upstream"] == "disconnected")

    await site.until("the broker is missed", missed)
    for name, culprit in (
        ("s01", "node"),
        ("s02", "cable"),
        ("s03", "adapter"),
        (SERVED, "adapter"),
        ("s04", "broker"),
    ):
        await site.ask(f"tender links {name}")
        found = (await site.json(f"tender links {name}"))["finding"]
        check(found["culprit"] == culprit, f"{name}: the {culprit} is at fault, and it is said: {found}")
    answer = await site.ask("tender doctor")
    check(answer.code == 2, f"something is broken, and the exit code is {answer.code}")
    check("upstream-unreachable" in answer.text, "the dead broker is not named")
    return "each of the five was named for what it is"


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
