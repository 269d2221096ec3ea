"""The four ways to the code that are compared: one model, one bound of tokens a text, likeliest text first."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from bench.quality.judging import closed, code_of
from bench.quality.tasks import Task
from functions.code_fences import fenced
from functions.constraints import function_grammar
from functions.forward import Forward, Specified
from functions.generation import Constraint, Delta, EngineClient, Finished, GenerationRequest, Message, Sampling, Usage
from functions.ir import IntermediateRepresentation
from functions.stated import stated

ARMS = {"a": "plain", "b": "grammar", "c": "IR, one candidate", "d": "full funnel"}


@dataclass(frozen=True)
class Written:
    """What an arm gave. `raw` is the model's own text; `ir` the specification it went through, and
    `evidence` what is known of each candidate."""

    code: str
    raw: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    engine_s: float
    ir: str = ""
    evidence: list[dict[str, Any]] = field(default_factory=list)


class Specifications:
    """One for each task: it is written as likely as possible, so that c and d go through the same one."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._under_way: dict[str, asyncio.Task[Specified]] = {}

    async def of(self, task: Task) -> Specified:
        """Raises what the product raises."""
        if task.name not in self._under_way:
            self._under_way[task.name] = asyncio.create_task(self._forward.specify(asked_for(task)))
        return await self._under_way[task.name]


def asked_for(task: Task) -> str:
    """The user's words: what the function is to do, and its head."""
    return f"{task.prompt}\nThe function: {task.signature}"


async def write(
    arm: str,
    task: Task,
    engine: EngineClient,
    forward: Forward,
    specifications: Specifications,
    *,
    max_tokens: int,
    candidates: int,
    repairs: int,
) -> Written:
    """Raises what the product raises: the runner counts it as a task that was not solved."""
    began = time.perf_counter()
    if arm in "ab":
        constraint = function_grammar(task.signature) if arm == "b" else None
        words = f"Write one Python function; answer with the code only. {asked_for(task)}"
        text, end = await _generated(engine, words, constraint, max_tokens)
        code = code_of(text) if arm == "a" else text
        # What was cut after the code is an explanation that nobody asked for.
        reason = "stop" if arm == "a" and closed(text) else end.finish_reason
        return _written(code, text, reason, usages=[end.usage], began=began, engine_s=end.timing.total_s)
    specified = await specifications.of(task)
    ir = with_signature(specified.ir, task.signature)
    number, rounds = (1, 0) if arm == "c" else (candidates, repairs)
    made = await forward.implement(ir, candidates=number, repairs=rounds)
    raw = "\n# ---\n".join(candidate.code for candidate in made.candidates)
    engine_s = specified.timing.total_s + made.timing.total_s
    written = _written(
        made.code, raw, made.best.finish_reason, usages=[specified.usage, made.usage], began=began, engine_s=engine_s
    )
    return replace(written, ir=ir.model_dump_json(), evidence=[one.as_json() for one in made.candidates])


def with_signature(ir: IntermediateRepresentation, asked: str) -> IntermediateRepresentation:
    """The head as asked for, as a user would put it right; examples and assertions that cannot fit it are left out.

    What has no type there keeps the specification's.
    """
    head = stated(asked).head
    assert head is not None
    same = [p.name for p in ir.signature.parameters] == [p.name for p in head.signature.parameters]
    given = ir.signature if same else head.signature
    parameters = [
        new.model_copy(update={"type": old.type}) if new.name in head.open_types else new
        for new, old in zip(head.signature.parameters, given.parameters, strict=True)
    ]
    returns = ir.signature.returns if "returns" in head.open_types else head.signature.returns
    update = {"parameters": parameters, "returns": returns, "raises": ir.signature.raises}
    return ir.model_copy(
        update={
            "signature": head.signature.model_copy(update=update),
            "examples": [e for e in ir.examples if len(e.arguments) == len(parameters)],
            "assertions": ir.assertions if same else [],
        }
    )


async def _generated(
    engine: EngineClient, prompt: str, constraint: Constraint | None, max_tokens: int
) -> tuple[str, Finished]:
    request = GenerationRequest(
        id=f"quality-{uuid.uuid4().hex}",
        messages=(Message(role="user", content=prompt),),
        sampling=Sampling(max_tokens=max_tokens, temperature=0.0),
        constraint=constraint,
        timeout_s=3_600,
    )
    request = request if constraint is None else fenced(request, "python")
    events = [event async for event in engine.generate(request)]
    (end,) = (event for event in events if isinstance(event, Finished))
    return "".join(event.text for event in events if isinstance(event, Delta)), end


def _written(code: str, raw: str, reason: str, *, usages: list[Usage], began: float, engine_s: float) -> Written:
    return Written(
        code=code,
        raw=raw,
        finish_reason=reason,
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        seconds=time.perf_counter() - began,
        engine_s=engine_s,
    )
