"""Candidates written side by side and checked as each is finished; some that pass everything and agree end the rest."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from functions.candidates import Candidate, settled
from functions.evidence import Evidence
from functions.generation import (
    CandidateFinished,
    Delta,
    EngineClient,
    Finished,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    Message,
    Timing,
    Usage,
)

Progress = Callable[[str, dict[str, Any]], Awaitable[None]]
Check = Callable[[str], Awaitable[Evidence]]


@dataclass
class _Attempt:
    prompt_version: str
    text: str = ""
    tokens: int = 0
    reason: FinishReason = "abort"
    checked: Candidate | None = None


@dataclass(frozen=True)
class Draft:
    """One request to the engine, and the version of the prompt that it is written from."""

    request: GenerationRequest
    prompt_version: str


@dataclass
class _Request:
    """A draft that was sent, whose candidates begin at number `first`."""

    first: int
    sent: GenerationRequest
    prompt_tokens: int = 0
    cached_tokens: int = 0
    first_token_s: float | None = None
    ended_s: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def note(self, event: GenerationEvent) -> None:
        """Keep what the accounts need, also of a request that is stopped before its end."""
        match event:
            case Delta():
                self.first_token_s = self.first_token_s or time.monotonic() - self.began
            case CandidateFinished():
                self.prompt_tokens, self.cached_tokens = event.prompt_tokens, event.cached_tokens
            case Finished():
                self.ended_s = event.timing.total_s
                self.prompt_tokens, self.cached_tokens = event.usage.prompt_tokens, event.usage.cached_tokens


class CandidateRound:
    """One round: several drafts.

    `check` gives the evidence of a finished text; `canonical` is the form in which the text is kept. `shown_guesses`
    says that the drafts have in them what a model has guessed.
    """

    def __init__(
        self,
        engine: EngineClient,
        check: Check,
        canonical: Callable[[str], str],
        progress: Progress,
        number: int,
        *,
        shown_guesses: bool = False,
    ) -> None:
        self._engine = engine
        self._check = check
        self._canonical = canonical
        self._progress = progress
        self._number = number
        self._shown_guesses = shown_guesses
        self._attempts: list[_Attempt] = []
        self._requests: list[_Request] = []
        self._news: asyncio.Queue[tuple[_Request | None, int, Any]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, drafts: Sequence[Draft]) -> list[Candidate]:
        """Every candidate, in the order of the drafts. Raises what the engine or the check raises, as it comes."""
        for draft in drafts:
            self._requests.append(_Request(len(self._attempts), draft.request))
            self._attempts += [_Attempt(draft.prompt_version) for _ in range(draft.request.sampling.n)]
        for request in self._requests:
            self._begin(self._write(request))
        try:
            while self._tasks or not self._news.empty():
                if await self._next():
                    break
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for request in self._requests:
                request.ended_s = request.ended_s or time.monotonic() - request.began
        candidates = [self._candidate(index) for index in range(len(self._attempts))]
        known = {candidate.code: candidate.evidence for candidate in candidates if candidate.evidence.checks}
        # The same text has the same evidence, also where the round was over before it was told so.
        return [replace(one, evidence=known.get(one.code, one.evidence)) for one in candidates]

    @property
    def usage(self) -> Usage:
        """A prompt counts once, however many requests share it; what was generated counts, used or not."""
        # A request that was stopped before any of its candidates was finished had the prompt of the others.
        prompts: dict[tuple[Message, ...], tuple[int, int]] = {}
        for request in self._requests:
            counted, cached = prompts.get(request.sent.messages, (0, 0))
            counts = max(counted, request.prompt_tokens), max(cached, request.cached_tokens)
            prompts[request.sent.messages] = counts
        return Usage(
            prompt_tokens=sum(counted for counted, _ in prompts.values()),
            cached_tokens=sum(cached for _, cached in prompts.values()),
            completion_tokens=sum(attempt.tokens for attempt in self._attempts),
        )

    @property
    def timing(self) -> Timing:
        """Until the last request had ended, or was stopped."""
        firsts = [request.first_token_s for request in self._requests if request.first_token_s is not None]
        total_s = max(request.ended_s for request in self._requests)
        return Timing(time_to_first_token_s=min(firsts, default=None), total_s=total_s)

    async def _next(self) -> bool:
        """Take one piece of news; whether the others need not be waited for (`settled`)."""
        request, index, news = await self._news.get()
        if isinstance(news, BaseException):
            raise news
        if isinstance(news, Candidate):
            self._attempts[index].checked = news
            await self._progress("candidate", news.as_json())
            checked = [attempt.checked for attempt in self._attempts if attempt.checked is not None]
            return settled(news, checked, len(self._attempts), shown_guesses=self._shown_guesses)
        if request is not None and news is not None:
            await self._read(request, news)
        return False

    async def _read(self, request: _Request, event: GenerationEvent) -> None:
        request.note(event)
        match event:
            case Delta():
                attempt = self._attempts[request.first + event.index]
                attempt.text += event.text
                attempt.tokens += event.tokens
                await self._progress("delta", {"index": request.first + event.index, "text": event.text})
            case CandidateFinished():
                index = request.first + event.index
                self._attempts[index].reason = event.finish_reason
                if event.finish_reason == "stop":
                    self._begin(self._judge(index))
                else:
                    await self._progress("candidate", self._candidate(index).as_json())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        self._news.put_nowait((None, -1, error))

    async def _write(self, request: _Request) -> None:
        async with aclosing(self._engine.generate(request.sent)) as events:
            async for event in events:
                self._news.put_nowait((request, -1, event))

    async def _judge(self, index: int) -> None:
        began = time.monotonic()
        candidate = self._candidate(index)
        evidence = await self._check(candidate.code)
        judged = replace(candidate, evidence=evidence, verification_s=time.monotonic() - began)
        self._news.put_nowait((None, index, judged))

    def _candidate(self, index: int) -> Candidate:
        attempt = self._attempts[index]
        if attempt.checked is not None:
            return attempt.checked
        code = self._canonical(attempt.text)
        return Candidate(
            code,
            attempt.reason,
            round=self._number,
            index=index,
            tokens=attempt.tokens,
            prompt_version=attempt.prompt_version,
        )
