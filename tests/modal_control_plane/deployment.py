"""What `modal deploy` asks for: apps, images, mounts, secrets, volumes, functions, as the client sent them."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_pb2


@dataclass(frozen=True)
class Version:
    """What one deployment left, by which it is gone back to."""

    tag: str
    functions: dict[str, api_pb2.FunctionData]


@dataclass
class App:
    """One app. `functions` holds the newest definition by tag; a class has the tag `Name.*`."""

    app_id: str
    name: str
    tags: dict[str, str]
    functions: dict[str, api_pb2.FunctionData] = field(default_factory=dict)
    function_ids: dict[str, str] = field(default_factory=dict)
    class_ids: dict[str, str] = field(default_factory=dict)
    is_deployed: bool = False
    versions: list[Version] = field(default_factory=list)
    is_stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def function(self, tag: str) -> api_pb2.Function:
        """The definition of its first choice; the choices differ in their GPU alone."""
        return self.functions[tag].ranked_functions[0].function

    def layout(self) -> api_pb2.AppLayout:
        objects = [
            api_pb2.Object(object_id=self.function_ids[tag], function_handle_metadata=_handle(self, tag))
            for tag in self.function_ids
        ]
        objects += [
            api_pb2.Object(object_id=class_id, class_handle_metadata=self.class_handle(tag))
            for tag, class_id in self.class_ids.items()
        ]
        dependencies = {d.object_id for tag in self.function_ids for d in self.function(tag).object_dependencies}
        objects += [
            api_pb2.Object(object_id=needed, volume_metadata=api_pb2.VolumeMetadata() if needed[:3] == "vo-" else None)
            for needed in sorted(dependencies)
        ]
        return api_pb2.AppLayout(objects=objects, function_ids=self.function_ids, class_ids=self.class_ids)

    def class_handle(self, name: str) -> api_pb2.ClassHandleMetadata:
        service = f"{name}.*"
        return api_pb2.ClassHandleMetadata(
            class_function_id=self.function_ids[service], class_function_metadata=_handle(self, service)
        )


class Deployment:
    """The calls of a deployment, and everything they named."""

    def __init__(self, *, missing_secrets: frozenset[str] = frozenset()) -> None:
        self.apps: dict[str, App] = {}
        self.files: dict[str, bytes] = {}
        self.mounts: dict[str, dict[str, str]] = {}
        self.images: dict[str, api_pb2.Image] = {}
        self.names: dict[str, str] = {}
        """Of secrets, volumes and Dicts, by id."""
        self.required_keys: dict[str, list[str]] = {}
        self._missing_secrets = missing_secrets
        self._ids: defaultdict[str, itertools.count[int]] = defaultdict(itertools.count)

    def app(self, name: str) -> App:
        return next(app for app in self.apps.values() if app.name == name)

    def mounted(self, function: api_pb2.Function) -> dict[str, bytes]:
        """Every file that the function's container gets by mounts, by its absolute path."""
        files: dict[str, str] = {}
        for mount in function.mount_ids:
            files |= self.mounts.get(mount, {})  # Modal's own mounts are known by name alone
        return {path: self.files[digest] for path, digest in files.items()}

    def image_steps(self, image_id: str) -> list[str]:
        """The Dockerfile of an image, from its base on."""
        image = self.images[image_id]
        below = [step for base in image.base_images for step in self.image_steps(base.image_id)]
        return below + list(image.dockerfile_commands)

    def image_files(self, image_id: str) -> dict[str, bytes]:
        """Every file that the builds of an image were given, by its name in their context."""
        image = self.images[image_id]
        found: dict[str, bytes] = {}
        for base in image.base_images:
            found |= self.image_files(base.image_id)
        context = self.mounts.get(image.context_mount_id, {})
        found |= {path: self.files[digest] for path, digest in context.items()}
        return found | {file.filename: file.data for file in image.context_files}

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}-{next(self._ids[prefix]):04d}"

    def _named(self, prefix: str, name: str) -> str:
        for known, its_name in self.names.items():
            if its_name == name and known.startswith(f"{prefix}-"):
                return known
        new = self._new_id(prefix)
        self.names[new] = name
        return new

    # --- apps

    async def ClientHello(self, _request: Empty) -> api_pb2.ClientHelloResponse:
        return api_pb2.ClientHelloResponse()

    async def EnvironmentGetOrCreate(
        self, request: api_pb2.EnvironmentGetOrCreateRequest
    ) -> api_pb2.EnvironmentGetOrCreateResponse:
        settings = api_pb2.EnvironmentSettings(image_builder_version="2025.06", webhook_suffix="")
        metadata = api_pb2.EnvironmentMetadata(name=request.deployment_name or "main", settings=settings)
        return api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-0000", metadata=metadata)

    async def AppGetByDeploymentName(
        self, request: api_pb2.AppGetByDeploymentNameRequest
    ) -> api_pb2.AppGetByDeploymentNameResponse:
        known = [app.app_id for app in self.apps.values() if app.name == request.name and app.is_deployed]
        lifecycle = api_pb2.AppLifecycle(app_state=api_pb2.APP_STATE_DEPLOYED) if known else None
        return api_pb2.AppGetByDeploymentNameResponse(app_id=known[0] if known else "", lifecycle=lifecycle)

    async def AppCreate(self, request: api_pb2.AppCreateRequest) -> api_pb2.AppCreateResponse:
        app = App(self._new_id("ap"), request.description, dict(request.tags))
        self.apps[app.app_id] = app
        return api_pb2.AppCreateResponse(app_id=app.app_id, app_page_url="http://127.0.0.1/app")

    async def AppGetOrCreate(self, request: api_pb2.AppGetOrCreateRequest) -> api_pb2.AppGetOrCreateResponse:
        known = [app for app in self.apps.values() if app.name == request.app_name]
        app = known[0] if known else App(self._new_id("ap"), request.app_name, {})
        self.apps[app.app_id] = app
        return api_pb2.AppGetOrCreateResponse(app_id=app.app_id)

    async def AppGetLayout(self, request: api_pb2.AppGetLayoutRequest) -> api_pb2.AppGetLayoutResponse:
        return api_pb2.AppGetLayoutResponse(app_layout=self.apps[request.app_id].layout())

    async def AppHeartbeat(self, _request: api_pb2.AppHeartbeatRequest) -> Empty:
        return Empty()

    async def AppPublish(self, request: api_pb2.AppPublishRequest) -> api_pb2.AppPublishResponse:
        app = self.apps[request.app_id]
        app.name, app.is_deployed = request.name or app.name, request.app_state == api_pb2.APP_STATE_DEPLOYED
        app.function_ids, app.class_ids = dict(request.function_ids), dict(request.class_ids)
        app.versions.append(Version(request.deployment_tag, dict(app.functions)))
        return api_pb2.AppPublishResponse(url="http://127.0.0.1/deployment", deployed_at=time.time())

    async def AppClientDisconnect(self, request: api_pb2.AppClientDisconnectRequest) -> Empty:
        self.apps[request.app_id].is_stopped.set()
        return Empty()

    async def AppGetLogs(self, request: api_pb2.AppGetLogsRequest) -> AsyncIterator[api_pb2.TaskLogsBatch]:
        """None: containers' output is in the test's hands. It says when the app has ended."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.apps[request.app_id].is_stopped.wait(), request.timeout)
        yield api_pb2.TaskLogsBatch(app_done=self.apps[request.app_id].is_stopped.is_set())

    async def AppRollback(self, request: api_pb2.AppRollbackRequest) -> api_pb2.AppRollbackResponse:
        app = self.apps[request.app_id]
        version = app.versions[-2 if request.version < 0 else request.version - 1]
        app.functions = dict(version.functions)
        app.versions.append(version)
        return api_pb2.AppRollbackResponse()

    async def TaskList(self, _request: api_pb2.TaskListRequest) -> api_pb2.TaskListResponse:
        return api_pb2.TaskListResponse()  # of an app that is new: none are left of the one before

    # --- files and images

    async def MountBatchedCheckExistence(
        self, request: api_pb2.MountBatchedCheckExistenceRequest
    ) -> api_pb2.MountBatchedCheckExistenceResponse:
        missing = [digest for digest in request.sha256_hex_hashes if digest not in self.files]
        return api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)

    async def MountPutFile(self, request: api_pb2.MountPutFileRequest) -> api_pb2.MountPutFileResponse:
        if request.WhichOneof("data_oneof") == "data":
            self.files[request.sha256_hex] = request.data
        return api_pb2.MountPutFileResponse(exists=request.sha256_hex in self.files)

    async def MountGetOrCreate(self, request: api_pb2.MountGetOrCreateRequest) -> api_pb2.MountGetOrCreateResponse:
        if request.deployment_name:  # Modal's own: its client, a standalone Python
            return api_pb2.MountGetOrCreateResponse(mount_id=self._named("mo", request.deployment_name))
        mount_id = self._new_id("mo")
        self.mounts[mount_id] = {file.filename: file.sha256_hex for file in request.files}
        return api_pb2.MountGetOrCreateResponse(mount_id=mount_id)

    async def ImageGetOrCreate(self, request: api_pb2.ImageGetOrCreateRequest) -> api_pb2.ImageGetOrCreateResponse:
        image_id = self._new_id("im")
        self.images[image_id] = request.image
        return api_pb2.ImageGetOrCreateResponse(
            image_id=image_id,
            result=api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS),
            metadata=api_pb2.ImageMetadata(image_builder_version=request.builder_version),
        )

    # --- named objects

    async def SecretGetOrCreate(self, request: api_pb2.SecretGetOrCreateRequest) -> api_pb2.SecretGetOrCreateResponse:
        if request.deployment_name in self._missing_secrets:
            raise GRPCError(Status.NOT_FOUND, f"Secret '{request.deployment_name}' not found")
        secret_id = self._named("st", request.deployment_name)
        self.required_keys[request.deployment_name] = list(request.required_keys)
        return api_pb2.SecretGetOrCreateResponse(secret_id=secret_id)

    async def VolumeGetOrCreate(self, request: api_pb2.VolumeGetOrCreateRequest) -> api_pb2.VolumeGetOrCreateResponse:
        volume_id = self._named("vo", request.deployment_name)
        metadata = api_pb2.VolumeMetadata(name=request.deployment_name)
        return api_pb2.VolumeGetOrCreateResponse(volume_id=volume_id, metadata=metadata)

    async def DictGetOrCreate(self, request: api_pb2.DictGetOrCreateRequest) -> api_pb2.DictGetOrCreateResponse:
        dict_id = self._named("di", request.deployment_name)
        return api_pb2.DictGetOrCreateResponse(
            dict_id=dict_id, metadata=api_pb2.DictMetadata(name=request.deployment_name)
        )

    # --- functions

    async def FunctionPrecreate(self, request: api_pb2.FunctionPrecreateRequest) -> api_pb2.FunctionPrecreateResponse:
        app = self.apps[request.app_id]
        function_id = request.existing_function_id or self._new_id("fu")
        app.function_ids[request.function_name] = function_id
        handle = api_pb2.FunctionHandleMetadata(
            function_name=request.function_name, function_type=request.function_type
        )
        return api_pb2.FunctionPrecreateResponse(function_id=function_id, handle_metadata=handle)

    async def FunctionCreate(self, request: api_pb2.FunctionCreateRequest) -> api_pb2.FunctionCreateResponse:
        app = self.apps[request.app_id]
        data = request.function_data
        if request.HasField("function"):
            ranked = api_pb2.FunctionData.RankedFunction(rank=0, function=request.function)
            data = api_pb2.FunctionData(function_name=request.function.function_name, ranked_functions=[ranked])
        app.functions[data.function_name] = data
        app.function_ids[data.function_name] = request.existing_function_id
        return api_pb2.FunctionCreateResponse(
            function_id=request.existing_function_id,
            function_data=data,
            function=app.function(data.function_name),
            handle_metadata=_handle(app, data.function_name),
        )

    async def ClassCreate(self, request: api_pb2.ClassCreateRequest) -> api_pb2.ClassCreateResponse:
        app = self.apps[request.app_id]
        (name,) = [tag.removesuffix(".*") for tag in app.functions if tag.endswith(".*")]
        class_id = app.class_ids.setdefault(name, request.existing_class_id or self._new_id("cs"))
        return api_pb2.ClassCreateResponse(class_id=class_id, handle_metadata=app.class_handle(name))

    async def ClassGet(self, request: api_pb2.ClassGetRequest) -> api_pb2.ClassGetResponse:
        app = self.app(request.app_name)
        class_id = app.class_ids[request.object_tag]
        return api_pb2.ClassGetResponse(class_id=class_id, handle_metadata=app.class_handle(request.object_tag))

    async def FunctionGet(self, request: api_pb2.FunctionGetRequest) -> api_pb2.FunctionGetResponse:
        app, tag = self.app(request.app_name), request.object_tag
        return api_pb2.FunctionGetResponse(
            function_id=app.function_ids[tag], handle_metadata=_handle(app, tag), function=app.functions[tag]
        )


def _handle(app: App, tag: str) -> api_pb2.FunctionHandleMetadata:
    function = app.function(tag)
    handle = api_pb2.FunctionHandleMetadata(
        app_id=app.app_id,
        function_name=tag,
        function_type=function.function_type,
        definition_id=f"de-{app.function_ids[tag]}",
        class_parameter_info=function.class_parameter_info,
        function_schema=function.function_schema,
        supported_input_formats=function.supported_input_formats,
        supported_output_formats=function.supported_output_formats,
        web_url="http://127.0.0.1/web" if function.webhook_config.type else "",
    )
    for name, method in function.method_definitions.items():
        handle.method_handle_metadata[name].CopyFrom(
            api_pb2.FunctionHandleMetadata(
                function_name=method.function_name,
                function_type=method.function_type,
                is_method=True,
                use_method_name=name,
                function_schema=method.function_schema,
                supported_input_formats=method.supported_input_formats,
                supported_output_formats=method.supported_output_formats,
            )
        )
    return handle
