"""The web tier put together, the same on a laptop and on Modal: only the engine and the cache differ, and are given."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic import SecretStr

from endpoints.acting import ActingTokens, LastingTokens
from endpoints.address_limits import AddressLimits
from endpoints.afterwards import Afterwards
from endpoints.auth import ApiKeyCallers, Authenticator
from endpoints.database_check import DatabaseCheck
from endpoints.jwks import Fetch, KeySet
from endpoints.running_orders import RunningOrders
from endpoints.services import Services
from endpoints.settlements import Settlements
from endpoints.tokens import TokenSigner, TokenVerifier, issuer_of
from endpoints.watchers import Watchers
from functions import api_keys, reverse
from functions.answer_cache import AnswerCache
from functions.asking import Asker
from functions.cache import Store
from functions.constraints import compilation
from functions.constraints.extraction.limited import Extractor
from functions.database import NO_COOKIES, Database
from functions.degraded_mode import DegradedMode
from functions.embeddings import Embedder
from functions.forward import Forward
from functions.generation import EngineClient
from functions.idempotency import Idempotency
from functions.ledger import Ledger
from functions.maintenance_switch import MaintenanceSwitch
from functions.operation import Operation
from functions.profiles import Profiles
from functions.read_limits import ReadLimits
from functions.sandbox import ProcessSandbox, Sandbox, judge_nursery
from functions.search_index import SearchIndex
from functions.session_feed import PolledSessionFeed
from functions.session_pipeline import SessionPipeline
from functions.session_search import SessionSearch
from functions.sessions import SessionStore
from functions.sharing import Comments, Sharing
from functions.sign_ins import Credentials, SignIns
from functions.type_checks import TypeChecker
from functions.usage_outbox import UsageOutbox
from functions.validation import ConstraintValidator
from infra.settings import Secrets, Settings

KEY_SET_TIMEOUT_S = 3.0
LEASE_FACTOR = 4
"""A request that has run for so many generations' time limits is taken for dead; its Idempotency-Key is free again."""

LASTING_MARGIN_S = 60
"""How much longer the token of such a request lives, for what is stored when it has ended."""


@asynccontextmanager
async def compose(
    settings: Settings,
    secrets: Secrets,
    engine: EngineClient,
    tokenizer_file: Path,
    *,
    embedder: Embedder,
    store: Store,
    development_user: Credentials | None = None,
    sandbox: Sandbox | None = None,
    outbox_kept: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Services]:
    """The services while the block runs. Nothing here waits: not for the engine, the database or the model's files.

    `engine` is started and stopped by whoever made it. `tokenizer_file` is the model's tokenizer.json. `store` keeps
    what processes may share. Who comes to the console may sign in as `development_user` by one click. Untrusted code
    runs in `sandbox`, else in processes here. `outbox_kept` is awaited after each change in degraded mode's outbox,
    where its directory does not keep what is written by itself. Raises `ValueError` where there is no key to sign with.
    """
    async with (
        ConstraintValidator(
            settings.validation, tokenizer_file, modules=(*compilation.MODULES, *reverse.MODULES)
        ) as validator,
        assemble(
            settings,
            secrets,
            engine,
            validator,
            embedder=embedder,
            store=store,
            development_user=development_user,
            sandbox=sandbox,
            outbox_kept=outbox_kept,
        ) as services,
    ):
        yield services


@asynccontextmanager
async def assemble(
    settings: Settings,
    secrets: Secrets,
    engine: EngineClient,
    validator: ConstraintValidator,
    *,
    embedder: Embedder,
    store: Store,
    development_user: Credentials | None = None,
    sandbox: Sandbox | None = None,
    outbox_kept: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Services]:
    """As `compose`, with a validator that somebody else owns."""
    url = str(secrets.supabase_url)
    signer = signer_of(secrets)
    async with AsyncExitStack() as life:
        database = Database(url, secrets.supabase_anon_key.get_secret_value())
        life.push_async_callback(database.close)
        search = SessionSearch(database, embedder)
        index = SearchIndex(search)
        life.push_async_callback(index.close)
        http = httpx.AsyncClient(
            transport=AiohttpTransport(), timeout=KEY_SET_TIMEOUT_S, trust_env=False, cookies=CookieJar(NO_COOKIES)
        )
        life.push_async_callback(http.aclose)
        afterwards = Afterwards()
        life.push_async_callback(afterwards.close)
        running_orders = RunningOrders()
        life.push_async_callback(running_orders.close)
        sessions = SessionStore(database, written=index.note)
        compiler = compilation.ConstraintCompiler(validator, store)
        extractor = Extractor(settings.validation, validator.tokenizer_file)
        life.push_async_callback(extractor.close)
        types = TypeChecker(settings.validation, validator.tokenizer_file)
        life.push_async_callback(types.close)
        if sandbox is None:
            nursery = judge_nursery()
            life.push_async_callback(nursery.close)
            sandbox = ProcessSandbox(settings.sandbox, nursery=nursery)
        forward = Forward(engine, compiler, sandbox, settings, types=types, store=store)
        asker = Asker(engine, settings)
        backward = reverse.Reverse(validator, sandbox, asker)
        ledger = Ledger(database, ActingTokens(signer).token, settings.limits)
        degraded = await _degraded(settings, ledger, life, outbox_kept)
        longest_s = LEASE_FACTOR * settings.generation.timeout_s
        yield Services(
            settings=settings,
            engine=engine,
            validator=validator,
            compiler=compiler,
            extractor=extractor,
            forward=forward,
            reverse=backward,
            asker=asker,
            sandbox=sandbox,
            pipeline=SessionPipeline(sessions, forward, backward),
            sessions=sessions,
            search=search,
            embedder=embedder,
            session_feed=PolledSessionFeed(sessions),
            profiles=Profiles(database),
            sharing=Sharing(database),
            comments=Comments(database),
            idempotency=Idempotency(database, lease_s=longest_s),
            ledger=ledger,
            answer_cache=AnswerCache(store, settings.answer_cache, settings.engine),
            read_limits=ReadLimits(ledger, settings.limits.reads_per_minute),
            address_limits=AddressLimits(settings.limits.reads_per_minute, settings.web.trusted_proxies),
            api_keys=api_keys.ApiKeys(database),
            operation=Operation(database),
            maintenance=MaintenanceSwitch(database, settings.environment, settings.availability.maintenance),
            authenticator=_authenticator(secrets, database, KeySet(_key_fetcher(http, url)), signer),
            lasting_tokens=LastingTokens(signer, longest_s + LASTING_MARGIN_S),
            database_check=DatabaseCheck(database.ping),
            afterwards=afterwards,
            settlements=Settlements(ledger, afterwards, degraded, at_once=settings.limits.concurrent_generations),
            watchers=Watchers(max(1, settings.web.max_concurrent_requests // 2)),
            sign_ins=SignIns(url, secrets.supabase_anon_key.get_secret_value(), http),
            running_orders=running_orders,
            development_user=development_user,
            degraded=degraded,
        )


async def _degraded(
    settings: Settings, ledger: Ledger, life: AsyncExitStack, kept: Callable[[], Awaitable[None]] | None
) -> DegradedMode | None:
    """Where the operator wants it, with what books late use for as long as the services live."""
    wanted = settings.availability.degraded
    if not wanted.enabled:
        return None
    outbox = UsageOutbox(Path(wanted.outbox_directory), wanted.outbox_entries, kept=kept)
    degraded = DegradedMode(wanted, ledger, outbox)
    settling = asyncio.create_task(degraded.keep_settling())

    async def stop() -> None:
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)

    life.push_async_callback(stop)
    return degraded


def _authenticator(secrets: Secrets, database: Database, keys: KeySet, signer: TokenSigner) -> Authenticator:
    async def look_up(key: str) -> api_keys.ApiKeyHolder | None:
        return await api_keys.lookup(database, key)

    issuer = issuer_of(str(secrets.supabase_url))
    verifier = TokenVerifier(issuer=issuer, keys=keys, secret=_revealed(secrets.supabase_jwt_secret))
    return Authenticator(verifier, ApiKeyCallers(look_up, signer))


def _key_fetcher(http: httpx.AsyncClient, supabase_url: str) -> Fetch:
    address = f"{issuer_of(supabase_url)}/.well-known/jwks.json"

    async def fetch() -> Mapping[str, Any]:
        response = await http.get(address)
        response.raise_for_status()
        document: Mapping[str, Any] = response.json()
        return document

    return fetch


def signer_of(secrets: Secrets) -> TokenSigner:
    """What signs tokens for the database. Raises `ValueError` where there is no key to sign with."""
    return TokenSigner(
        issuer=issuer_of(str(secrets.supabase_url)),
        jwk=_revealed(secrets.jwt_signing_key),
        secret=_revealed(secrets.supabase_jwt_secret),
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
