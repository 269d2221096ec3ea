"""The four ways to the code that are compared: one model, one bound of tokens a text, likeliest text first."""

import ast
import time
import uuid
from dataclasses import dataclass

from bench.quality.judging import code_of
from bench.quality.tasks import Task
from functions.constraints import function_grammar
from functions.forward import Forward
from functions.generation import Constraint, Delta, EngineClient, Finished, GenerationRequest, Message, Sampling, Usage
from functions.ir import IntermediateRepresentation, Parameter, Signature

ARMS = {"a": "plain", "b": "grammar", "c": "IR, one candidate", "d": "full funnel"}


@dataclass(frozen=True)
class Written:
    """What an arm gave. `raw` is the model's own text; `ir` the specification it went through."""

    code: str
    raw: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    engine_s: float
    ir: str = ""


async def write(
    arm: str, task: Task, engine: EngineClient, forward: Forward, *, max_tokens: int, candidates: int, repairs: int
) -> Written:
    """Raises what the product raises: the runner counts it as a task that was not solved."""
    began = time.perf_counter()
    asked = f"{task.prompt}\nThe function: {task.signature}"
    if arm in "ab":
        constraint = function_grammar(task.signature) if arm == "b" else None
        text, end = await _generated(engine, f"Write one Python function. {asked}", constraint, max_tokens)
        code = code_of(text) if arm == "a" else text
        return _written(code, text, end.finish_reason, usages=[end.usage], began=began, engine_s=end.timing.total_s)
    specified = await forward.specify(asked)
    ir = with_signature(specified.ir, task.signature)
    number, rounds = (1, 0) if arm == "c" else (candidates, repairs)
    made = await forward.implement(ir, candidates=number, repairs=rounds)
    raw = "\n# ---\n".join(candidate.code for candidate in made.candidates)
    engine_s = specified.timing.total_s + made.timing.total_s
    usages = [specified.usage, made.usage]
    return _written(
        made.code, raw, made.best.finish_reason, usages=usages, began=began, engine_s=engine_s, ir=ir.model_dump_json()
    )


def with_signature(ir: IntermediateRepresentation, asked: str) -> IntermediateRepresentation:
    """The head as asked for, as a user would put it right; examples and assertions that cannot fit it are left out."""
    node = ast.parse(asked + ":\n    pass").body[0]
    assert isinstance(node, ast.FunctionDef)
    parameters = [Parameter(name=a.arg, type=ast.unparse(a.annotation or ast.Name("object"))) for a in node.args.args]
    returns = ast.unparse(node.returns) if node.returns else "object"
    signature = Signature(name=node.name, parameters=parameters, returns=returns, raises=ir.signature.raises)
    same = [p.name for p in ir.signature.parameters] == [p.name for p in parameters]
    return ir.model_copy(
        update={
            "signature": signature,
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
    )
    events = [event async for event in engine.generate(request)]
    (end,) = (event for event in events if isinstance(event, Finished))
    return "".join(event.text for event in events if isinstance(event, Delta)), end


def _written(
    code: str, raw: str, reason: str, *, usages: list[Usage], began: float, engine_s: float, ir: str = ""
) -> Written:
    return Written(
        code=code,
        raw=raw,
        finish_reason=reason,
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        seconds=time.perf_counter() - began,
        engine_s=engine_s,
        ir=ir,
    )
