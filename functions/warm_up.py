"""What an engine does once before it says that it is ready: each of these has a first time that costs seconds."""

from collections.abc import Iterator

from functions.generation import Constraint, GenerationRequest, Message, Sampling

_BATCH_SIZES = (2, 8)

_CONSTRAINTS = {
    "text": None,
    "json_schema": Constraint.of(
        "json_schema", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    ),
    "grammar": Constraint.of("grammar", 'start: "def f():\\n    return " /[0-9]{1,3}/ "\\n"'),
    "regex": Constraint.of("regex", "[a-z]{1,8}"),
}


def warm_up_requests() -> Iterator[GenerationRequest]:
    """Free text, a schema, a grammar, a regex, log probabilities, and batches: one after another."""
    greedy = Sampling(max_tokens=8, temperature=0.0)
    for name, constraint in _CONSTRAINTS.items():
        yield _request(name, greedy, constraint)
    yield _request("logprobs", greedy.model_copy(update={"logprobs": 1}), None)
    for size in _BATCH_SIZES:
        batch = Sampling(max_tokens=8, temperature=1.0, top_p=0.9, n=size)
        yield _request(f"batch-{size}", batch, _CONSTRAINTS["json_schema"])


def _request(name: str, sampling: Sampling, constraint: Constraint | None) -> GenerationRequest:
    messages = (Message(role="user", content="Say a word."),)
    return GenerationRequest(id=f"warm-up-{name}", messages=messages, sampling=sampling, constraint=constraint)
