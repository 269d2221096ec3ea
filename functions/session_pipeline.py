"""A session's way from words to code: what was accepted is stored first, and every step is stored when it is done.

Whatever happens on the way - the engine dies, the client leaves, the model finds no answer - the session is there with
what was reached and with `generation_status` "error": nothing that was acknowledged is lost, nothing looks unfinished
for ever.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from functions.callers import Caller
from functions.candidate_round import Progress
from functions.failures import Failure
from functions.forward import Forward
from functions.generation import Timing, Usage
from functions.ir import IntermediateRepresentation, TargetLanguage, assume_first_suggestions, renamed
from functions.own_tests import OwnTests, read_own_tests
from functions.reverse import Reverse
from functions.sessions import NewSession, Session, SessionChanges, SessionStore

Until = Literal["ir", "code"]
Spent = Callable[[Usage, Timing], None]
"""Told what each step has used, also of an order that fails at a later one."""


@dataclass(frozen=True)
class Order:
    """What the user asked for: words, a specification that is there already, or source code; and how far to go.

    Of `source` the function called `name` is specified, and its code is the source as it is.

    Open holes that matter stop the work before code, unless `assume` takes their first suggestions. `candidates` and
    `repairs` say how hard to try (`Forward.implement`). `tests` are the session's own; what is specified from words is
    named as they name it.
    """

    prompt: str
    ir: IntermediateRepresentation | None = None
    source: str | None = None
    name: str | None = None
    language: TargetLanguage = "python"
    constraints: dict[str, Any] | None = None
    until: Until = "code"
    assume: bool = False
    candidates: int = 1
    repairs: int = 1
    metadata: dict[str, Any] = field(default_factory=dict)
    tests: OwnTests | None = None


def language_of(session: Session) -> TargetLanguage:
    """In which its code is to be written."""
    return "typescript" if session.metadata.get("language") == "typescript" else "python"


def own_tests_of(session: Session) -> OwnTests | None:
    """As an order takes them."""
    return read_own_tests(session.tests) if session.tests is not None else None


@dataclass
class _Run:
    """One session on its way. `session` is what is stored; each step replaces it by the next version."""

    caller: Caller
    session: Session
    sessions: SessionStore
    progress: Progress

    async def store(self, step: str, changes: SessionChanges) -> None:
        """Store a step that is done, then tell of it: a client never hears of what could still be lost."""
        self.session = await self.sessions.save(
            self.caller, self.session.id, expected_version=self.session.version, changes=changes, description=step
        )
        await self.progress(step, {"session": self.session.model_dump(mode="json")})


class SessionPipeline:
    """Takes orders for sessions, and carries them out."""

    def __init__(self, sessions: SessionStore, forward: Forward, reverse: Reverse) -> None:
        self._sessions = sessions
        self._forward = forward
        self._reverse = reverse

    async def accept(self, caller: Caller, order: Order) -> Session:
        """Store the order, before any model works on it."""
        ir = order.ir.model_dump(mode="json") if order.ir else None
        language = order.ir.metadata.language if order.ir else order.language
        metadata = {**order.metadata, "language": language, "until": order.until}
        metadata["origin"] = "code" if order.source is not None else "user" if order.ir is not None else "prompt"
        if order.constraints:
            metadata["constraints"] = order.constraints  # for whoever has the code written again
        new = NewSession(
            prompt=order.prompt,
            current_ir=ir,
            generated_code=order.source,
            metadata=metadata,
            description="asked for",
            tests=order.tests.source if order.tests else None,
        )
        return await self._sessions.create(caller, new)

    async def work(
        self, caller: Caller, session: Session, order: Order, *, progress: Progress, spent: Spent
    ) -> Session:
        """Take an accepted session as far as the order says; tells of the steps `ir` and `code`, and what is between.

        Whatever fails is stored with the session, then raised.
        """
        run = _Run(caller, session, self._sessions, progress)
        try:
            ir = await self._specify(run, order, spent)
            if _goes_on(order, ir):
                await self._implement(run, order, ir, spent)
        except (Exception, asyncio.CancelledError) as error:
            # Shielded: when the client is gone this task is being cancelled, and the session must not stay "pending".
            await asyncio.shield(asyncio.ensure_future(self._store_failure(run, error)))
            raise
        return run.session

    async def _specify(self, run: _Run, order: Order, spent: Spent) -> IntermediateRepresentation:
        changes: dict[str, Any] = {}
        if order.ir is not None:
            ir = order.ir
        elif order.source is not None:
            await run.progress("reading", {"language": order.language})
            read = await self._reverse.read(order.source, language=order.language, name=order.name)
            spent(read.usage, read.timing)
            ir = read.ir
            changes["prompt"] = ir.intent.summary
        else:
            specified = await self._forward.specify(order.prompt, language=order.language, progress=run.progress)
            spent(specified.usage, specified.timing)
            ir = specified.ir if order.tests is None else renamed(specified.ir, order.tests.tested)
        if order.assume:
            ir = assume_first_suggestions(ir)
        changes["current_ir"] = ir.model_dump(mode="json")
        if not _goes_on(order, ir):
            changes["generation_status"] = "complete"
        if changes != {"current_ir": run.session.current_ir}:  # else it is stored as it is
            await run.store("ir", SessionChanges(**changes))
        return ir

    async def _implement(self, run: _Run, order: Order, ir: IntermediateRepresentation, spent: Spent) -> None:
        implemented = await self._forward.implement(
            ir,
            constraints=order.constraints,
            tests=order.tests,
            candidates=order.candidates,
            repairs=order.repairs,
            progress=run.progress,
        )
        spent(implemented.usage, implemented.timing)
        changes = SessionChanges(
            generated_code=implemented.code, evidence=implemented.evidence, generation_status="complete"
        )
        await run.store("code", changes)

    async def _store_failure(self, run: _Run, error: BaseException) -> None:
        reason = str(error) if isinstance(error, Failure) else "the work was interrupted"
        evidence = {**run.session.evidence, "failure": {"kind": type(error).__name__, "reason": reason}}
        changes = SessionChanges(generation_status="error", evidence=evidence)
        with contextlib.suppress(Failure):  # the database is what failed, or somebody else has changed the session
            await self._sessions.save(
                run.caller, run.session.id, expected_version=run.session.version, changes=changes, description="failed"
            )


def _goes_on(order: Order, ir: IntermediateRepresentation) -> bool:
    return order.until == "code" and order.source is None and not ir.open_holes
