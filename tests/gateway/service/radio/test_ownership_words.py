"""What single words mean; that they fit together is walked through elsewhere."""

from gateway.model.radio import Claim, Kept, Stand
from gateway.service.radio.ownership import MOST_GATEWAYS, Around, Standing, decide, hear, standing

HAS, GAVE, NONE, WANTS = Stand.HAS, Stand.GAVE, Stand.NONE, Stand.WANTS


def test_the_latest_change_of_hands_counts() -> None:
    assert standing({}) == Standing()
    assert standing({"a": Claim(HAS, 1), "b": Claim(HAS, 2)}).owner == "b"
    assert standing({"a": Claim(GAVE, 2, to="b"), "b": Claim(NONE, 1)}).offered_to == "b"
    assert standing({"a": Claim(GAVE, 2, to="b"), "b": Claim(HAS, 2)}).owner == "b"
    assert standing({"a": Claim(HAS, 1), "b": Claim(WANTS, 1)}) == Standing("a", None, 1, ("b",))


def test_a_node_is_free_once_the_one_that_it_was_given_to_let_go_of_it() -> None:
    assert standing({"a": Claim(GAVE, 2, to="b"), "b": Claim(NONE, 2)}) == Standing(epoch=2)


def test_of_two_owners_of_one_epoch_the_first_by_name_stays_and_the_other_lets_go() -> None:
    words = {"a": Claim(HAS, 1), "b": Claim(HAS, 1)}
    assert standing(words).owner == "a"
    mine = decide("b", Kept(words["b"], {"a": words["a"]}), Around(wanted=True))
    assert mine is not None
    assert mine.stand is NONE


def test_an_older_word_that_comes_late_changes_nothing() -> None:
    kept = hear("a", Kept(), "b", Claim(HAS, 3, revision=7))
    assert hear("a", kept, "b", Claim(NONE, 2, revision=6)) is kept
    assert hear("a", kept, "b", Claim(NONE, 3, revision=8)).others["b"].stand is NONE


def test_our_own_word_from_before_the_journal_was_lost_is_ours() -> None:
    assert hear("a", Kept(), "a", Claim(HAS, 3, revision=7)).mine.stand is HAS


def test_no_more_gateways_are_believed_than_can_hear_one_node() -> None:
    kept = Kept()
    for number in range(1000):
        kept = hear("a", kept, f"b{number}", Claim(WANTS, 0, revision=1))
    assert len(kept.others) == MOST_GATEWAYS


def test_without_an_upstream_a_node_is_taken_on_peoples_word_only() -> None:
    assert decide("a", Kept(), Around(wanted=True, alone=True)) is None
    word = decide("a", Kept(), Around(wanted=True, alone=True, vouched=True))
    assert word is not None
    assert word.stand is HAS
    given = Kept(Claim(GAVE, 2, 3, to="b"))
    assert decide("a", given, Around(wanted=True, alone=True, vouched=True)) is None
