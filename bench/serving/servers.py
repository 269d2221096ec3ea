"""The servers that are compared, each started as its own documentation says, all on this machine and one model."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bench.database_stack import Stack, free_port, started
from bench.serving.client import Server
from infra.local.tied_process import tied
from infra.settings import EngineSettings

ROOT = Path(__file__).resolve().parents[2]
READY_S = 600.0
LITELLM = "litellm[proxy]==1.106.2"
LITELLM_KEY = "sk-bench"
SERVE_EXTRAS = ("model-hosting-container-standards==0.1.16", "jmespath==1.0.1")
"""What `vllm serve` imports and our engine does not."""
UNLIMITED = {"generations": 10**9, "reads": 10**9, "expensive": 10**9, "concurrent": 10**6}


class NotStartedError(Exception):
    """A server did not come up; the message says where its output is."""


@asynccontextmanager
async def ours(directory: Path, model: Path) -> AsyncIterator[Server]:
    """`make serve` with a database of its own; asked by API key, each request with an Idempotency-Key."""
    async with started(directory) as stack:
        place = directory / "ours"
        (place / ".local").mkdir(parents=True)
        (place / ".local" / "model").symlink_to(model)
        port = free_port()
        keys = stack.keys
        environment = {
            "PORT": str(port),
            "SUPABASE_URL": stack.url,
            "SUPABASE_ANON_KEY": keys.anon_key,
            "SUPABASE_SERVICE_ROLE_KEY": keys.service_role_key,
            "JWT_SIGNING_KEY": json.dumps(keys.signing_key),
            "DATABASE_URL": stack.postgres.dsn(),
        }
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "infra.local.serve"]
        async with _running("ours", command, environment, directory, f"{url}/health", cwd=place):
            await _lift_limits(stack)
            key = (place / ".local" / "api-key").read_text().strip()
            headers = {"authorization": f"Bearer {key}"}
            yield Server("ours", url, "SmolLM2-135M-Instruct", headers, idempotent=True)


async def _lift_limits(stack: Stack) -> None:
    await stack.execute("update public.profiles set limits = $1::jsonb", json.dumps(UNLIMITED))


@asynccontextmanager
async def vllm(directory: Path, model: Path, settings: EngineSettings) -> AsyncIterator[Server]:
    """`vllm serve` with the same model, limits and switches as our engine, and without its statistics."""
    port = free_port()
    structured = {"backend": "guidance", "disable_any_whitespace": True, "disable_additional_properties": True}
    command = [
        sys.executable, "-m", "bench.serving.vllm_serve", "serve", str(model),
        "--served-model-name", settings.model, "--host", "127.0.0.1", "--port", str(port),
        "--dtype", settings.dtype, "--max-model-len", str(settings.max_model_len),
        "--max-num-seqs", str(settings.max_num_seqs), "--max-num-batched-tokens", "2048",
        "--gpu-memory-utilization", str(settings.gpu_memory_utilization), "--enforce-eager",
        "--enable-prefix-caching", "--structured-outputs-config", json.dumps(structured),
        "--disable-log-stats", "--disable-uvicorn-access-log",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    extras = await asyncio.to_thread(_serve_extras)
    environment = {"VLLM_WORKER_MULTIPROC_METHOD": "spawn", **settings.process_environment}
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{extras}"
    async with _running("vllm", command, environment, directory, f"{url}/health", cwd=ROOT):
        yield Server("vllm serve", url, settings.model, {})


@asynccontextmanager
async def litellm(directory: Path, behind: Server) -> AsyncIterator[Server]:
    """LiteLLM's proxy in front of `vllm serve`, in a virtual environment of its own.

    Asked by its master key. Its virtual keys, budgets and spend records need a database through Prisma, whose query
    engine is downloaded when it is first used: where that cannot be reached, they are off.
    """
    python = await asyncio.to_thread(litellm_python)
    port = free_port()
    model = {"model": f"hosted_vllm/{behind.model}", "api_base": f"{behind.url}/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": behind.model, "litellm_params": model}],
        "litellm_settings": {"telemetry": False},
        "general_settings": {"master_key": LITELLM_KEY},
    }
    file = directory / "litellm.json"  # YAML takes JSON
    file.write_text(json.dumps(config))
    command = [str(python.with_name("litellm")), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    url = f"http://127.0.0.1:{port}"
    async with _running("litellm", command, environment, directory, f"{url}/health/liveliness", cwd=directory):
        yield Server("litellm + vllm", url, behind.model, {"authorization": f"Bearer {LITELLM_KEY}"})


def litellm_python() -> Path:
    """Of an environment with exactly that version, made the first time."""
    place = ROOT / ".local" / "litellm"
    python = place / "bin" / "python"
    if not _is_made_of(place, LITELLM):
        venv.create(place, with_pip=True, clear=True)
        _install(python, place, LITELLM, [LITELLM])
    return python


def _serve_extras() -> Path:
    """A directory with these alone: they are no part of our environment."""
    place = ROOT / ".local" / "vllm-serve"
    named = " ".join(SERVE_EXTRAS)
    if not _is_made_of(place, named):
        place.mkdir(parents=True, exist_ok=True)
        _install(Path(sys.executable), place, named, ["--no-deps", "--target", str(place), "--upgrade", *SERVE_EXTRAS])
    return place


def _is_made_of(place: Path, named: str) -> bool:
    made_of = place / "made-of"
    return made_of.exists() and made_of.read_text() == named


def _install(python: Path, place: Path, named: str, arguments: list[str]) -> None:
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, *arguments], check=True)  # noqa: S603 - fixed arguments
    (place / "made-of").write_text(named)


@asynccontextmanager
async def _running(
    name: str, command: list[str], environment: Mapping[str, str], directory: Path, ready: str, *, cwd: Path
) -> AsyncIterator[None]:
    """The program, from when it answers `ready` to the end of the block; its output is in `<directory>/<name>.log`."""
    log = directory / f"{name}.log"
    inherited = {**os.environ, "PYTHONPATH": str(ROOT)} | dict(environment)
    async with AsyncExitStack() as life:
        output = life.enter_context(log.open("wb"))
        # Not asyncio's: its watcher starts processes in any thread, and what is tied ends with the thread.
        process = subprocess.Popen(tied(command), env=inherited, stdout=output, stderr=output, cwd=cwd)  # noqa: ASYNC220, S603
        life.push_async_callback(_ended, process)
        await _answering(name, ready, process, log)
        yield


async def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(process.wait, 30)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)


async def _answering(name: str, url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_S
        while loop.time() < until and process.poll() is None:
            if await _is_ready(session, url):
                return
            await asyncio.sleep(0.5)
    tail = (await asyncio.to_thread(log.read_text, errors="replace"))[-3000:]
    raise NotStartedError(f"{name} does not answer at {url}; the end of its output:\n{tail}")


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    """Ours answers while its engine is starting, and says so."""
    try:
        async with session.get(url) as response:
            if response.status != 200:
                return False
            text = await response.text()
    except (aiohttp.ClientError, TimeoutError):
        return False
    document: Any = json.loads(text) if text.startswith("{") else None
    return not isinstance(document, dict) or document.get("engine", {"state": "ready"})["state"] == "ready"
