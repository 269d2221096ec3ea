"""What an engine is asked before it is ready, as the settings have it."""

import pytest

from functions.warm_up import warm_up_requests
from infra.engine_settings import WarmUp
from infra.settings import load_settings


@pytest.mark.parametrize("environment", ["production", "staging", "development", "local"])
def test_every_kind_of_work_has_its_first_time_before_a_user_comes(environment: str):
    requests = list(warm_up_requests(load_settings(environment).engine.warm_up))
    kinds = {None if request.constraint is None else request.constraint.kind for request in requests}
    assert kinds == {None, "json_schema", "grammar", "regex"}
    assert {request.sampling.n for request in requests} == {1, 2, 8}
    assert len({request.id for request in requests}) == len(requests)


def test_a_single_candidate_is_the_likeliest_and_several_are_drawn():
    one, several = warm_up_requests([WarmUp(kind="choice", source=["a", "b"], logprobs=2), WarmUp(n=3)])
    assert (one.sampling.temperature, one.sampling.logprobs) == (0.0, 2)
    assert one.constraint is not None
    assert one.constraint.source == '["a", "b"]'
    assert (several.sampling.temperature, several.sampling.n, several.sampling.logprobs) == (1.0, 3, None)
