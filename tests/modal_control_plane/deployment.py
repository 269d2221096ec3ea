"""What `modal deploy` asks for: apps, images, mounts, secrets, volumes, functions, as the client sent them."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from grpclib import GRPCError, Status
from modal_proto import api_pb2

from tests.modal_control_plane.rpc import Reply


def name_of(object_id: str) -> str:
    """Of a secret, a volume or a Dict: their ids are made of their names."""
    return object_id.partition("-")[2]


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
    versions: list[dict[str, api_pb2.FunctionData]] = field(default_factory=list)
    is_stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def function(self, tag: str) -> api_pb2.Function:
        """The definition of its first choice; the choices differ in their GPU alone."""
        return self.functions[tag].ranked_functions[0].function

    def layout(self) -> api_pb2.AppLayout:
        """What a container is told of the app that it is a part of."""
        handles = {id_: {"function_handle_metadata": self.handle(tag)} for tag, id_ in self.function_ids.items()}
        classes = {id_: {"class_handle_metadata": self.class_handle(name)} for name, id_ in self.class_ids.items()}
        needed = {needs.object_id for tag in self.function_ids for needs in self.function(tag).object_dependencies}
        volume = {"volume_metadata": api_pb2.VolumeMetadata()}
        others = {id_: volume if id_.startswith("vo-") else {} for id_ in sorted(needed)}
        objects = [api_pb2.Object(object_id=id_, **of) for id_, of in [*(handles | classes).items(), *others.items()]]
        return api_pb2.AppLayout(objects=objects, function_ids=self.function_ids, class_ids=self.class_ids)

    def class_handle(self, name: str) -> api_pb2.ClassHandleMetadata:
        service = f"{name}.*"
        return api_pb2.ClassHandleMetadata(
            class_function_id=self.function_ids[service], class_function_metadata=self.handle(service)
        )

    def handle(self, tag: str) -> api_pb2.FunctionHandleMetadata:
        function = self.function(tag)
        methods = {
            name: _described(method, function_name=method.function_name, is_method=True, use_method_name=name)
            for name, method in function.method_definitions.items()
        }
        return _described(
            function,
            app_id=self.app_id,
            function_name=tag,
            class_parameter_info=function.class_parameter_info,
            web_url="http://127.0.0.1/web" if function.webhook_config.type else "",
            method_handle_metadata=methods,
        )


def _described(of: api_pb2.Function | api_pb2.MethodDefinition, **more: Any) -> api_pb2.FunctionHandleMetadata:
    same = ("function_type", "function_schema", "supported_input_formats", "supported_output_formats")
    return api_pb2.FunctionHandleMetadata(**{name: getattr(of, name) for name in same}, **more)


class Deployment:
    """The calls of a deployment, and everything they named. No app has a task of the version before."""

    def __init__(self, *, missing_secrets: frozenset[str] = frozenset()) -> None:
        self.apps: dict[str, App] = {}
        self.files: dict[str, bytes] = {}
        self.mounts: dict[str, dict[str, str]] = {}
        self.images: dict[str, api_pb2.Image] = {}
        self.required_keys: dict[str, list[str]] = {}
        self._missing_secrets = missing_secrets
        self._ids: defaultdict[str, itertools.count[int]] = defaultdict(itertools.count)

    def app(self, name: str) -> App:
        return next(app for app in self.apps.values() if app.name == name)

    def mounted(self, function: api_pb2.Function) -> dict[str, bytes]:
        """Every file that the function's container gets by mounts, by its absolute path."""
        mounts = [self.mounts.get(mount, {}) for mount in function.mount_ids]  # Modal's own are known by name alone
        return {path: self.files[digest] for files in mounts for path, digest in files.items()}

    def image_layers(self, image_id: str) -> list[api_pb2.Image]:
        """An image's definition, after those that it is built on."""
        image = self.images[image_id]
        return [*(layer for base in image.base_images for layer in self.image_layers(base.image_id)), image]

    def image_steps(self, image_id: str) -> list[str]:
        """The Dockerfile of an image, from its base on."""
        return [step for layer in self.image_layers(image_id) for step in layer.dockerfile_commands]

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}-{next(self._ids[prefix]):04d}"

    async def AppGetByDeploymentName(self, request: api_pb2.AppGetByDeploymentNameRequest) -> Reply:
        known = [app.app_id for app in self.apps.values() if app.name == request.name and app.is_deployed]
        return {"app_id": known[0], "lifecycle": {"app_state": api_pb2.APP_STATE_DEPLOYED}} if known else {}

    async def AppCreate(self, request: api_pb2.AppCreateRequest) -> Reply:
        app = App(self._new_id("ap"), request.description, dict(request.tags))
        self.apps[app.app_id] = app
        return {"app_id": app.app_id}

    async def AppGetOrCreate(self, request: api_pb2.AppGetOrCreateRequest) -> Reply:
        return await self.AppCreate(api_pb2.AppCreateRequest(description=request.app_name))

    async def AppGetLayout(self, request: api_pb2.AppGetLayoutRequest) -> Reply:
        return {"app_layout": self.apps[request.app_id].layout()}

    async def AppPublish(self, request: api_pb2.AppPublishRequest) -> Reply:
        app = self.apps[request.app_id]
        app.name, app.is_deployed = (request.name or app.name, request.app_state == api_pb2.APP_STATE_DEPLOYED)
        app.function_ids, app.class_ids = (dict(request.function_ids), dict(request.class_ids))
        app.versions.append(dict(app.functions))
        return {"url": "http://127.0.0.1/deployment", "deployed_at": time.time()}

    async def AppClientDisconnect(self, request: api_pb2.AppClientDisconnectRequest) -> Reply:
        self.apps[request.app_id].is_stopped.set()
        return {}

    async def AppGetLogs(self, request: api_pb2.AppGetLogsRequest) -> AsyncIterator[Reply]:
        """None: containers' output is in the test's hands. It says when the app has ended."""
        await self.apps[request.app_id].is_stopped.wait()
        yield {"app_done": True}

    async def AppRollback(self, request: api_pb2.AppRollbackRequest) -> Reply:
        app = self.apps[request.app_id]
        app.functions = dict(app.versions[-2 if request.version < 0 else request.version - 1])
        app.versions.append(dict(app.functions))
        return {}

    async def MountBatchedCheckExistence(self, request: api_pb2.MountBatchedCheckExistenceRequest) -> Reply:
        return {"missing_sha256_hex_hashes": [hash_ for hash_ in request.sha256_hex_hashes if hash_ not in self.files]}

    async def MountPutFile(self, request: api_pb2.MountPutFileRequest) -> Reply:
        if request.WhichOneof("data_oneof") == "data":
            self.files[request.sha256_hex] = request.data
        return {"exists": request.sha256_hex in self.files}

    async def MountGetOrCreate(self, request: api_pb2.MountGetOrCreateRequest) -> Reply:
        if request.deployment_name:  # Modal's own: its client, a standalone Python
            return {"mount_id": f"mo-{request.deployment_name}"}
        mount_id = self._new_id("mo")
        self.mounts[mount_id] = {file.filename: file.sha256_hex for file in request.files}
        return {"mount_id": mount_id}

    async def ImageGetOrCreate(self, request: api_pb2.ImageGetOrCreateRequest) -> Reply:
        image_id = self._new_id("im")
        self.images[image_id] = request.image
        result = {"status": api_pb2.GenericResult.GENERIC_STATUS_SUCCESS}
        return {"image_id": image_id, "result": result, "metadata": {"image_builder_version": request.builder_version}}

    async def SecretGetOrCreate(self, request: api_pb2.SecretGetOrCreateRequest) -> Reply:
        if request.deployment_name in self._missing_secrets:
            raise GRPCError(Status.NOT_FOUND, f"Secret '{request.deployment_name}' not found")
        self.required_keys[request.deployment_name] = list(request.required_keys)
        return {"secret_id": f"st-{request.deployment_name}"}

    async def VolumeGetOrCreate(self, request: api_pb2.VolumeGetOrCreateRequest) -> Reply:
        return {"volume_id": f"vo-{request.deployment_name}", "metadata": {"name": request.deployment_name}}

    async def DictGetOrCreate(self, request: api_pb2.DictGetOrCreateRequest) -> Reply:
        return {"dict_id": f"di-{request.deployment_name}", "metadata": {"name": request.deployment_name}}

    async def FunctionPrecreate(self, request: api_pb2.FunctionPrecreateRequest) -> Reply:
        function_id = request.existing_function_id or self._new_id("fu")
        self.apps[request.app_id].function_ids[request.function_name] = function_id
        return {"function_id": function_id}

    async def FunctionCreate(self, request: api_pb2.FunctionCreateRequest) -> Reply:
        app, data = self.apps[request.app_id], request.function_data
        if request.HasField("function"):
            ranked = api_pb2.FunctionData.RankedFunction(rank=0, function=request.function)
            data = api_pb2.FunctionData(function_name=request.function.function_name, ranked_functions=[ranked])
        tag = data.function_name
        app.functions[tag], app.function_ids[tag] = data, request.existing_function_id
        return {"function_id": app.function_ids[tag], "function_data": data, "handle_metadata": app.handle(tag)}

    async def ClassCreate(self, request: api_pb2.ClassCreateRequest) -> Reply:
        app = self.apps[request.app_id]
        (name,) = [tag.removesuffix(".*") for tag in app.functions if tag.endswith(".*")]
        class_id = app.class_ids.setdefault(name, request.existing_class_id or self._new_id("cs"))
        return {"class_id": class_id, "handle_metadata": app.class_handle(name)}

    async def ClassGet(self, request: api_pb2.ClassGetRequest) -> Reply:
        app = self.app(request.app_name)
        return {"class_id": app.class_ids[request.object_tag], "handle_metadata": app.class_handle(request.object_tag)}

    async def FunctionGet(self, request: api_pb2.FunctionGetRequest) -> Reply:
        app, tag = self.app(request.app_name), request.object_tag
        known = {"function": app.functions[tag], "handle_metadata": app.handle(tag)}
        return {"function_id": app.function_ids[tag], **known}
