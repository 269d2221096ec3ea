"""lift-sys on Modal: every Modal object of the app, and nothing else. What they do is in `endpoints/` and `functions/`.

    LIFT_SYS_ENV=staging modal run modal_app.py::prepare    # the model's weights into the Volume, once per revision
    LIFT_SYS_ENV=staging modal deploy modal_app.py

`LIFT_SYS_ENV` names a block of infra/deployment_settings.json: GPUs, model, scaling, limits. Modal keeps apps, secrets
and volumes per Modal environment; `--env` chooses that one.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import modal

from infra.settings import ENVIRONMENT_VARIABLE, load_alert_secrets, load_deployed_settings, load_secrets

MINUTES = 60
REQUIREMENTS = Path(__file__).parent / "infra" / "requirements"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
PINNED: dict[str, Any] = {"extra_options": "--no-deps", "uv_version": "0.13.8"}

settings = load_deployed_settings()
scaling = settings.scaling

app = modal.App(f"lift-sys-{settings.environment}", tags={"environment": settings.environment})

# --- Images: pinned to the last package. The source is mounted, so that a deployment of new code builds nothing.

SOURCE = ("functions", "endpoints", "infra")
NOT_MOUNTED = ["**/__pycache__", "**/.*", "local"]  # infra/local is the laptop's


def image_of(base: modal.Image, lock: str) -> modal.Image:
    """The base with the packages of a lock, the environment's name, and the code with its data files."""
    packages = base.uv_pip_install(requirements=[str(REQUIREMENTS / lock)], **PINNED)
    return packages.env({ENVIRONMENT_VARIABLE: settings.environment}).add_local_python_source(
        *SOURCE, ignore=NOT_MOUNTED
    )


slim = modal.Image.debian_slim(python_version="3.11")
# Also what untrusted code sees of the world, in a sandbox: nothing is in it that is not in the repository.
web_image = image_of(slim, "web.lock")
# The sentence model is in a package, and PyTorch without a GPU's libraries in an index of its own.
torch = slim.uv_pip_install("torch==2.13.0+cpu", extra_index_url=TORCH_INDEX, **PINNED)
embedding_image = image_of(torch, "embedding.lock")
# The CUDA toolkit, not only the driver's libraries: FlashInfer compiles kernels for the GPU it finds.
cuda = modal.Image.from_registry("nvidia/cuda:13.0.1-devel-ubuntu22.04", add_python="3.11").entrypoint([])
engine_base = cuda.env(
    {
        "HF_XET_HIGH_PERFORMANCE": "1",
        "VLLM_CACHE_ROOT": "/compiled/vllm",
        "VLLM_NO_USAGE_STATS": "1",
        # Both start threads that a memory snapshot cannot hold.
        "TORCH_NCCL_ENABLE_MONITORING": "0",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }
)
engine_image = image_of(engine_base, "engine.lock")

# --- What outlives a container.

weights = modal.Volume.from_name("lift-sys-weights", create_if_missing=True)
compiled = modal.Volume.from_name("lift-sys-compiled", create_if_missing=True)
cache = modal.Dict.from_name(f"lift-sys-{settings.environment}-cache", create_if_missing=True)

supabase = modal.Secret.from_name("supabase", required_keys=["SUPABASE_URL", "SUPABASE_ANON_KEY"])
service = modal.Secret.from_name("supabase-service", required_keys=["SUPABASE_SERVICE_ROLE_KEY"])
telemetry = modal.Secret.from_name("telemetry", required_keys=["OTEL_EXPORTER_OTLP_ENDPOINT"])
telemetry_secrets = [telemetry] if settings.telemetry.export else []
# Those of SLACK_WEBHOOK_URL, PAGERDUTY_ROUTING_KEY, ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET that are wanted.
alert_secrets = [modal.Secret.from_name("alerts")] if settings.alerts.deliver else []

WEIGHTS = settings.engine.weights_directory
READ_ONLY_WEIGHTS: dict[str | Any, Any] = {WEIGHTS: weights.with_mount_options(read_only=True)}

# What was used while the database could not be reached, until it is booked (docs/operating.md: degraded mode).
degraded = settings.availability.degraded
outbox = modal.Volume.from_name(f"lift-sys-{settings.environment}-outbox", create_if_missing=True)
OUTBOX: dict[str | Any, Any] = {degraded.outbox_directory: outbox} if degraded.enabled else {}


@app.cls(
    image=engine_image,
    gpu=settings.engine.gpu or None,
    region=scaling.region,
    volumes={WEIGHTS: weights, "/compiled": compiled},
    secrets=telemetry_secrets,
    min_containers=scaling.min_containers,
    max_containers=scaling.max_containers,
    buffer_containers=scaling.buffer_containers,
    scaledown_window=scaling.scaledown_window_s,
    timeout=int(settings.generation.timeout_s) + 1 * MINUTES,
    startup_timeout=int(settings.engine.startup_timeout_s),
    enable_memory_snapshot=scaling.memory_snapshot,
    experimental_options={"enable_gpu_snapshot": scaling.gpu_snapshot},
)
@modal.concurrent(max_inputs=scaling.max_concurrent_inputs, target_inputs=scaling.target_concurrent_inputs)
class Engine:
    """vLLM and llguidance on a GPU. One container serves many generations at once, in shared batches."""

    @modal.enter(snap=scaling.memory_snapshot)
    async def load(self) -> None:
        """Load the model; with snapshots, this is what is in them."""
        from functions.engine_container import EngineContainer

        self.container = await EngineContainer.load(settings)

    @modal.enter(snap=False)
    async def wake(self) -> None:
        """Take up work: in the container that loaded the model, and in every one that is restored from it."""
        from functions.cache import DictStore

        await self.container.wake(DictStore(cache), weights.reload.aio)

    @modal.method()
    async def generate(self, sent: str) -> AsyncGenerator[str, None]:
        """Stream one generation; cancelling the call aborts it."""
        async with aclosing(self.container.generate(sent, modal.current_function_call_id() or "")) as batches:
            async for batch in batches:
                yield batch

    @modal.exit()
    async def stop(self) -> None:
        """End vLLM's processes and send the last spans."""
        await self.container.stop()


@app.function(image=embedding_image, cpu=2.0, memory=2048, max_containers=4, scaledown_window=300, timeout=2 * MINUTES)
@modal.concurrent(max_inputs=8)
async def embed(texts: list[str]) -> tuple[list[list[float]], int]:
    """Texts to vectors, and the tokens that were read: a small model that needs no GPU."""
    from functions.sentence_model import own_model

    return await own_model().embed(texts)


@app.function(
    image=web_image,
    secrets=[supabase, *telemetry_secrets],
    volumes={**READ_ONLY_WEIGHTS, **OUTBOX},
    cpu=settings.web.cpu,
    memory=settings.web.memory_mib,
    min_containers=settings.web.min_containers,
    max_containers=settings.web.max_containers,
    scaledown_window=settings.web.scaledown_window_s,
    timeout=int(settings.generation.timeout_s) + 2 * MINUTES,
)
@modal.concurrent(max_inputs=settings.web.max_concurrent_requests)
@modal.asgi_app(custom_domains=settings.web.custom_domains, requires_proxy_auth=settings.web.requires_proxy_auth)
def web() -> Any:
    """The HTTP surface (docs: `/docs`). It holds no GPU and no service key."""
    from endpoints.deployed import deployed_app
    from functions.cache import DictStore
    from functions.embeddings_remote import RemoteEmbedder
    from functions.engine_remote import RemoteEngine, start_times
    from functions.sandbox_remote import ModalSandbox

    store = DictStore(cache)
    starts = start_times(store, settings.engine)
    engine = RemoteEngine(
        Engine().generate, settings.engine.model, cold_start_wait_s=scaling.cold_start_wait_s, starts=starts
    )
    sandbox = ModalSandbox(settings.sandbox, app=app, image=web_image) if settings.sandbox.on_modal else None
    return deployed_app(
        settings,
        engine,
        RemoteEmbedder(embed),
        store,
        sandbox=sandbox,
        outbox_kept=outbox.commit.aio,
        closing=[engine.close] if sandbox is None else [engine.close, sandbox.close],
    )


@app.function(image=engine_image, volumes={WEIGHTS: weights}, timeout=120 * MINUTES, retries=3)
def prepare() -> None:
    """Fill the Volume with the model at its pinned revision. Run it again after an interruption: it resumes."""
    from functions.weights_download import download_weights

    print(f"{settings.engine.model} is complete in {download_weights(settings.engine)}")  # noqa: T201 - for the operator
    weights.commit()


# --- Scheduled jobs. Cron, not Period: a deployment does not move them. Times are UTC.
# One run at a time, tried again when it fails, with the service key.
JOB: dict[str, Any] = {
    "image": web_image,
    "secrets": [supabase, service, *telemetry_secrets, *alert_secrets],
    "retries": modal.Retries(max_retries=2, initial_delay=10.0, backoff_coefficient=2.0),
    "max_containers": 1,
}


@app.function(schedule=modal.Cron("*/5 * * * *"), timeout=5 * MINUTES, **JOB)
async def keep_alive() -> None:
    """Keep engines warm as learned, or by the timetable, and watch: what they are, and whether there is an alert.

    One function for both: Modal's smallest plan has five schedules.
    """
    from functions.cache import DictStore
    from functions.keep_alive_job import decide_now
    from functions.scheduled import watch_over

    engine: Any = Engine()  # of a class, only instances have an autoscaler, and only at run time

    async def count_engines() -> int:
        statistics = await engine.generate.get_current_stats.aio()
        return int(statistics.num_total_runners)

    try:
        decision = await decide_now(settings, load_secrets(), at=datetime.now(UTC))
        await engine.update_autoscaler.aio(
            min_containers=decision.min_containers, scaledown_window=decision.scaledown_window_s
        )
    finally:
        await watch_over(settings, load_secrets(), load_alert_secrets(), DictStore(cache), count_engines)


@app.function(schedule=modal.Cron("5 * * * *"), timeout=5 * MINUTES, **JOB)
async def cost_check() -> None:
    """Every hour: Modal's own bill, stored beside the ledger's estimates."""
    from functions.billing_remote import billed
    from functions.scheduled import check_costs

    await check_costs(settings, load_secrets(), billed)


@app.function(schedule=modal.Cron("0 */4 * * *"), timeout=30 * MINUTES, volumes=OUTBOX, **JOB)
async def incremental_maintenance() -> None:
    """Every four hours: what must not lie about for a day: dead requests' reservations, sessions not found yet."""
    from endpoints.late_use import book_late_use
    from functions.embeddings_remote import RemoteEmbedder
    from functions.scheduled import maintain

    late, embedder = partial(book_late_use, settings, load_secrets(), outbox.commit.aio), RemoteEmbedder(embed)
    await maintain(settings, load_secrets(), "incremental", embedder=embedder, book_late_use=late)


@app.function(schedule=modal.Cron("0 2 * * *"), timeout=60 * MINUTES, **JOB)
async def nightly_maintenance() -> None:
    """At 02:00: what is too old to keep."""
    from functions.scheduled import maintain

    await maintain(settings, load_secrets(), "nightly")


@app.function(schedule=modal.Cron("0 3 1 * *"), timeout=30 * MINUTES, **JOB)
async def monthly_report() -> None:
    """On the 1st at 03:00: the report of the month before."""
    from functions.scheduled import report_month

    await report_month(settings, load_secrets(), load_alert_secrets())
