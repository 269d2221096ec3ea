"""The web application in a container on Modal: put together when its server starts, in the event loop that serves."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.types import ASGIApp

from endpoints.app import create_app
from endpoints.composition import compose
from functions.cache import Store
from functions.embeddings import Embedder
from functions.generation import EngineClient
from functions.sandbox import Sandbox
from functions.weights import complete_weights
from infra.logging_setup import configure_logging
from infra.memory import give_back_what_was_large, keep_what_is_loaded
from infra.settings import Settings, load_secrets, load_telemetry_export
from infra.telemetry_export import exported


def deployed_app(
    settings: Settings,
    engine: EngineClient,
    embedder: Embedder,
    store: Store,
    *,
    sandbox: Sandbox | None = None,
    outbox_kept: Callable[[], Awaitable[None]] | None = None,
    closing: Sequence[Callable[[], Awaitable[None]]] = (),
) -> ASGIApp:
    """An ASGI application whose lifespan holds the services. Secrets are read then, not before: not into a snapshot.

    `closing` closes what was given, at the end, when the services have ended that work with it.
    It does not start without the model's tokenizer, and says what to run (`EngineUnavailable`).
    """

    @asynccontextmanager
    async def lifespan(outer: Starlette) -> AsyncIterator[None]:
        configure_logging()
        give_back_what_was_large()
        tokenizer = complete_weights(settings.engine, settings.environment) / "tokenizer.json"
        export = exported("lift-sys-web", settings.environment, settings.telemetry, load_telemetry_export())
        composed = compose(
            settings,
            load_secrets(),
            engine,
            tokenizer,
            embedder=embedder,
            store=store,
            sandbox=sandbox,
            outbox_kept=outbox_kept,
        )
        async with AsyncExitStack() as life:
            life.enter_context(export)
            for close in closing:
                life.push_async_callback(close)
            outer.mount("/", create_app(await life.enter_async_context(composed)))
            keep_what_is_loaded()
            yield

    return Starlette(lifespan=lifespan)
