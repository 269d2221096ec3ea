"""What the real `modal deploy` asks Modal for, per environment, against a control plane on loopback."""

import json
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from modal_proto import api_pb2

from infra.settings import Settings, load_settings
from tests.copy_of_the_tree import copy_of_the_tree
from tests.modal_control_plane.command_line import REPOSITORY, modal_command
from tests.modal_control_plane.deployment import App, Deployment, name_of
from tests.modal_control_plane.rpc import served

ENVIRONMENTS = ("production", "staging", "development")
SCHEDULES = {
    "keep_alive": "*/5 * * * *",
    "cost_check": "5 * * * *",
    "incremental_maintenance": "0 */4 * * *",
    "nightly_maintenance": "0 2 * * *",
    "monthly_report": "0 3 1 * *",
}

MINUTES = {
    "keep_alive": 5,
    "cost_check": 5,
    "incremental_maintenance": 30,
    "nightly_maintenance": 60,
    "monthly_report": 30,
}


@dataclass(frozen=True)
class Deployed:
    """A deployment that succeeded, beside the settings that it was made from."""

    settings: Settings
    deployment: Deployment
    app: App

    def function(self, tag: str) -> api_pb2.Function:
        return self.app.function(tag)

    def secrets(self, tag: str) -> set[str]:
        return {name_of(secret) for secret in self.function(tag).secret_ids}

    def volumes(self, tag: str) -> dict[str, tuple[str, bool]]:
        mounts = self.function(tag).volume_mounts
        return {mount.mount_path: (name_of(mount.volume_id), mount.read_only) for mount in mounts}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
async def deployed(request: pytest.FixtureRequest) -> Deployed:
    deployment = Deployment()
    finished = await deploy(deployment, request.param)
    assert finished.returncode == 0, finished.stdout
    return Deployed(load_settings(request.param), deployment, deployment.app(f"lift-sys-{request.param}"))


async def deploy(
    deployment: Deployment, environment: str | None, *, directory: Path = REPOSITORY
) -> CompletedProcess[str]:
    variables = {"LIFT_SYS_ENV": environment} if environment else {}
    async with served(deployment) as url:
        return await modal_command(url, "deploy", "modal_app.py", variables=variables, directory=directory)


def test_the_app_is_what_it_says_and_nothing_more(deployed: Deployed):
    assert deployed.app.is_deployed
    assert deployed.app.tags == {"environment": deployed.settings.environment}
    assert set(deployed.app.functions) == {"web", "embed", "Engine.*", "prepare", *SCHEDULES}
    assert list(deployed.app.class_ids) == ["Engine"]


def test_the_engine_asks_for_its_gpus_in_order_and_for_nothing_else_that_differs(deployed: Deployed):
    choices = [ranked.function for ranked in deployed.app.functions["Engine.*"].ranked_functions]
    assert [choice.resources.gpu_config.gpu_type for choice in choices] == deployed.settings.engine.gpu
    assert all(choice.resources.gpu_config.count == 1 for choice in choices)
    for choice in choices:
        choice.ClearField("resources")
    assert all(choice == choices[0] for choice in choices)


def test_the_engine_scales_and_takes_snapshots_as_the_settings_say(deployed: Deployed):
    engine, scaling = deployed.function("Engine.*"), deployed.settings.scaling
    autoscaler = engine.autoscaler_settings
    assert autoscaler.min_containers == scaling.min_containers
    assert autoscaler.max_containers == scaling.max_containers
    assert autoscaler.buffer_containers == scaling.buffer_containers
    assert autoscaler.scaledown_window == scaling.scaledown_window_s
    assert engine.max_concurrent_inputs == scaling.max_concurrent_inputs
    assert engine.target_concurrent_inputs == scaling.target_concurrent_inputs
    assert engine.checkpointing_enabled == scaling.memory_snapshot
    assert engine.experimental_options["enable_gpu_snapshot"] == str(scaling.gpu_snapshot)
    assert list(engine.scheduler_placement.regions) == ([scaling.region] if scaling.region else [])


def test_the_engine_has_time_to_start_and_to_generate(deployed: Deployed):
    engine = deployed.function("Engine.*")
    assert engine.startup_timeout_secs == deployed.settings.engine.startup_timeout_s
    assert engine.timeout_secs > deployed.settings.generation.timeout_s
    assert deployed.function("web").timeout_secs > engine.timeout_secs


def test_the_engine_is_one_streaming_method(deployed: Deployed):
    methods = deployed.function("Engine.*").method_definitions
    assert list(methods) == ["generate"]
    assert methods["generate"].function_type == api_pb2.Function.FUNCTION_TYPE_GENERATOR
    assert not deployed.function("Engine.*").retry_policy.retries  # the client knows what may be done again
    assert not deployed.function("Engine.*").webhook_config.type


def test_the_web_tier_is_one_asgi_application(deployed: Deployed):
    web, settings = deployed.function("web"), deployed.settings.web
    assert web.webhook_config.type == api_pb2.WEBHOOK_TYPE_ASGI_APP
    assert web.webhook_config.requires_proxy_auth == settings.requires_proxy_auth
    assert [domain.name for domain in web.webhook_config.custom_domains] == settings.custom_domains
    assert web.max_concurrent_inputs == settings.max_concurrent_requests
    assert web.resources.milli_cpu == settings.cpu * 1000
    assert web.resources.memory_mb == settings.memory_mib
    autoscaler = web.autoscaler_settings
    assert autoscaler.min_containers == settings.min_containers
    assert autoscaler.max_containers == settings.max_containers
    assert autoscaler.scaledown_window == settings.scaledown_window_s
    assert not web.checkpointing_enabled
    assert not web.retry_policy.retries
    assert not web.resources.gpu_config.count


def test_every_container_holds_only_the_secrets_that_it_needs(deployed: Deployed):
    assert deployed.secrets("Engine.*") == set()
    assert deployed.secrets("prepare") == set()
    assert deployed.secrets("embed") == set()
    assert deployed.secrets("web") == {"supabase"}
    for job in SCHEDULES:
        assert deployed.secrets(job) == {"supabase", "supabase-service"}
    assert "SUPABASE_SERVICE_ROLE_KEY" not in deployed.deployment.required_keys["supabase"]


def test_weights_are_written_by_one_function_and_never_by_the_web_tier(deployed: Deployed):
    weights = deployed.settings.engine.weights_directory
    assert deployed.volumes("Engine.*") == {
        weights: ("lift-sys-weights", False),
        "/compiled": ("lift-sys-compiled", False),
    }
    assert deployed.volumes("prepare") == {weights: ("lift-sys-weights", False)}
    assert deployed.volumes("web") == {weights: ("lift-sys-weights", True)}


def test_helpers_have_bounds_of_their_own(deployed: Deployed):
    embed, prepare = deployed.function("embed"), deployed.function("prepare")
    assert (embed.resources.milli_cpu, embed.resources.memory_mb, embed.timeout_secs) == (2000, 2048, 120)
    assert (embed.autoscaler_settings.max_containers, embed.max_concurrent_inputs) == (4, 8)
    assert (prepare.timeout_secs, prepare.retry_policy.retries) == (7200, 3)
    for function in (embed, prepare):
        assert not function.resources.gpu_config.count
        assert not function.webhook_config.type
        assert not function.schedule.WhichOneof("schedule_oneof")


def test_jobs_run_at_their_times_once_at_a_time(deployed: Deployed):
    for job, cron in SCHEDULES.items():
        function = deployed.function(job)
        assert (function.schedule.cron.cron_string, function.schedule.cron.timezone) == (cron, "UTC")
        assert function.autoscaler_settings.max_containers == 1
        assert function.retry_policy.retries == 2
        assert function.retry_policy.initial_delay_ms == 10_000
        assert function.timeout_secs == MINUTES[job] * 60
    assert not deployed.function("web").schedule.WhichOneof("schedule_oneof")


def test_every_container_gets_the_code_with_its_data_and_not_the_laptops(deployed: Deployed):
    tracked = {*REPOSITORY.glob("functions/**/*"), *REPOSITORY.glob("endpoints/**/*"), *REPOSITORY.glob("infra/*")}
    wanted = {
        f"/root/{path.relative_to(REPOSITORY)}"
        for path in tracked
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }
    for tag in deployed.app.functions:
        mounted = deployed.deployment.mounted(deployed.function(tag))
        assert "/root/modal_app.py" in mounted
        assert wanted <= mounted.keys()
        assert not [path for path in mounted if path.startswith("/root/infra/local")]
        assert not [path for path in mounted if path.endswith(".pyc")]
    assert json.loads(mounted["/root/infra/deployment_settings.json"])["environments"]


def test_images_hold_what_the_locks_say_and_know_their_environment(deployed: Deployed):
    locks = {"web": "web.lock", "Engine.*": "engine.lock", "embed": "embedding.lock", "nightly_maintenance": "web.lock"}
    for tag, lock in locks.items():
        image = deployed.function(tag).image_id
        steps, layers = deployed.deployment.image_steps(image), deployed.deployment.image_layers(image)
        locked = (REPOSITORY / "infra" / "requirements" / lock).read_bytes()
        assert locked in [file.data for layer in layers for file in layer.context_files]
        assert [step for step in steps if "pip install" in step and "--no-deps" in step and lock in step]
        assert f"ENV LIFT_SYS_ENV={deployed.settings.environment}" in steps
        assert not [step for step in steps if ":latest" in step]
    engine = deployed.deployment.image_steps(deployed.function("Engine.*").image_id)
    assert "FROM nvidia/cuda:13.0.1-devel-ubuntu22.04" in engine
    assert {"ENV TORCH_NCCL_ENABLE_MONITORING=0", "ENV TORCHINDUCTOR_COMPILE_THREADS=1"} <= set(engine)


@pytest.mark.parametrize(
    ("environment", "advice"),
    [
        (None, "LIFT_SYS_ENV is not set: say which environment to deploy"),
        ("prodution", "environment 'prodution' is not in deployment_settings.json; it has: development, local,"),
        ("local", "environment 'local' is for a laptop (make serve)"),
    ],
)
async def test_an_environment_that_is_none_is_refused_with_advice(environment: str | None, advice: str):
    deployment = Deployment()
    finished = await deploy(deployment, environment)
    assert finished.returncode != 0
    assert advice in finished.stdout
    assert not deployment.apps


async def test_a_wrong_setting_is_refused_with_its_path(tmp_path: Path):
    def without_containers(settings: dict[str, Any]) -> None:
        settings["environments"]["staging"]["scaling"]["max_containers"] = 0

    finished = await deploy(Deployment(), "staging", directory=copy_of_the_tree(tmp_path, without_containers))
    assert finished.returncode != 0
    assert "/environments/staging/scaling/max_containers: Input should be greater than or equal to 1" in finished.stdout


async def test_a_missing_secret_stops_the_deployment_and_is_named():
    deployment = Deployment(missing_secrets=frozenset({"supabase"}))
    finished = await deploy(deployment, "staging")
    assert finished.returncode != 0
    assert "supabase" in finished.stdout
    assert not any(app.is_deployed for app in deployment.apps.values())


async def test_degraded_mode_keeps_its_outbox_in_a_volume(tmp_path: Path):
    def degraded(settings: dict[str, Any]) -> None:
        settings["shared"]["availability"]["degraded"]["enabled"] = True

    deployment = Deployment()
    assert (await deploy(deployment, "staging", directory=copy_of_the_tree(tmp_path, degraded))).returncode == 0
    deployed = Deployed(load_settings("staging"), deployment, deployment.app("lift-sys-staging"))
    for tag in ("web", "incremental_maintenance"):
        assert deployed.volumes(tag)["/outbox"] == ("lift-sys-staging-outbox", False)


async def test_telemetry_is_exported_where_the_settings_say_so(tmp_path: Path):
    def exporting(settings: dict[str, Any]) -> None:
        settings["shared"]["telemetry"]["export"] = True

    deployment = Deployment()
    assert (await deploy(deployment, "staging", directory=copy_of_the_tree(tmp_path, exporting))).returncode == 0
    app = deployment.app("lift-sys-staging")
    for tag in ("web", "Engine.*", *SCHEDULES):
        assert "telemetry" in {name_of(secret) for secret in app.function(tag).secret_ids}


async def test_a_second_deployment_replaces_the_first_in_place_and_is_taken_back(tmp_path: Path):
    def for_longer(settings: dict[str, Any]) -> None:
        settings["environments"]["staging"]["scaling"]["scaledown_window_s"] = 900

    deployment = Deployment()
    assert (await deploy(deployment, "staging")).returncode == 0
    app = deployment.app("lift-sys-staging")
    first = dict(app.function_ids)
    assert (await deploy(deployment, "staging", directory=copy_of_the_tree(tmp_path, for_longer))).returncode == 0
    assert list(deployment.apps) == ["ap-0000"]
    assert app.function_ids == first
    assert app.function("Engine.*").autoscaler_settings.scaledown_window == 900
    async with served(deployment) as url:
        rolled_back = await modal_command(url, "app", "rollback", "--env", "staging", app.name, variables={})
    assert rolled_back.returncode == 0, rolled_back.stdout
    assert app.function("Engine.*").autoscaler_settings.scaledown_window == 120
