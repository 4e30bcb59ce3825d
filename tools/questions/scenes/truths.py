"""Scenes about what is so, and since when: what changed, whether it still holds, what to send."""

import tarfile

from flashers.sim import Behaviour
from tools.questions.scenes.scene import check
from tools.questions.site import BAD, NEW, OLD, PRODUCT, SENSOR, Site, image


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
