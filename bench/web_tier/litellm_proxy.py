"""LiteLLM's proxy answering with its own `mock_response`: no engine behind it, and no network.

Asked by its master key. Its virtual keys, budgets and spend records are off: they need a database through Prisma,
whose query engine is a download. What it would cost with them on is more than what is measured here.
"""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.database_stack import free_port
from bench.serving.servers import litellm_python
from bench.web_tier.immediate_engine import ANSWER
from bench.web_tier.load import Target, closed_loop
from bench.web_tier.servers import BODY, Server, on_server_core

READY_S = 240


@asynccontextmanager
async def litellm(directory: Path) -> AsyncIterator[Server]:
    """With one worker, as ours has, and the settings that its documentation has for production (no debug log)."""
    python = await asyncio.to_thread(litellm_python)
    port, key = free_port(), f"sk-{secrets.token_urlsafe(24)}"
    model = {"model": f"openai/{BODY['model']}", "api_base": "http://127.0.0.1:9/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": BODY["model"], "litellm_params": {**model, "mock_response": ANSWER}}],
        "litellm_settings": {"telemetry": False, "set_verbose": False},
        "general_settings": {"master_key": key},
    }
    file = directory / "litellm.json"  # YAML takes JSON
    file.write_text(json.dumps(config))
    command = [str(python.with_name("litellm")), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with (directory / "litellm.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=log, stderr=log, preexec_fn=on_server_core
        )
        try:
            target = Target(port, {"authorization": f"Bearer {key}"}, json.dumps(BODY).encode())
            await _answers(target)
            yield Server("litellm", process.pid, target)
        finally:
            process.terminate()
            await process.wait()


async def _answers(target: Target) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            try:
                await closed_loop(target, clients=1, requests=1)
            except OSError:
                await asyncio.sleep(0.5)
            else:
                return
