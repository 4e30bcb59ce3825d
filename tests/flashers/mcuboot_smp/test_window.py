"""The window: it grows where that helps, and where it hurts it learns to leave it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flashers.mcuboot_smp.window import Window


def answers(window: Window, count: int) -> None:
    for _ in range(count):
        window.answered()


def test_it_starts_with_one_request_and_grows_to_what_the_node_can_hold() -> None:
    window = Window(3)
    sizes = []
    for _ in range(12):
        sizes.append(window.size)
        window.answered()
    assert sizes == [1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3]


def test_it_shrinks_at_a_loss_and_grows_again() -> None:
    window = Window(8)
    answers(window, 1000)
    assert window.size == 8
    window.lost()
    assert window.size == 4
    answers(window, 1000)
    assert window.size == 8


def test_a_node_that_loses_every_overlap_is_asked_for_it_ever_more_rarely() -> None:
    window, tried = Window(3), []
    for number in range(2000):
        window.answered()
        if window.size > 1:
            tried.append(number)
            window.lost()
    assert [b - a for a, b in pairwise(tried)] == [8, 32, 128, 512]
    assert window.size == 1


def test_a_loss_that_cost_the_timer_is_not_risked_again_soon() -> None:
    window = Window(3)
    answers(window, 2)
    window.lost(silently=True)
    answers(window, 500)
    assert window.size == 1
    answers(window, 12)
    assert window.size == 2


def test_a_node_that_can_hold_two_is_given_two_though_it_cannot_hold_three() -> None:
    window, at = Window(3), {1: 0, 2: 0, 3: 0}
    for _ in range(2000):
        at[window.size] += 1
        window.answered()
        if window.size == 3:
            window.lost()
    assert at[2] > 1900


def test_an_accident_after_long_good_service_is_forgiven() -> None:
    window = Window(2)
    answers(window, 2)
    window.lost()
    answers(window, 8)
    assert window.size == 2
    for _ in range(3):
        answers(window, 50)
        window.lost()
    answers(window, 2)
    assert window.size == 2


def test_the_line_s_own_losses_teach_nothing() -> None:
    window = Window(3)
    for _ in range(50):
        window.lost(silently=True)
    answers(window, 2)
    assert window.size == 2


@given(st.integers(-2, 9), st.lists(st.sampled_from(["answered", "lost", "silent"]), max_size=300))
def test_it_is_never_less_than_one_nor_more_than_allowed(limit: int, events: list[str]) -> None:
    window = Window(limit)
    for event in events:
        if event == "answered":
            window.answered()
        else:
            window.lost(silently=event == "silent")
        assert 1 <= window.size <= max(1, limit)
