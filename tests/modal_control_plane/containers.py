"""Containers: processes of Modal's own entry point, which see of this tree what was mounted for them, and no more."""

import asyncio
import itertools
import os
import signal
import site
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from modal_proto import api_pb2

from infra.local.tied_process import tied
from tests.modal_control_plane.billing import Billing
from tests.modal_control_plane.calls import Call, Calls, lost
from tests.modal_control_plane.deployment import App, Deployment
from tests.modal_control_plane.dicts import Dicts
from tests.modal_control_plane.process_tree import peers_of
from tests.modal_control_plane.rpc import Reply, Service, served
from tests.modal_control_plane.sandboxes import Sandboxes

HEARTBEAT_S = 14.5


class Container:
    """One container, and the calls that are its own: on Modal a request says nothing of who asks, the socket does."""

    ACKNOWLEDGED = ("ContainerHello", "VolumeCommit", "VolumeReload")

    def __init__(self, container_id: str, function: api_pb2.Function, function_id: str, calls: Calls) -> None:
        self.container_id = container_id
        self.function = function
        self.function_id = function_id
        self.is_stopping = False
        self.has_worked = False
        self.checkpoints = 0
        self.peers_at_checkpoint: set[int] = set()
        self.failure: api_pb2.GenericResult | None = None
        self.log = b""
        self.process: asyncio.subprocess.Process | None = None
        self._calls = calls
        self._told: set[str] = set()

    def running(self) -> list[Call]:
        return [call for call in self._calls.running(self.function_id) if call.container_id == self.container_id]

    def _to_cancel(self) -> list[str]:
        return [call.input_id for call in self.running() if call.is_cancelled and call.input_id not in self._told]

    async def stop(self) -> None:
        """As when Modal scales down: no new input, then the exit methods."""
        self.is_stopping = True
        await self._calls.changed()

    async def ContainerHeartbeat(self, _request: api_pb2.ContainerHeartbeatRequest) -> Reply:
        await self._calls.wait_until(self._to_cancel, HEARTBEAT_S)
        if not (inputs := self._to_cancel()):
            return {}
        self._told.update(inputs)
        return {"cancel_input_event": {"input_ids": inputs}}

    async def ContainerCheckpoint(self, _request: api_pb2.ContainerCheckpointRequest) -> Reply:
        self.checkpoints += 1
        assert self.process is not None
        self.peers_at_checkpoint = peers_of(self.process.pid)
        return {}

    async def TaskResult(self, request: api_pb2.TaskResultRequest) -> Reply:
        self.failure = request.result
        return {}

    async def FunctionGetDynamicConcurrency(self, request: api_pb2.FunctionGetDynamicConcurrencyRequest) -> Reply:
        return {"concurrency": request.max_concurrency}

    async def FunctionGetInputs(self, _request: api_pb2.FunctionGetInputsRequest) -> Reply:
        await self._calls.wait_until(lambda: self.is_stopping or self._calls.waiting(self.function_id))
        if self.is_stopping:
            return {"inputs": [{"kill_switch": True}]}
        if not (waiting := self._calls.waiting(self.function_id)):
            return {}
        call = waiting[0]
        self.has_worked = True
        call.container_id = self.container_id
        call.runs += 1
        item = {"input_id": call.input_id, "input": call.item.input, "function_call_id": call.call_id}
        return {"inputs": [item | {"retry_count": call.runs - 1}]}


class Containers:
    """Starts a container when inputs wait and the function's maximum allows one more; ends all of them with itself."""

    def __init__(
        self,
        deployment: Deployment,
        calls: Calls,
        directory: Path,
        *,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        restore_snapshots: bool = False,
        sandboxes: Sandboxes | None = None,
        trusted: Path | None = None,
    ) -> None:
        self.all: list[Container] = []
        self.dicts = Dicts()
        self.billing = Billing()
        self._deployment = deployment
        self._calls = calls
        self._directory = directory
        self._secrets = secrets or {}
        self._restore_snapshots = restore_snapshots
        self._sandboxes = sandboxes or Sandboxes()
        self._trusted = trusted
        self._numbers = itertools.count()
        self._lives: dict[str, asyncio.Task[None]] = {}
        calls.on_change = self._scale
        calls.containers_of = lambda function_id: len(self.of(function_id))

    def of(self, function_id: str) -> list[Container]:
        return [c for c in self.all if c.function_id == function_id and not self._lives[c.container_id].done()]

    async def close(self) -> None:
        self._calls.on_change = lambda: None
        for container in self.all:
            if container.process is not None and container.process.returncode is None:
                container.process.kill()
        await asyncio.gather(*self._lives.values())

    def _scale(self) -> None:
        for app in self._deployment.apps.values():
            for tag, function_id in app.function_ids.items():
                function = app.function(tag)
                running = [c for c in self.of(function_id) if not c.is_stopping]
                at_most = function.autoscaler_settings.max_containers or 1
                capacity = (function.target_concurrent_inputs or function.max_concurrent_inputs or 1) * len(running)
                wanted = len(self._calls.waiting(function_id)) + len(self._calls.running(function_id))
                at_least = self._calls.overrides.get(function_id, api_pb2.AutoscalerSettings()).min_containers
                if len(running) < max(at_least, at_most if wanted > capacity else 0):
                    self._start(app, tag, function_id)

    def _start(self, app: App, tag: str, function_id: str) -> None:
        container = Container(f"ta-{next(self._numbers):04d}", app.function(tag), function_id, self._calls)
        self._lives[container.container_id] = asyncio.create_task(self._live(app, container))
        self.all.append(container)

    async def _live(self, app: App, container: Container) -> None:
        home = self._directory / container.container_id
        for path, content in self._deployment.mounted(container.function).items():
            file = home / path.removeprefix("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        async with self._socket(home, container) as address:
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
        container.is_stopping, never_worked = True, not container.is_stopping and not container.has_worked
        reason = f"container ended with status {status}"
        await self._calls.lose_container(container.container_id, reason)
        if never_worked:  # it would do so again: Modal gives up on the inputs after a few starts, this after one
            for call in self._calls.waiting(container.function_id):
                await self._calls.finish(call, container.failure or lost(reason))

    @asynccontextmanager
    async def _socket(self, home: Path, container: Container) -> AsyncIterator[str]:
        service = Service(container, self._calls, self.dicts, self.billing, self._sandboxes, self._deployment)
        async with served(service, socket=home / "s") as address:
            yield address
        assert not service.unknown_calls, service.unknown_calls

    def _environment(self, app: App, container: Container, home: Path, address: str) -> dict[str, str]:
        function = api_pb2.Function()
        function.CopyFrom(container.function)
        function.is_checkpointing_function = function.checkpointing_enabled
        arguments = api_pb2.ContainerArguments(
            task_id=container.container_id,
            function_id=container.function_id,
            app_id=app.app_id,
            function_def=function,
            app_layout=app.layout(),
            checkpoint_id="ch-0000",
            environment_name="main",
        )
        (home / "arguments").write_bytes(arguments.SerializeToString())
        (home / "restored").write_text("{}")
        steps = self._deployment.image_steps(function.image_id)
        image = dict(step.removeprefix("ENV ").split("=", 1) for step in steps if step.startswith("ENV "))
        secrets = [self._deployment.names[secret] for secret in function.secret_ids]
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": os.pathsep.join([str(home / "root"), *site.getsitepackages()]),
            "MODAL_SERVER_URL": address,
            "MODAL_TASK_ID": container.container_id,
            "MODAL_IS_REMOTE": "1",
            "MODAL_CONTAINER_ARGUMENTS_PATH": str(home / "arguments"),
            "MODAL_RESTORE_STATE_PATH": str(home / "restored"),
            **({"MODAL_ENABLE_SNAP_RESTORE": "1"} if self._restore_snapshots else {}),
            **({"SSL_CERT_FILE": str(self._trusted)} if self._trusted else {}),
            **image,
            **{name: value for secret in secrets for name, value in self._secrets.get(secret, {}).items()},
        }
