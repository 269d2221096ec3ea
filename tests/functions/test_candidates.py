"""Which of several candidates is kept."""

from dataclasses import replace

from functions.candidates import Candidate, agreeing, agreement, best_of, borne_out, in_doubt, settled, with_doubts
from functions.evidence import Check, Evidence, Verdict


def candidate(
    outcomes: tuple[str, ...], certain: Verdict = "passed", guesses: tuple[Verdict, ...] = (), index: int = 0
) -> Candidate:
    """One with a check that is certain, and some that a model has made up."""
    checks = [Check("example 1", certain), *(Check("guess", verdict, guessed=True) for verdict in guesses)]
    return Candidate("", "stop", Evidence(checks, outcomes=outcomes), index=index)


def test_a_guess_that_most_contradict_does_not_decide():
    several = [candidate(("5",), guesses=("passed", "failed"))]
    several += [candidate(("6",), guesses=("failed", "failed"), index=index) for index in (1, 2, 3)]
    assert best_of(several).index == 1
    assert [agreeing(one, several) for one in several] == [1, 3, 3, 3]


def test_all_guesses_held_weigh_as_much_as_half_of_the_others():
    alone = candidate(("5",), guesses=("passed", "passed"))
    rest = [candidate((f"{6 + index}",), guesses=("failed", "failed"), index=index) for index in range(1, 8)]
    same = [candidate(("6",), guesses=("failed", "failed"), index=index) for index in range(1, 8)]
    assert best_of([alone, *same[:4], *rest[4:]]).index == 0, "4 of 8 agree against it"
    assert best_of([alone, *same[:6], *rest[6:]]).index == 1, "6 of 8 do"
    half = candidate(("5",), guesses=("passed", "failed"))
    assert best_of([half, *same[:4], *rest[4:]]).index == 1, "it holds one of two"


def test_a_guess_decides_between_candidates_of_which_each_is_alone():
    several = [candidate(("5",), guesses=("failed",)), candidate(("6",), guesses=("passed", "failed"), index=1)]
    assert best_of(several).index == 1


def test_one_that_gives_mostly_what_others_give_is_taken_though_no_two_are_alike():
    several = [candidate(("1", "9")), candidate(("1", "2"), index=1), candidate(("7", "2"), index=2)]
    assert [agreement(one, several) for one in several] == [3 / 6, 4 / 6, 3 / 6]
    assert best_of(several).index == 1
    assert best_of([several[0], several[2]]).index == 0, "of two who never agree the first, which is the likelier"
    assert agreement(candidate(()), several) == 0, "nothing was run"


def test_a_fault_that_others_do_not_have_costs_and_one_that_all_have_does_not():
    crash, fine = candidate(("1", "raised IndexError")), candidate(("1", "None"), index=1)
    faulty = replace(crash, evidence=replace(crash.evidence, crashes=1))
    assert best_of([faulty, fine]).index == 1
    assert best_of([faulty, replace(faulty, index=2)]).index == 0


def test_two_that_pass_everything_and_do_the_same_settle_it():
    first, same, other = candidate(("1", "2")), candidate(("1", "2"), index=1), candidate(("1", "3"), index=2)
    assert settled(first, [first, same], 8)
    several = [first, other]
    assert not settled(first, several, 8), "examples that both pass, and something near them that tells them apart"
    assert not settled(first, [first], 8)
    failed = candidate(("1", "2"), "failed", index=3)
    assert not settled(failed, [failed, first, same], 8)
    assert not settled(first, [first, failed], 8)
    unrun = candidate(())
    assert settled(unrun, [unrun], 8), "nothing was to be run: no other can tell more"


def test_where_a_model_has_made_up_all_examples_more_than_half_have_to_agree():
    checks = [Check("types", "passed"), Check("example 1", "passed", guessed=True)]
    several = [Candidate("", "stop", Evidence(checks, outcomes=("1",)), index=index) for index in range(5)]
    assert not settled(several[0], several[:4], 8)
    assert settled(several[0], several, 8)
    assert settled(several[0], several[:1], 1)


def test_a_guess_that_nobody_holds_is_in_doubt_and_one_that_somebody_holds_is_not():
    best, other = candidate(("5",), guesses=("failed",)), candidate(("6",), guesses=("failed",), index=1)
    assert in_doubt(best, [best, other])
    assert not in_doubt(best, [best, candidate(("7",), guesses=("passed",), index=1)])
    assert not in_doubt(candidate(("5",), "failed"), [candidate(("5",), "failed")]), "what failed is no guess"


def test_two_later_ones_that_hold_every_guess_and_do_the_same_bear_it_out():
    first = [candidate(("5",), guesses=("failed",), index=index) for index in range(4)]
    later = [replace(candidate(("6",), guesses=("passed",), index=index), round=1) for index in (4, 5)]
    assert [borne_out(one, [*first, *later]) for one in [*first, *later]] == [False] * 4 + [True] * 2
    assert not borne_out(later[0], [*first, later[0]]), "one alone may have been written to fit"
    other = replace(candidate(("7",), guesses=("passed",), index=6), round=1)
    assert not borne_out(later[0], [*first, later[0], other]), "so may two that do not do the same"
    untold = [replace(one, round=0) for one in later]
    assert not borne_out(untold[0], [*first, *untold]), "in the first round the majority counts"
    guess = Evidence([Check("types", "passed"), Check("example 1", "passed", guessed=True)], outcomes=("6",))
    ending = [replace(one, evidence=guess) for one in later]
    assert settled(ending[0], ending, 8, shown_guesses=True)
    assert not settled(ending[0], ending, 8), "a round of repair is no such round"


def test_what_is_certain_comes_before_any_agreement():
    several = [candidate(("1",), "failed", ("passed",), index=index) for index in range(3)]
    assert best_of([*several, candidate(("2",), "passed", ("failed",), index=3)]).index == 3
    assert agreeing(several[0], several) == 0, "those that are wrong are no witnesses"


def test_one_that_was_cut_is_never_chosen_over_a_whole_one():
    cut = Candidate("", "length", Evidence([Check("example 1", "passed")]), index=1)
    assert best_of([cut, candidate((), "failed")]).index == 0
    assert best_of([cut]).index == 1


def test_a_guess_that_others_contradict_too_is_said_to_be_doubtful():
    several = [candidate(("6",), guesses=("failed", "passed"), index=index) for index in range(3)]
    several.append(candidate(("5",), "failed", ("passed", "failed"), index=3))
    doubted = with_doubts(several[0], several).evidence.checks
    assert [check.detail for check in doubted if check.detail] == [
        "; 3 of 4 candidates do the same: what a model expected here may be wrong"
    ]
    assert doubted[1].verdict == "failed", "it is said, not settled"
    alone = candidate(("7",), guesses=("failed",))
    assert with_doubts(alone, [alone, *several]) == alone
