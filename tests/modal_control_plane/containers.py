"""Containers: processes of Modal's own entry point, which see of this tree what was mounted for them, and no more."""

import asyncio
import os
import signal
import site
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from modal_proto import api_pb2

from infra.local.tied_process import tied
from tests.modal_control_plane.calls import Call, Calls
from tests.modal_control_plane.deployment import App, Deployment, name_of
from tests.modal_control_plane.rpc import Reply, served
from tests.modal_control_plane.sandboxes import Sandboxes
from tests.modal_control_plane.workspace import Workspace


@dataclass(eq=False)
class Container:
    """One container, and the calls that are its own: on Modal a request says nothing of who asks, the socket does."""

    container_id: str
    function: api_pb2.Function
    function_id: str
    calls: Calls
    is_stopping: bool = False
    has_worked: bool = False
    checkpoints: list[set[int]] = field(default_factory=list)
    """Of each one, the ports to which the container's processes had connections."""
    log: bytes = b""
    process: asyncio.subprocess.Process | None = None
    life: asyncio.Task[None] | None = None
    told: set[str] = field(default_factory=set)
    """Inputs that it was told to cancel."""

    def running(self) -> list[Call]:
        return [call for call in self.calls.running(self.function_id) if call.container_id == self.container_id]

    def stop(self) -> None:
        """As when Modal scales down: no new input, then the exit methods."""
        self.is_stopping = True
        self.calls.changed()

    def _to_cancel(self) -> set[str]:
        return {call.input_id for call in self.running() if call.is_cancelled} - self.told

    async def ContainerHeartbeat(self, _request: api_pb2.ContainerHeartbeatRequest) -> Reply:
        if not await self.calls.changes.wait_until(self._to_cancel, 14.5):  # the client asks every 15 s
            return {}
        inputs = self._to_cancel()
        self.told |= inputs
        return {"cancel_input_event": {"input_ids": inputs}}

    async def ContainerCheckpoint(self, _request: api_pb2.ContainerCheckpointRequest) -> Reply:
        assert self.process is not None
        self.checkpoints.append(peers_of(self.process.pid))
        return {}

    async def FunctionGetDynamicConcurrency(self, request: api_pb2.FunctionGetDynamicConcurrencyRequest) -> Reply:
        return {"concurrency": request.max_concurrency}

    async def FunctionGetInputs(self, _request: api_pb2.FunctionGetInputsRequest) -> Reply:
        await self.calls.changes.wait_until(lambda: self.is_stopping or self.calls.waiting(self.function_id))
        if self.is_stopping:
            return {"inputs": [{"kill_switch": True}]}
        if not (waiting := self.calls.waiting(self.function_id)):
            return {}
        call = waiting[0]
        self.has_worked = True
        call.container_id = self.container_id
        call.runs += 1
        item = {"input_id": call.input_id, "input": call.item.input, "function_call_id": call.call_id}
        return {"inputs": [item | {"retry_count": call.runs - 1}]}


@dataclass
class Containers:
    """Starts a container when inputs wait and the function's maximum allows one more; ends all of them with itself."""

    deployment: Deployment
    calls: Calls
    directory: Path
    sandboxes: Sandboxes = field(default_factory=Sandboxes)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    all: list[Container] = field(default_factory=list)
    workspace: Workspace = field(default_factory=Workspace)
    overrides: dict[str, api_pb2.AutoscalerSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.calls.on_change = self._scale

    def of(self, function_id: str) -> list[Container]:
        return [c for c in self.all if c.function_id == function_id and c.life and not c.life.done()]

    async def close(self) -> None:
        self.calls.on_change = lambda: None
        for container in self.all:
            if container.process is not None and container.process.returncode is None:
                container.process.kill()
        await asyncio.gather(*(container.life for container in self.all if container.life))

    async def FunctionGetCurrentStats(self, request: api_pb2.FunctionGetCurrentStatsRequest) -> Reply:
        return {
            "backlog": len(self.calls.waiting(request.function_id)),
            "num_running_inputs": len(self.calls.running(request.function_id)),
            "num_total_tasks": len(self.of(request.function_id)),
        }

    async def FunctionUpdateSchedulingParams(self, request: api_pb2.FunctionUpdateSchedulingParamsRequest) -> Reply:
        self.overrides[request.function_id] = request.settings
        self._scale()
        return {"current_settings": request.settings}

    def _scale(self) -> None:
        for app in self.deployment.apps.values():
            for tag, function_id in app.function_ids.items():
                function = app.function(tag)
                running = [c for c in self.of(function_id) if not c.is_stopping]
                at_most = function.autoscaler_settings.max_containers or 1
                capacity = (function.target_concurrent_inputs or function.max_concurrent_inputs or 1) * len(running)
                wanted = len(self.calls.waiting(function_id)) + len(self.calls.running(function_id))
                at_least = self.overrides.get(function_id, api_pb2.AutoscalerSettings()).min_containers
                if len(running) < max(at_least, at_most if wanted > capacity else 0):
                    container = Container(f"ta-{len(self.all):04d}", function, function_id, self.calls)
                    container.life = asyncio.create_task(self._live(app, container))
                    self.all.append(container)

    async def _live(self, app: App, container: Container) -> None:
        home = self.directory / container.container_id
        for path, content in self.deployment.mounted(container.function).items():
            file = home / path.removeprefix("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        parts = (container, self.calls, self, self.workspace, self.sandboxes, self.deployment)
        async with served(*parts, socket=home / "s") as address:
            container.process = await asyncio.create_subprocess_exec(
                # -S: this environment knows the tree by an editable install, which the container must not see.
                *tied([sys.executable, "-S", "-m", "modal._container_entrypoint"], ending=signal.SIGKILL),
                cwd=home / "root",
                env=self._environment(app, container, home, address),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            assert container.process.stdout is not None
            async for line in container.process.stdout:
                container.log += line
            status = await container.process.wait()
        container.is_stopping, never_worked = (True, not container.is_stopping and not container.has_worked)
        failure = api_pb2.GenericResult.GENERIC_STATUS_INTERNAL_FAILURE
        lost = api_pb2.GenericResult(status=failure, exception=f"container ended with status {status}")
        self.calls.lose_container(container.container_id, lost)
        if never_worked:  # it would do so again: Modal gives up on the inputs after a few starts, this after one
            for call in self.calls.waiting(container.function_id):
                self.calls.finish(call, lost)

    def _environment(self, app: App, container: Container, home: Path, address: str) -> dict[str, str]:
        function = api_pb2.Function()
        function.CopyFrom(container.function)
        function.is_checkpointing_function = function.checkpointing_enabled
        ids = {"task_id": container.container_id, "function_id": container.function_id, "app_id": app.app_id}
        arguments = api_pb2.ContainerArguments(
            **ids, function_def=function, app_layout=app.layout(), checkpoint_id="ch-0000", environment_name="main"
        )
        (home / "arguments").write_bytes(arguments.SerializeToString())
        (home / "restored").write_text("{}")
        steps = self.deployment.image_steps(function.image_id)
        image = dict(step.removeprefix("ENV ").split("=", 1) for step in steps if step.startswith("ENV "))
        secrets = [self.secrets.get(name_of(secret), {}) for secret in function.secret_ids]
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": os.pathsep.join([str(home / "root"), *site.getsitepackages()]),
            "MODAL_SERVER_URL": address,
            "MODAL_TASK_ID": container.container_id,
            "MODAL_IS_REMOTE": "1",
            "MODAL_CONTAINER_ARGUMENTS_PATH": str(home / "arguments"),
            "MODAL_RESTORE_STATE_PATH": str(home / "restored"),
            "MODAL_ENABLE_SNAP_RESTORE": "1",
            **image,
            **{name: value for secret in secrets for name, value in secret.items()},
        }


def peers_of(root: int) -> set[int]:
    """Ports to which the process and its descendants have TCP connections, other than to each other."""
    connections = []
    for process in [psutil.Process(root), *psutil.Process(root).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            connections += process.net_connections("tcp")
    reached = {connection.raddr.port for connection in connections if connection.status == psutil.CONN_ESTABLISHED}
    return reached - {connection.laddr.port for connection in connections}
