from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from starlette.applications import Starlette
from starlette.routing import Mount

from endpoints.deployed import deployed_app
from functions.cache import FileStore
from functions.failures import EngineUnavailable
from functions.sentence_model import SentenceModel
from functions.weights import COMPLETE, weights_path
from infra.settings import Settings, load_secrets
from tests.database_fixtures import Stack
from tests.endpoints.asgi import client_of
from tests.endpoints.conftest import ColdEngine, secrets_of


@pytest.fixture
def own_environment(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The secrets as a platform gives them; what the application sets for its process is taken back."""
    secrets = secrets_of(stack)
    assert secrets.jwt_signing_key
    monkeypatch.setenv("SUPABASE_URL", str(secrets.supabase_url))
    monkeypatch.setenv("SUPABASE_ANON_KEY", secrets.supabase_anon_key.get_secret_value())
    monkeypatch.setenv("JWT_SIGNING_KEY", secrets.jwt_signing_key.get_secret_value())
    load_secrets.cache_clear()
    yield
    load_secrets.cache_clear()
    structlog.reset_defaults()


@pytest.fixture
def with_volume(settings: Settings, tmp_path: Path) -> Settings:
    engine = settings.engine.model_copy(update={"weights_directory": str(tmp_path)})
    return settings.model_copy(update={"engine": engine})


@pytest.mark.usefixtures("own_environment")
async def test_it_composes_itself_when_the_server_starts(
    stack: Stack, with_volume: Settings, model_path: Path, embedder: SentenceModel, store: FileStore
):
    fill(weights_path(with_volume.engine), model_path)
    running_at_the_end: list[int] = []

    async def close() -> None:
        (mounted,) = app.routes
        assert isinstance(mounted, Mount)
        running_at_the_end.append(len(mounted.app.state.services.validator.processes))

    app = deployed_app(with_volume, ColdEngine(), embedder, store, closing=[close, close])
    assert isinstance(app, Starlette)
    user = await stack.user()
    async with (
        app.router.lifespan_context(app),
        client_of(app, headers={"authorization": f"Bearer {user.token}"}) as client,
    ):
        assert (await client.get("/health")).json()["database"]["reachable"] is True
        refused = await client.post("/api/generate", json={"prompt": "x", "grammar": "start: nothing"})
        assert running_at_the_end == []
    assert refused.status_code == 400, refused.text
    assert running_at_the_end == [0, 0], "what was given is closed when nothing works with it any more"


@pytest.mark.usefixtures("own_environment")
async def test_without_the_models_files_it_does_not_start_and_says_what_to_run(
    with_volume: Settings, embedder: SentenceModel, store: FileStore
):
    app = deployed_app(with_volume, ColdEngine(), embedder, store)
    assert isinstance(app, Starlette)
    with pytest.raises(EngineUnavailable, match="modal run"):
        async with app.router.lifespan_context(app):
            pass


def fill(weights: Path, model: Path) -> None:
    weights.mkdir(parents=True)
    for file in model.iterdir():
        (weights / file.name).symlink_to(file)
    (weights / COMPLETE).touch()
