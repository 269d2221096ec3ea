"""Constraint sets of ours through OpenAI's own package, on the real engine."""

from typing import Any

import openai
import pytest

from tests.endpoints.openai.conftest import Serving
from tests.endpoints.test_constraint_sets import constraint_set, rule

ASK: Any = [{"role": "user", "content": "A colour?"}]
IMPOSSIBLE = constraint_set(rule("regex", pattern="(red|blue)"), rule("must_contain", text="purple"))


async def test_a_set_is_held_to_and_what_it_still_breaks_is_said(client: openai.AsyncOpenAI, serving: Serving):
    asked: Any = {"model": serving.model, "messages": ASK, "max_tokens": 8, "extra_body": {"constraints": IMPOSSIBLE}}
    whole = await client.chat.completions.create(**asked)
    assert whole.choices[0].message.content in {"red", "blue"}
    extra: Any = whole.model_extra
    assert extra["constraint_set"]["attempts"] == 3
    assert [violation["constraint"] for violation in extra["constraint_set"]["violations"]] == ["must_contain"]
    chunks = [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) in {"red", "blue"}
    last: Any = chunks[-1].model_extra
    assert last["constraint_set"]["attempts"] == 3
    asked["input"] = asked.pop("messages")[0]["content"]
    asked.pop("max_tokens")
    response = await client.responses.create(**asked)
    assert response.output_text in {"red", "blue"}
    of_response: Any = response.model_extra
    assert of_response["constraint_set"]["attempts"] == 3


async def test_a_digest_is_as_good_as_the_set(client: openai.AsyncOpenAI, serving: Serving):
    _, plain = await serving.web.user_client()
    compiled = (await plain.post("/api/compile", json=constraint_set(rule("regex", pattern="[0-9]{4}")))).json()
    answer = await client.chat.completions.create(
        model=serving.model, messages=ASK, extra_body={"digest": compiled["digest"]}
    )
    assert (answer.choices[0].message.content or "").isdigit()
    extra: Any = answer.model_extra
    assert extra["constraint_set"] == {"digest": compiled["digest"], "attempts": 1, "violations": []}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"constraints": IMPOSSIBLE, "n": 2}, "n"),
        ({"constraints": IMPOSSIBLE, "structured_outputs": {"regex": "a"}}, "constraints"),
        ({"digest": "x", "response_format": {"type": "json_object"}}, "digest"),
        ({"constraints": {"constraints": [{"name": "a", "rule": {"type": "no_such_rule"}}]}}, None),
    ],
)
async def test_what_goes_with_no_set_is_refused(
    client: openai.AsyncOpenAI, serving: Serving, body: dict[str, Any], param: str | None
):
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model=serving.model, messages=ASK, extra_body=body)
    assert param is None or refused.value.param == param
    assert refused.value.param


async def test_a_digest_that_nothing_was_compiled_to_is_what_is_not_found(client: openai.AsyncOpenAI, serving: Serving):
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(model=serving.model, messages=ASK, extra_body={"digest": "0" * 64})
    assert (refused.value.param, refused.value.code) == ("digest", "digest_not_found")
