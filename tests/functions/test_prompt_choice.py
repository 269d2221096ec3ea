"""Versions of a prompt are served by weight, and what comes of each can be told apart."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import NoOpTracer

from functions.candidates import Candidate
from functions.evidence import Check, Evidence
from functions.generation import Timing
from functions.prompt_choice import chosen_prompt, record_candidates, record_prompt
from functions.prompt_uses import noting_prompts
from functions.prompting import load_prompt
from infra import telemetry
from infra import telemetry_names as names
from infra.settings import load_settings


@pytest.fixture
def measurements() -> Iterator[InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter(names.SCOPE)
    telemetry.replace_recorders(telemetry.Recorders(NoOpTracer(), telemetry.Instruments(meter), records_content=False))
    yield reader
    telemetry.replace_recorders(None)


def test_versions_are_served_by_their_weights_and_a_request_keeps_its_own():
    weights = {"specify.v1": 1.0, "specify.v2": 3.0}
    served = Counter(chosen_prompt(weights, f"request {number}").version for number in range(1000))
    assert 200 < served["specify.v1"] < 300, "a quarter, drawn by the requests' texts: always the same"
    assert chosen_prompt(weights, "\ud800").version in weights
    assert {chosen_prompt(weights, "the same").version for _ in range(10)} == {
        chosen_prompt(weights, "the same").version
    }
    assert chosen_prompt({"implement.v2": 0.1}, "any").version == "implement.v2"


@pytest.mark.parametrize("environment", ["local", "development", "staging", "production"])
def test_every_version_that_is_served_is_there(environment: str):
    prompts = load_settings(environment).prompts
    for version in chain(prompts.specify, *prompts.implement):
        messages = load_prompt(version).messages("what is wanted")
        assert messages[-1].role == "user"
        assert "what is wanted" in messages[-1].content
        assert "{" not in messages[-1].content, "a place for the request is filled"


def test_each_version_is_counted_by_the_best_of_its_own_candidates(measurements: InMemoryMetricReader):
    fine = Evidence([Check("example 1", "passed")])
    tried = [
        Candidate("", "stop", fine, tokens=5, prompt_version="implement.v3"),
        Candidate("", "length", tokens=7, prompt_version="implement.v3", index=1),
        Candidate("", "length", tokens=9, prompt_version="implement.v2", index=2),
        Candidate("", "abort", tokens=1, prompt_version="implement.v1", index=3),
    ]
    with noting_prompts() as uses:
        record_candidates(tried, Timing(time_to_first_token_s=0.1, total_s=2.0))
    assert [(use.version, use.outcome, use.tokens) for use in uses] == [
        ("implement.v3", "passed", 12),
        ("implement.v2", "cut", 9),
    ], "of the third nothing is known: another one had passed before"


def test_success_tokens_and_time_of_each_version_are_measured(measurements: InMemoryMetricReader):
    record_prompt("implement.v1", "passed", 20, Timing(time_to_first_token_s=0.1, total_s=2.0))
    record_prompt("implement.v2", "cut")
    data = measurements.get_metrics_data()
    assert data is not None
    seen = {
        (metric.name, point.attributes[names.PROMPT_VERSION], point.attributes[names.PROMPT_OUTCOME]): (
            point.value if hasattr(point, "value") else point.sum
        )
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }
    assert seen == {
        (names.PROMPT_OUTCOMES, "implement.v1", "passed"): 1,
        (names.PROMPT_OUTCOMES, "implement.v2", "cut"): 1,
        (names.PROMPT_TOKENS, "implement.v1", "passed"): 20,
        (names.PROMPT_DURATION, "implement.v1", "passed"): 2.0,
    }
