"""An engine across a memory snapshot: asleep when it is taken, awake and proved after it is restored."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from functions.generation import EngineClient, GenerationRequest, Message, Sampling

WAKE_TIMEOUT_S: Final = 60.0

_log = structlog.get_logger()


class SleepingEngine(EngineClient, Protocol):
    """What is asked of an engine (`functions.engine`) here."""

    async def wake(self) -> None:
        """Take the GPU's memory again."""
        ...

    async def reseed(self) -> None:
        """Draw as no other container of the same snapshot."""
        ...

    async def stop(self) -> None:
        """End its processes, in whatever state they are."""
        ...

    async def start(self) -> None:
        """Return when ready."""
        ...


async def wake_or_restart(engine: SleepingEngine, reload_weights: Callable[[], Awaitable[None]]) -> float:
    """Wake a restored engine and let it write a token; if that fails, start it as if there were no snapshot.

    Returns the seconds that it took.

    GPU snapshots are alpha: a restore may crash the engine's process, or leave it with a Volume as it was when the
    snapshot was taken, which `reload_weights` brings up to date.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(WAKE_TIMEOUT_S):
            await engine.wake()
            await engine.reseed()
            async for _ in engine.generate(_one_token()):
                pass
    except Exception as error:  # noqa: BLE001 - whatever a bad restore does, the answer is a normal start
        _log.exception("snapshot restore failed; starting normally", error=type(error).__name__)
        await engine.stop()
        await reload_weights()
        await engine.start()
    return time.monotonic() - began


def _one_token() -> GenerationRequest:
    sampling = Sampling(max_tokens=1, temperature=0.0)
    return GenerationRequest(
        id=f"wake-{uuid.uuid4()}", messages=(Message(role="user", content="Hi"),), sampling=sampling
    )
