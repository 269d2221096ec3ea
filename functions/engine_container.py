"""An engine in a container on Modal: loaded, maybe put into a snapshot, woken in every container, and ended.

What is set up in `load` may be in a snapshot, from which many containers start, days later. So it opens no connection,
reads no secret, and neither configures logging nor exports telemetry; all of that is `wake`'s.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Self

from functions.cache import Store
from functions.engine import Engine
from functions.engine_remote import LAST_START, start_times
from functions.event_batches import run_generation
from functions.randomness import seed_from_the_system
from functions.snapshots import wake_or_restart
from functions.weights import complete_weights
from infra import telemetry
from infra import telemetry_names as names
from infra.logging_setup import configure_logging
from infra.settings import Settings, load_telemetry_export
from infra.telemetry_export import exported


class EngineContainer:
    """One engine, with what surrounds it."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._life = AsyncExitStack()

    @classmethod
    async def load(cls, settings: Settings) -> Self:
        """Load the model and warm it up; asleep, its memory is small enough for a snapshot."""
        engine = Engine(settings.engine, complete_weights(settings.engine, settings.environment))
        await engine.start()
        if settings.scaling.memory_snapshot:
            await engine.sleep()
        return cls(settings, engine)

    async def wake(self, store: Store, reload_weights: Callable[[], Awaitable[None]]) -> None:
        """Take up work: in the container that loaded the model, and in every one that is restored from it.

        `store` is where the web tier looks for how long engines take to start; see `wake_or_restart` for the other.
        """
        settings = self._settings
        if settings.scaling.memory_snapshot:
            seed_from_the_system()  # before anything is sent: the ids of spans are drawn, too
        self._life.enter_context(
            exported("lift-sys-engine", settings.environment, settings.telemetry, load_telemetry_export())
        )
        configure_logging()
        started_s = (await self._engine.status()).last_start_s
        if settings.scaling.memory_snapshot:
            started_s = await wake_or_restart(self._engine, reload_weights)
        # Here and not in the engine, which has started before anything could be sent away.
        telemetry.instruments().engine_start.record(started_s or 0.0, {names.REQUEST_MODEL: settings.engine.model})
        await start_times(store, settings.engine).put(LAST_START, str(started_s).encode())

    async def generate(self, sent: str, call_id: str) -> AsyncGenerator[str, None]:
        """Stream one generation in batches of events (`functions.event_batches`); closing the stream aborts it."""
        async with aclosing(run_generation(self._engine, sent, call_id)) as batches:
            async for batch in batches:
                yield batch

    async def stop(self) -> None:
        """End vLLM's processes and send the last spans."""
        await self._engine.stop()
        await self._life.aclose()
