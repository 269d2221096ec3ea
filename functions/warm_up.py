"""What an engine does once before it says that it is ready: each of these paths has a first time that costs seconds."""

from collections.abc import Iterator

from functions.generation import Constraint, GenerationRequest, Message, Sampling

_CONSTRAINTS = (
    None,
    Constraint.of("json_schema", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}),
    Constraint.of("grammar", 'start: "def f():\\n    return " /[0-9]{1,3}/ "\\n"'),
    Constraint.of("regex", "[a-z]{1,8}"),
)


def warm_up_requests() -> Iterator[GenerationRequest]:
    """Free text, a schema, a grammar, a regex, log probabilities, and a batch."""
    sampling = Sampling(max_tokens=8, temperature=0.0)
    for number, constraint in enumerate(_CONSTRAINTS):
        yield _request(f"warm-up-{number}", sampling, constraint)
    yield _request("warm-up-logprobs", sampling.model_copy(update={"logprobs": 1}), None)
    yield _request("warm-up-batch", sampling.model_copy(update={"n": 8, "temperature": 1.0}), _CONSTRAINTS[1])


def _request(name: str, sampling: Sampling, constraint: Constraint | None) -> GenerationRequest:
    messages = (Message(role="user", content="Say a word."),)
    return GenerationRequest(id=name, messages=messages, sampling=sampling, constraint=constraint)
