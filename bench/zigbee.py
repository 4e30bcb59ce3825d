"""Zigbee: our server of OTA files against those of zigpy and zigbee-herdsman, on one virtual network.

The channel is written down in :mod:`transports.virtual.zigbee.timing`, the node's behaviour in
:mod:`flashers.zigbee_ota.virtual.options`; neither knows of these figures, and zigbee-herdsman
commissions, interviews and updates the same node in a test.  Time is real, since the others know no
other: a busy machine slows all of them down, and what is judged are ratios.
"""

import asyncio
from pathlib import Path

from bench.measure import Row
from bench.zigbee_runs import (
    BLOCK,
    DEFAULT,
    FASTEST,
    FLEET,
    FLEET_HOPS,
    OURS,
    ZIGPY,
    Contender,
    Fleet,
    Score,
    run,
    run_fleet,
)
from transports.virtual.zigbee import timing

_BARS = {"pages": (2.0, 15.0), "blocks": (1.0, 8.0)}
"""At least so many times the rate of zigpy's own, and of zigbee-herdsman's default."""
_RUNS = 3
"""Each run takes half a minute, most of it for forming networks and joining."""
_FIRST, _LAST = 1 / 3, 1.1
"""The first verdict in less than this share of the last one's time; the last one at most so much later."""


def measure(folder: Path, *, runs: int) -> list[Row]:
    """Every row about Zigbee."""
    rows = [_channel(), _node()]
    for asks in ("pages", "blocks"):
        rows += _one_node(asks, folder / asks, runs)
    return [*rows, *_fleet(folder / "fleet")]


def _channel() -> Row:
    return Row(
        f"the channel: 250 kbit/s for all, CSMA-CA {timing.MIN_BE}..{timing.MAX_BE}, {timing.MAX_RETRIES} "
        f"MAC retries, {timing.OVERHEAD} B around and {timing.ZCL_BLOCK} B before a block's data, "
        f"{timing.PROCESSING * 1000:g} ms in each chip",
        "",
        "limit = size / (hops x sum of its frames' backoff + CCA + 2 turnarounds + air + ack)",
        None,
    )


def _node() -> Row:
    return Row(
        f"the node: next to the coordinator, takes {BLOCK} B a block, asks for pages of 2,048 B with no "
        "spacing, or block by block, and asks again after 5 s",
        "",
        "",
        None,
    )


def _limit(asks: str) -> float:
    return timing.limit(BLOCK, asked=asks == "blocks")


def _one_node(asks: str, folder: Path, runs: int) -> list[Row]:
    scores = {each: Score(each) for each in (OURS, ZIGPY, FASTEST, DEFAULT)}
    asyncio.run(_interleaved(scores, asks, folder, runs))
    ours, zigpy, default = scores[OURS], scores[ZIGPY], scores[DEFAULT]
    over_zigpy, over_default = _BARS[asks]
    return [
        *(_speed(asks, score) for score in scores.values()),
        _bar(f"{asks}: ours over zigpy's own", ours.rate / zigpy.rate, over_zigpy),
        _bar(f"{asks}: ours over zigbee-herdsman's default", ours.rate / default.rate, over_default),
        Row(
            f"{asks}: processor's time of a block, ours over zigpy's own",
            f"{ours.cpu_per_block / zigpy.cpu_per_block:.2f} x",
            "< 1",
            ours.cpu_per_block < zigpy.cpu_per_block,
        ),
    ]


async def _interleaved(scores: dict[Contender, Score], asks: str, folder: Path, runs: int) -> None:
    """Each once, then each again; who waits by the clock is the same every time, and runs once."""
    for number in range(min(runs, _RUNS)):
        for place, (contender, score) in enumerate(scores.items()):
            if contender.delay is None or number == 0:
                score.tooks.append(await run(contender, asks, folder / f"{number}-{place}"))


def _speed(asks: str, score: Score) -> Row:
    best = _limit(asks)
    return Row(
        f"{asks}: {score.contender.name}",
        f"{score.rate / 1000:.2f} kB/s, {score.blocks:.1f} blocks/s, {score.rate / best:.0%} of the "
        f"channel's {best / 1000:.1f} kB/s, {score.cpu_per_block * 1000:.2f} ms CPU a block",
        "",
        None,
        {
            "bytes_per_s": score.rate,
            "blocks_per_s": score.blocks,
            "limit_bytes_per_s": best,
            "cpu_s_per_block": score.cpu_per_block,
            "runs": len(score.tooks),
        },
    )


def _bar(what: str, ratio: float, goal: float) -> Row:
    return Row(what, f"{ratio:.2f} x", f">= {goal:g} x", ratio >= goal)


def _fleet(folder: Path) -> list[Row]:
    few = asyncio.run(run_fleet(4, folder / "few"))
    many = asyncio.run(run_fleet(FLEET, folder / "all"))
    name = f"{FLEET} nodes, {FLEET_HOPS} hops, {few.size / 1000:.0f} kB each"
    first, later = few.first / few.last, few.last / many.last
    return [
        _together(f"{name}, 4 at a time", few),
        _together(f"{name}, all at once", many),
        Row(
            "  4 at a time: the first verdict, of the last one's time",
            f"{first:.2f}",
            "< 0.33",
            first < _FIRST,
        ),
        Row(
            "  4 at a time: the last verdict, over all at once", f"{later:.2f} x", "<= 1.1 x", later <= _LAST
        ),
    ]


def _together(what: str, fleet: Fleet) -> Row:
    best = timing.limit(BLOCK, hops=FLEET_HOPS)
    return Row(
        f"{what}: first and last proved",
        f"{fleet.first:.0f} s, {fleet.last:.0f} s; {fleet.rate / 1000:.2f} kB/s, {fleet.rate / best:.0%} of "
        f"the channel's {best / 1000:.1f} kB/s, which is busy {fleet.on_air / fleet.last:.0%} of the time",
        "",
        None,
        {
            "first_s": fleet.first,
            "last_s": fleet.last,
            "bytes_per_s": fleet.rate,
            "limit_bytes_per_s": best,
            "air_s": fleet.on_air,
        },
    )
