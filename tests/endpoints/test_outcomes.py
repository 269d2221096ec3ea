"""What admitted work reports of itself: tokens, seconds, money, and how it ended."""

import asyncio

import pytest
from starlette.requests import Request

from endpoints.admission import Admission
from endpoints.answer_caching import AnswerCaching
from functions.answer_cache import AnswerCache
from functions.cache import FileStore
from functions.callers import Caller
from functions.costs import cost_usd, estimate_usd, usd_per_hour, web_cpu_seconds
from functions.failures import GenerationTimeout
from functions.generation import Delta, Finished, Timing, Usage
from infra.settings import load_settings

SETTINGS = load_settings("production")
CALLER = Caller("00000000-0000-4000-8000-000000000001", "", None, frozenset())


class Hand:
    """A clock that a test turns."""

    at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def admission(hand: Hand, store: FileStore) -> Admission:
    answers = AnswerCache(store, SETTINGS.answer_cache, SETTINGS.engine)
    caching = AnswerCaching(answers, CALLER, Request({"type": "http", "headers": []}))
    return Admission(SETTINGS, caching, clock=hand)


def finished(tokens: int, seconds: float) -> Finished:
    return Finished(
        finish_reason="length",
        usage=Usage(prompt_tokens=tokens, cached_tokens=tokens + 1, completion_tokens=tokens + 2),
        timing=Timing(time_to_first_token_s=0.25, total_s=seconds, sandbox_s=seconds / 2),
    )


def test_steps_add_up_and_are_paid_for_by_the_second(admission: Admission, hand: Hand):
    hand.at += 3
    admission.note(Delta(text="a", tokens=4))
    hand.at += 1
    admission.note(Delta(text="b", tokens=5))
    admission.note(finished(10, 2.0))
    admission.note(finished(100, 4.0))
    admission.about_session("a session")
    hand.at += 6
    outcome = admission.outcome(None)
    assert (outcome.prompt_tokens, outcome.cached_tokens, outcome.completion_tokens) == (110, 112, 114)
    assert (outcome.gpu_seconds, outcome.latency_s, outcome.time_to_first_token_s) == (6.0, 10.0, 3.0)
    assert (outcome.finish_reason, outcome.error, outcome.cache_hit) == ("length", None, False)
    assert outcome.session_id == "a session"
    cores = web_cpu_seconds(SETTINGS, 10.0)
    assert outcome.cost_usd == pytest.approx(cost_usd(SETTINGS, 6.0, cpu_seconds=cores, sandbox_seconds=3.0))
    assert admission.cost_usd == pytest.approx(outcome.cost_usd)


def test_of_work_that_was_broken_off_what_was_seen_is_counted_and_the_time_that_it_held_an_engine(
    admission: Admission, hand: Hand
):
    admission.note(finished(10, 2.0))
    admission.note(Delta(text="a", tokens=4))
    admission.note(Delta(text="b", tokens=5))
    hand.at += 8
    outcome = admission.outcome(GenerationTimeout(8.0))
    assert outcome.completion_tokens == 12 + 9
    assert (outcome.gpu_seconds, outcome.finish_reason, outcome.error) == (8.0, "abort", "GenerationTimeout")
    assert outcome.time_to_first_token_s == 0.25, "as the engine says, where nothing was seen of it"
    hand.at -= 7
    gone = admission.outcome(asyncio.CancelledError())
    assert (gone.gpu_seconds, gone.error) == (2.0, None), "its engine knows of more time; who went away is no fault"


def test_work_that_has_told_nothing_was_aborted_and_cost_the_web_tier(admission: Admission, hand: Hand):
    hand.at += 100
    outcome = admission.outcome(None)
    assert (outcome.prompt_tokens, outcome.cached_tokens, outcome.completion_tokens) == (0, 0, 0)
    assert (outcome.finish_reason, outcome.time_to_first_token_s, outcome.gpu_seconds) == ("abort", None, 0.0)
    assert outcome.cost_usd == pytest.approx(
        100 * SETTINGS.web.cpu / SETTINGS.web.max_concurrent_requests * 0.04716 / 3600
    )


def test_a_step_that_says_nothing_of_its_end_has_ended_well(admission: Admission):
    step = finished(10, 2.0)
    admission.used(step.usage, step.timing)
    assert admission.outcome(None).finish_reason == "stop"


def test_an_answer_that_was_kept_has_a_first_token_and_an_end_and_uses_nothing(admission: Admission, hand: Hand):
    hand.at += 1
    admission.note_found(Delta(text="red", tokens=1))
    hand.at += 1
    admission.note_found(finished(10, 2.0))
    outcome = admission.outcome(None)
    assert (outcome.time_to_first_token_s, outcome.finish_reason) == (1.0, "length")
    assert (outcome.prompt_tokens, outcome.completion_tokens, outcome.gpu_seconds) == (0, 0, 0.0)


def test_an_estimate_is_of_a_slow_engine_and_never_of_more_than_the_time_limit():
    an_hour = usd_per_hour(SETTINGS) + web_cpu_seconds(SETTINGS, 3600) * 0.04716 / 3600
    assert estimate_usd(SETTINGS, 300) == pytest.approx(an_hour * 12 / 3600)
    assert estimate_usd(SETTINGS, 300, generations=3) == pytest.approx(3 * an_hour * 12 / 3600)
    assert estimate_usd(SETTINGS, 10**9, generations=2) == pytest.approx(
        2 * an_hour * SETTINGS.generation.timeout_s / 3600
    )
