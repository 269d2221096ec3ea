"""`modal run` and `modal serve`: apps that last as long as the command, with the containers that they ask for."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from modal_proto import api_pb2

from functions.weights import COMPLETE
from tests.copy_of_the_tree import copy_of_the_tree
from tests.modal_control_plane.calls import Calls
from tests.modal_control_plane.command_line import modal_command, modal_process
from tests.modal_control_plane.containers import Containers
from tests.modal_control_plane.deployment import Deployment
from tests.modal_control_plane.http import ModalTransport
from tests.modal_control_plane.rpc import served

VARIABLES = {"LIFT_SYS_ENV": "loopback"}
NOWHERE = "http://127.0.0.1:9"  # nothing answers there, and neither command needs it to
SECRETS = {"supabase": {"SUPABASE_URL": NOWHERE, "SUPABASE_ANON_KEY": "-", "SUPABASE_JWT_SECRET": "-" * 32}}


@dataclass(frozen=True)
class Workspace:
    url: str
    tree: Path
    deployment: Deployment
    calls: Calls
    containers: Containers


@pytest.fixture
async def workspace(model_path: Path, tmp_path: Path) -> AsyncIterator[Workspace]:
    def loopback(settings: dict[str, Any]) -> None:
        local = settings["environments"].pop("local")
        local["engine"]["weights_directory"] = str(tmp_path / "weights")
        settings["shared"]["validation"]["processes"] = 1
        settings["environments"] = {"loopback": local}
        revision = tmp_path / "weights" / local["engine"]["model"] / local["engine"]["revision"]
        revision.mkdir(parents=True)
        (revision / "tokenizer.json").symlink_to(model_path / "tokenizer.json")
        (revision / COMPLETE).touch()

    tree = tmp_path / "tree"
    tree.mkdir()
    copy_of_the_tree(tree, loopback)
    deployment, calls = Deployment(), Calls()
    containers = Containers(deployment, calls, tmp_path / "homes", secrets=SECRETS)
    async with served(deployment, calls, containers, containers.workspace) as url:
        yield Workspace(url, tree, deployment, calls, containers)
        await containers.close()


async def test_run_prepares_the_weights_and_leaves_no_app(workspace: Workspace):
    prepare = ("run", "modal_app.py::prepare")
    finished = await modal_command(workspace.url, *prepare, variables=VARIABLES, directory=workspace.tree)
    (container,) = workspace.containers.all
    assert finished.returncode == 0, finished.stdout + container.log.decode()
    (call,) = workspace.calls.calls.values()
    assert call.output is not None
    assert call.output.result.status == api_pb2.GenericResult.GENERIC_STATUS_SUCCESS
    (app,) = workspace.deployment.apps.values()
    assert not app.is_deployed
    assert app.is_stopped.is_set()


async def test_serve_answers_until_it_is_interrupted(workspace: Workspace):
    serve = ("serve", "modal_app.py")
    async with modal_process(workspace.url, *serve, variables=VARIABLES, directory=workspace.tree) as process:
        assert process.stdout is not None
        said = b""
        async for line in process.stdout:
            said += line
            if b"Ctrl-C" in line:
                break
        assert process.returncode is None, said
        (app,) = workspace.deployment.apps.values()
        transport = ModalTransport(workspace.calls, app.function_ids["web"])
        async with httpx.AsyncClient(transport=transport, base_url="https://dev.modal.run", timeout=60) as http:
            described = await http.get("/openapi.json")
        assert described.status_code == 200, described.text
        assert "/api/generate" in described.json()["paths"]
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            await process.communicate()
    assert not app.is_deployed
    assert app.is_stopped.is_set()
