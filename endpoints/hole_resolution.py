"""An open question answered: the answer is kept, and what it touches in the specification is written again."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from starlette.requests import Request
from starlette.responses import Response

from endpoints.admission import admitted
from endpoints.guard import App, Editor
from endpoints.idempotency import CostlyRoute
from endpoints.openapi import problem_responses
from endpoints.preconditions import ExpectedVersion, etag
from endpoints.services import Services
from endpoints.sessions import SessionId
from functions.asking import MAX_TOKENS
from functions.callers import Caller
from functions.failures import (
    BudgetExceeded,
    DatabaseUnavailable,
    GenerationCut,
    GenerationTimeout,
    PromptTooLong,
    StaleVersion,
    Unavailable,
)
from functions.ir import Hole
from functions.resolution import Question, Settled, answered, open_hole, suggested, worked_in
from functions.sessions import Session

router = APIRouter(route_class=CostlyRoute, prefix="/api/sessions/{session_id}", tags=["sessions"])

HoleId = Annotated[str, Path(min_length=1, max_length=200)]


class Resolution(BaseModel):
    """The answer to a hole's question: one of its suggestions, or an answer of the hole's expected type, or words."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"answer": "raise ValueError"}, {"suggestion": 0}]}
    )
    answer: Any = Field(default=None, description="Give this or `suggestion`.")
    suggestion: int | str | None = Field(default=None, description="The suggestion's number, from 0, or its text.")
    rewrite: StrictBool = Field(default=True, description="Else the answer is only kept with its question.")

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        if "answer" in self.model_fields_set and self.suggestion is not None:
            raise ValueError("give answer or suggestion, not both")
        if not self.model_fields_set & {"answer", "suggestion"}:
            raise ValueError("give an answer, or one of the hole's suggestions")
        return self

    def of(self, hole: Hole) -> Any:
        """What is answered. Raises `Refused` for a suggestion that the hole has not."""
        return self.answer if self.suggestion is None else suggested(hole, self.suggestion)


class ResolvedSession(Session):
    """The session with the answer, and what of its specification was written again (JSON pointers)."""

    rewritten: list[str]
    not_rewritten: str | None = Field(description="Why the model did not work the answer in; it is kept all the same.")


@router.post(
    "/holes/{hole_id}/resolve",
    response_model=ResolvedSession,
    summary="Answer an open question",
    responses=problem_responses(404, 409, 412, 428, 429),
)
async def resolve_hole(
    request: Request,
    app: App,
    caller: Editor,
    session_id: SessionId,
    hole_id: HoleId,
    version: ExpectedVersion,
    body: Resolution,
) -> Response:
    """Keep the answer, close the hole, write again what it touches and nothing else. One new version.

    An answer that says it exactly (a type, a head, `f(1) == 2`, a predicate, an effect) is taken as it is; for other
    words the model is asked. Where none is at hand the answer is kept, and the code is written by it.
    """
    session = await app.sessions.get(caller, session_id)
    if session.version != version:
        raise StaleVersion(session.version)
    hole = open_hole(session.current_ir, hole_id)
    answer = body.of(hole)
    settled, reason = Settled(session.current_ir or {}), None
    if body.rewrite:
        settled, reason = await settle(app, request, caller, session, hole, answer)
    resolved = await app.sessions.resolve_hole(
        caller, session_id, hole_id, expected_version=version, answer=answer, current_ir=settled.ir
    )
    told = ResolvedSession(**dict(resolved), rewritten=list(settled.rewritten), not_rewritten=reason)
    return Response(told.model_dump_json(), headers={"etag": etag(resolved.version)}, media_type="application/json")


async def settle(
    app: Services, request: Request, caller: Caller, session: Session, hole: Hole, answer: Any
) -> tuple[Settled, str | None]:
    """The answer worked in; where only a model could do that and none does, as it was, and why. Nothing is stored.

    Raises `Forbidden` and `Conflict` for a session that the answer cannot be stored with.
    """
    session.require_writable()
    stored = session.current_ir or {}
    settled = worked_in(stored, hole, answer)
    if isinstance(settled, Settled):
        return settled, None
    return await _asked(app, request, caller, session, hole, settled)


async def _asked(
    app: Services, request: Request, caller: Caller, session: Session, hole: Hole, question: Question
) -> tuple[Settled, str | None]:
    stored = session.current_ir or {}
    try:
        async with admitted(app, request, caller, endpoint="resolve", max_tokens=MAX_TOKENS) as admission:
            admission.about_session(session.id)
            asked = await question.put(app.asker)
            admission.used(asked.usage, asked.timing, "stop")
    except DatabaseUnavailable:
        raise
    except (Unavailable, BudgetExceeded, GenerationCut, GenerationTimeout, PromptTooLong) as failure:
        return Settled(stored), str(failure)
    settled = answered(stored, hole, asked.value)
    reason = None if settled.rewritten else "the model found nothing in it that changes the specification"
    return settled, reason
