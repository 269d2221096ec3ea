"""Which requests are the same one, and what is given for it."""

import pytest

from functions.answer_cache import AnswerCache
from functions.cache import FileStore
from functions.generation import (
    CandidateFinished,
    Constraint,
    Delta,
    Finished,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    Message,
    Sampling,
    Timing,
    TokenLogprob,
    Usage,
)
from infra.settings import Settings

REQUEST = GenerationRequest(
    id="gen_1",
    messages=(Message(role="user", content="Name a colour."),),
    sampling=Sampling(max_tokens=8, temperature=0, n=2),
    constraint=Constraint.of("choice", ["red", "green"]),
)


def written(reason: FinishReason = "stop") -> list[GenerationEvent]:
    logprobs = (TokenLogprob(token="r", logprob=-0.1),)
    return [
        Delta(index=0, text="r", tokens=1, logprobs=logprobs),
        Delta(index=1, text="gr", tokens=1),
        Delta(index=0, text="ed", tokens=1, logprobs=logprobs),
        Delta(index=1, text="een", tokens=2),
        CandidateFinished(index=0, finish_reason="stop"),
        CandidateFinished(index=1, finish_reason=reason),
        Finished(
            finish_reason="stop",
            usage=Usage(prompt_tokens=9, cached_tokens=0, completion_tokens=5),
            timing=Timing(time_to_first_token_s=0.1, total_s=0.2),
        ),
    ]


@pytest.fixture
def cache(store: FileStore, settings: Settings) -> AnswerCache:
    return AnswerCache(store, settings.answer_cache, settings.engine)


async def test_an_answer_comes_back_with_each_candidate_in_one_piece(cache: AnswerCache):
    key = cache.key("anna", REQUEST)
    assert key is not None
    assert await cache.find(key) is None
    await cache.keep(key, written())
    first, second, *rest = await cache.find(key) or []
    assert isinstance(first, Delta)
    assert isinstance(second, Delta)
    assert (first.text, first.tokens, len(first.logprobs)) == ("red", 2, 2)
    assert (second.text, second.tokens) == ("green", 3)
    assert rest == written()[4:]
    assert (cache.statistics.hits, cache.statistics.misses) == (1, 1)


async def test_an_answer_that_was_broken_off_is_not_kept(cache: AnswerCache):
    key = cache.key("anna", REQUEST)
    assert key is not None
    await cache.keep(key, written("abort"))
    assert await cache.find(key) is None


def test_requests_that_differ_only_in_their_names_are_the_same(cache: AnswerCache):
    again = REQUEST.model_copy(update={"id": "gen_2", "timeout_s": 1.0})
    assert cache.key("anna", again) == cache.key("anna", REQUEST)


def test_everything_that_changes_an_answer_makes_another_request(cache: AnswerCache):
    changed = [
        {"messages": (Message(role="system", content="Name a colour."),)},
        {"raw": True},
        {"constraint": None},
        {"constraint": Constraint.of("choice", ["green", "red"])},
        *({"sampling": REQUEST.sampling.model_copy(update=sampling)} for sampling in (
            {"max_tokens": 9}, {"seed": 1}, {"top_p": 0.5}, {"stop": ("e",)}, {"n": 1}, {"presence_penalty": 0.5},
            {"frequency_penalty": 0.5}, {"logprobs": 0},
        )),
    ]  # fmt: skip
    keys = {cache.key("anna", REQUEST.model_copy(update=change)) for change in changed}
    assert len(keys | {cache.key("anna", REQUEST)}) == len(changed) + 1


def test_a_draw_that_nobody_can_repeat_has_no_key(cache: AnswerCache):
    drawn = REQUEST.sampling.model_copy(update={"temperature": 0.5})
    seeded = drawn.model_copy(update={"seed": 7})
    assert cache.key("anna", REQUEST.model_copy(update={"sampling": drawn})) is None
    assert cache.key("anna", REQUEST.model_copy(update={"sampling": seeded})) is not None


def test_users_share_answers_only_where_the_settings_say_so(store: FileStore, settings: Settings):
    asked = {
        shared: AnswerCache(
            store, settings.answer_cache.model_copy(update={"shared_between_users": shared}), settings.engine
        )
        for shared in (False, True)
    }
    assert asked[False].key("anna", REQUEST) != asked[False].key("ben", REQUEST)
    assert asked[True].key("anna", REQUEST) == asked[True].key("ben", REQUEST)


def test_another_model_answers_for_itself(store: FileStore, settings: Settings, cache: AnswerCache):
    other = settings.engine.model_copy(update={"revision": "another"})
    assert AnswerCache(store, settings.answer_cache, other).key("anna", REQUEST) != cache.key("anna", REQUEST)


def test_it_can_be_switched_off(store: FileStore, settings: Settings):
    off = settings.answer_cache.model_copy(update={"enabled": False})
    assert AnswerCache(store, off, settings.engine).key("anna", REQUEST) is None
