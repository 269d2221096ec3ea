"""`make serve`: the whole product on one machine. Starts what is needed, in order, and takes it down again.

With SUPABASE_URL and its keys in the environment (of `supabase start`, say) that stack is used; otherwise an embedded
Postgres and a local gateway in its place. Whatever it starts ends with it, however it ends.
"""

import asyncio
import contextlib
import ctypes
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn

from endpoints.app import create_app
from endpoints.composition import compose
from functions.cache import FileStore
from functions.engine import Engine
from functions.sentence_model import SentenceModel
from functions.sign_ins import Credentials
from infra.local.model import ModelError, prepare_model
from infra.local.postgres_files import PostgresError
from infra.local.stack import Developer, LocalStackError, developer, embedded_stack, named_stack
from infra.logging_setup import configure_logging
from infra.memory import give_back_what_was_large, keep_what_is_loaded
from infra.migrations import MigrationError
from infra.settings import SettingsError, has_own_supabase, load_settings, load_telemetry_export, serving_port
from infra.telemetry_export import exported

STATE = Path(".local")
HOST = "127.0.0.1"
GRACE_S = 5
CACHE_BYTES = 256 * 2**20
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
BACKLOG = 512
UNREAD_MS = 120_000
"""What was sent and is not taken for so long ends the connection: who stopped reading holds no socket for ever."""

EXPECTED = (LocalStackError, MigrationError, ModelError, PostgresError, SettingsError, OSError)


async def serve() -> None:
    """Run until SIGINT or SIGTERM. With OTEL_EXPORTER_OTLP_ENDPOINT set, traces and metrics go there."""
    settings = load_settings("local")
    with (
        _listen(serving_port()) as listener,
        exported("lift-sys", settings.environment, settings.telemetry, load_telemetry_export()),
    ):
        port = listener.getsockname()[1]
        model = prepare_model(STATE / "model", say)
        log = (STATE / "server.log").open("a", buffering=1)
        configure_logging(log)
        engine = Engine(settings.engine, model)
        engine.start_in_background()
        try:
            stack = named_stack(say) if has_own_supabase() else embedded_stack(STATE, say)
            async with stack as secrets:
                who = await developer(secrets, STATE)
                user = Credentials(who.email, who.password)
                tokenizer = model / "tokenizer.json"
                store = FileStore(STATE / "cache", max_bytes=CACHE_BYTES)
                composed = compose(
                    settings, secrets, engine, tokenizer, embedder=SentenceModel(), store=store, development_user=user
                )
                async with composed as services:
                    config = uvicorn.Config(
                        create_app(services),
                        log_config=None,
                        access_log=False,
                        server_header=False,
                        proxy_headers=False,  # believed or not by `web.trusted_proxies`
                        timeout_graceful_shutdown=GRACE_S,
                    )
                    keep_what_is_loaded()
                    async with _announcing(engine, port, who):
                        await _Server(config).serve(sockets=[listener])
        finally:
            say("Stopping ...")
            await engine.stop()


class _Server(uvicorn.Server):
    """Stops at the first signal, at once at the second.

    uvicorn's own raises the signal again when it is done, which would end this process before the engine and the
    database are taken down.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


@contextlib.asynccontextmanager
async def _announcing(engine: Engine, port: int, who: Developer) -> AsyncIterator[None]:
    task = asyncio.create_task(_announce(engine, port, who))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _announce(engine: Engine, port: int, who: Developer) -> None:
    """The addresses at once; what needs the engine when it is ready."""
    address = f"http://{HOST}:{port}"
    say(f"\n  Console        {address}/\n  Documentation  {address}/docs\n  Health         {address}/health")
    say(f"  Signed in as   {who.email}, password in {STATE}/developer-password, API key in {STATE}/api-key")
    say(f"  Log            {STATE}/server.log\n\nThe engine is warming up (about 30 s on two cores) ...")
    began = time.monotonic()
    while (await engine.status()).state != "ready":  # noqa: ASYNC110 - it is told to others the same way
        await asyncio.sleep(0.2)
    say(f"The engine is ready ({time.monotonic() - began:.0f} s). Paste this into another terminal, here:\n")
    say(
        f'  curl -s {address}/api/sessions -H "Authorization: Bearer $(cat {STATE}/api-key)" \\\n'
        "    -H 'Content-Type: application/json' \\\n"
        """    -d '{"prompt": "Return the sum of the even numbers in a list of integers."}'\n"""
    )
    say("Ctrl-C stops everything.")


def _listen(port: int) -> socket.socket:
    """Taken before anything is started, so that a taken port is told at once.

    The protocol is named: asyncio sets TCP_NODELAY only on sockets that say they are TCP.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)  # inherited by what it accepts
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise LocalStackError(f"port {port} cannot be used ({error.strerror}): try PORT=8001 make serve") from None
    listener.listen(BACKLOG)
    return listener


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Exit status 1 with one message when something that a person can mend is in the way."""
    # When `make` is killed, this process is not told; and whatever it has started would stay.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    STATE.mkdir(exist_ok=True)
    give_back_what_was_large()
    try:
        asyncio.run(serve())
    except EXPECTED as error:
        sys.stderr.write(f"\nmake serve stopped: {error}\n")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
