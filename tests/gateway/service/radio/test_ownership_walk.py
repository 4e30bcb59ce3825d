"""Every order of what two gateways, a broker and people may do: never two owners, and in the end one."""

import random
from collections import Counter

import pytest

from tests.gateway.service.radio.walk import Gateway, Site


def owners(site: Site) -> list[str]:
    return [each.name for each in site.gateways if each.owns]


def at_rest(site: Site) -> Site:
    """Let everything that goes on by itself come to its end."""
    for _ in range(500):
        quiet = [(name, after) for name, after in site.steps() if " cut off" not in name and people(name)]
        if not quiet:
            return site
        site = quiet[0][1]
    raise AssertionError("it does not come to rest")


def people(step: str) -> bool:
    """Whether it happens without anybody's word."""
    return step.split()[1] in {"says", "reads", "publishes", "connects"}


def walk(site: Site, bound: int) -> tuple[int, Counter[str]]:
    """Every state that can be reached, each checked; how many, and which kinds of steps led there."""
    seen, kinds = {site.key()}, Counter[str]()
    edge: list[tuple[Site, tuple[str, ...]]] = [(site, ("start",))]
    while edge:
        assert len(seen) < bound, "more states than expected"
        following: list[tuple[Site, tuple[str, ...]]] = []
        for state, path in edge:
            for name, after in state.steps():
                key = after.key()
                if key in seen:
                    continue
                seen.add(key)
                kinds[name.split(maxsplit=1)[1].split()[0]] += 1
                assert len(owners(after)) < 2, (*path, name)
                following.append((after, (*path, name)))
        edge = following
    return len(seen), kinds


LEFT = [
    {"drop": 1},
    {"forget": 1},
    {"handover": 1, "drop": 1},
    pytest.param({"drop": 2}, marks=pytest.mark.slow),
    pytest.param({"handover": 2, "drop": 1}, marks=pytest.mark.slow),
    pytest.param({"forget": 1, "drop": 1}, marks=pytest.mark.slow),
]
"""How often what may happen; the slow ones have some 100,000 states."""


@pytest.mark.parametrize("left", LEFT, ids=str)
def test_in_no_order_of_events_has_a_node_two_owners(left: dict[str, int]) -> None:
    count, kinds = walk(Site((Gateway("a"), Gateway("b")), left=left), 400_000)
    assert count > 100
    assert {"says", "reads", "publishes"} <= set(kinds)
    for what, verb in {"drop": "is", "handover": "gives", "forget": "forgets"}.items():
        assert bool(kinds[verb]) is (what in left)


@pytest.mark.parametrize("seed", range(80))
def test_whatever_happened_the_node_has_one_owner_in_the_end(seed: int) -> None:
    dice = random.Random(seed)
    left = {"drop": 3, "handover": 2, "forget": 1}
    site = Site((Gateway("a"), Gateway("b"), Gateway("c")), left=left)
    for _ in range(dice.randrange(120)):
        steps = list(site.steps())
        if not steps:
            break
        _, site = dice.choice(steps)
        assert len(owners(site)) < 2
    for index, gateway in enumerate(site.gateways):
        if not gateway.wanted:
            site = site._with(index, Gateway(gateway.name, gateway.kept))  # it is one of its nodes again
    site = at_rest(site)
    assert len(owners(site)) == 1


@pytest.mark.parametrize("seed", range(40))
def test_after_a_word_of_people_against_an_owner_there_is_one_owner_once_all_have_read_it(seed: int) -> None:
    dice = random.Random(seed)
    site = Site((Gateway("a"), Gateway("b")), left={"drop": 2, "over": 2, "handover": 1})
    for _ in range(dice.randrange(60)):
        steps = list(site.steps())
        if not steps:
            break
        _, site = dice.choice(steps)
    assert len(owners(at_rest(site))) == 1
