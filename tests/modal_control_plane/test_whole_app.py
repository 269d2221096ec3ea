"""The whole app, deployed and run in Modal's own containers: web, the real engine on the CPU, jobs, a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from modal_proto import api_pb2

from functions.weights import COMPLETE
from infra.local.gateway import Gateway
from infra.local.postgres import SUPERUSER, EmbeddedPostgres
from tests.database_fixtures import KEYS, Stack, execute, fetch
from tests.modal_control_plane.calls import Calls
from tests.modal_control_plane.certificate import loopback_certificate
from tests.modal_control_plane.command_line import copy_of_the_tree, modal_command
from tests.modal_control_plane.containers import Containers
from tests.modal_control_plane.deployment import App, Deployment
from tests.modal_control_plane.http import ModalTransport
from tests.modal_control_plane.rpc import Service, served
from tests.modal_control_plane.sandboxes import Sandboxes
from tests.otlp_receiver import Received, receiver

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


ENDLESS = {"prompt": "Count upwards, for ever.", "max_tokens": 1000}
STREAM = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class Running:
    """The app as its users meet it. The tests share it, in their order: a container costs seconds."""

    stack: Stack
    telemetry: Received
    deployment: Deployment
    app: App
    calls: Calls
    containers: Containers
    sandboxes: Sandboxes
    http: httpx.AsyncClient

    def logs(self) -> str:
        return "\n".join(container.log.decode() for container in self.containers.all)

    async def run(self, job: str) -> api_pb2.GenericResult:
        arguments = api_pb2.FunctionInput(args=b"\x80\x04)}\x86.", data_format=api_pb2.DATA_FORMAT_PICKLE)  # ((), {})
        call = self.calls.add(self.app.function_ids[job], api_pb2.FunctionPutInputsItem(input=arguments))
        await self.calls.wait_until(lambda: call.output, 60)
        assert call.output, self.logs()
        return call.output.result


@pytest.fixture(scope="module")
async def whole_stack(postgres: EmbeddedPostgres, template_database: str) -> AsyncIterator[Stack]:
    superuser, database = postgres.dsn("postgres", SUPERUSER), "whole_app"
    await execute(superuser, f"create database {database} template {template_database} owner postgres")
    gateway = Gateway(
        rest_dsn=postgres.dsn(database, "authenticator"),
        auth_dsn=postgres.dsn(database, "supabase_auth_admin"),
        keys=KEYS,
    )
    async with gateway.running():
        yield Stack(gateway, postgres, database)
    await execute(superuser, f"drop database {database} with (force)")


@pytest.fixture(scope="module")
async def running(
    whole_stack: Stack, model_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    stack, directory = whole_stack, tmp_path_factory.mktemp("whole")
    weights, tree, homes = (directory / name for name in ("weights", "tree", "homes"))

    def loopback(settings: dict[str, Any]) -> None:
        local = settings["environments"].pop("local")
        local["engine"]["weights_directory"] = str(weights)
        local["sandbox"]["on_modal"] = True
        local["scaling"] |= {"memory_snapshot": True, "cold_start_wait_s": 240}
        settings["shared"]["telemetry"]["export"] = True
        settings["shared"]["validation"]["processes"] = 1
        settings["environments"] = {"loopback": local}
        revision = weights / local["engine"]["model"] / local["engine"]["revision"]
        revision.mkdir(parents=True)
        for file in model_path.iterdir():
            (revision / file.name).symlink_to(file)
        (revision / COMPLETE).touch()

    tree.mkdir()
    secrets = {
        "supabase": {
            "SUPABASE_URL": stack.url,
            "SUPABASE_ANON_KEY": stack.anon_key,
            "JWT_SIGNING_KEY": json.dumps(stack.gateway.keys.signing_key),
        },
        "supabase-service": {"SUPABASE_SERVICE_ROLE_KEY": stack.service_role_key},
    }
    deployment, calls, sandboxes = Deployment(), Calls(), Sandboxes()
    trusted, tls = loopback_certificate(directory)
    with receiver() as telemetry:
        secrets["telemetry"] = {"OTEL_EXPORTER_OTLP_ENDPOINT": telemetry.address}
        containers = Containers(
            *(deployment, calls, homes),
            secrets=secrets,
            restore_snapshots=True,
            sandboxes=sandboxes,
            trusted=trusted,
        )
        async with sandboxes.open(tls), served(Service(deployment, calls, containers.dicts)) as url:
            deploy = ("deploy", "modal_app.py")
            copy = copy_of_the_tree(tree, loopback)
            finished = await modal_command(url, *deploy, variables={"LIFT_SYS_ENV": "loopback"}, directory=copy)
            assert finished.status == 0, finished.output
            app = deployment.app("lift-sys-loopback")
            token = (await stack.user()).token
            async with httpx.AsyncClient(
                transport=ModalTransport(calls, app.function_ids["web"]),
                base_url="https://lift-sys.modal.run",
                headers={"Authorization": f"Bearer {token}"},
                timeout=300,
            ) as http:
                yield Running(stack, telemetry, deployment, app, calls, containers, sandboxes, http)
                await containers.close()


async def test_the_web_tier_answers_from_what_was_mounted_and_wakes_no_engine(running: Running):
    health = await running.http.get("/health")
    assert health.status_code == 200, running.logs()
    assert health.json()["engine"]["state"] == "cold"
    stranger = await running.http.get("/api/sessions", headers={"Authorization": "Bearer nonsense"})
    assert stranger.status_code == 401
    refused = await running.http.post("/api/generate", json={"prompt": "Hi", "regex": "(?=look-ahead)"})
    assert refused.status_code in {400, 422}, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert not running.containers.of(running.app.function_ids["Engine.*"])


async def test_sessions_are_found_by_meaning_through_the_embedding_function(running: Running):
    assert (await running.http.get("/api/sessions/search", params={"q": "anything"})).json()["items"] == []
    ir = {"intent": {"summary": "drop repeated items of an array"}, "signature": {"name": "unique"}}
    created = await running.http.post("/api/sessions", json={"ir": ir, "until": "ir"})
    assert created.status_code == 201, created.text + running.logs()
    assert (await running.run("incremental_maintenance")).status == api_pb2.GenericResult.GENERIC_STATUS_SUCCESS
    answer = await running.http.get("/api/sessions/search", params={"q": "remove duplicates from a list"})
    (item,) = answer.json()["items"]
    assert item["session"]["id"] == created.json()["id"]
    assert item["similarity"] > 0.4
    assert running.containers.of(running.app.function_ids["embed"])


async def test_jobs_run_with_the_service_key(running: Running):
    stack = running.stack
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for object_id, environment in (("ap-1", "loopback"), ("ap-2", "another")):
        item = api_pb2.WorkspaceBillingReportItem(object_id=object_id, cost="0.12345678", description="lift-sys")
        item.interval.FromDatetime(hour)
        item.tags["environment"] = environment
        item.cost_by_resource["H100"] = "0.1"
        running.containers.billing.items.append(item)
    for job in ("incremental_maintenance", "nightly_maintenance", "keep_alive", "cost_check", "monthly_report"):
        result = await running.run(job)
        assert result.status == api_pb2.GenericResult.GENERIC_STATUS_SUCCESS, running.logs()
    assert running.app.function_ids["Engine.*"] in running.calls.overrides
    (bill,) = await fetch(stack.dsn, "select object_id, interval_start, cost_usd, cost_by_resource from billed_costs")
    assert (bill["object_id"], bill["interval_start"], str(bill["cost_usd"])) == ("ap-1", hour, "0.12345678")
    assert json.loads(bill["cost_by_resource"]) == {"H100": "0.1"}
    (sample,) = await fetch(stack.dsn, "select environment, gpu, containers from engine_samples")
    assert tuple(sample) == ("loopback", "cpu", 0)
    assert len(await fetch(stack.dsn, "select from monthly_reports")) == 1
    runs = await fetch(stack.dsn, "select job, state from job_runs order by job")
    assert {run["state"] for run in runs} == {"succeeded"}


async def test_what_strangers_wrote_runs_in_a_sandbox_with_the_web_tiers_image(running: Running):
    source = 'def half(n: int) -> int:\n    """Halve.\n\n    >>> half(4)\n    2\n    """\n    return n // 2\n'
    answer = await running.http.post("/api/reverse", json={"source": source})
    assert answer.status_code == 200, answer.text + running.logs()
    assert answer.json()["timing"]["sandbox_s"] > 0
    assert running.sandboxes.commands
    web = running.app.function("web")
    for asked in running.sandboxes.created.values():
        assert asked.network_access.network_access_type == api_pb2.NetworkAccess.BLOCKED
        assert not asked.secret_ids
        assert running.deployment.image_steps(asked.image_id) == running.deployment.image_steps(web.image_id)


async def test_a_digest_that_one_web_container_gave_is_known_to_the_next_one(running: Running):
    rule = {"type": "signature", "signature": "def add(a: int, b: int) -> int"}
    body = {"name": "shared", "constraints": [{"name": "head", "severity": "error", "rule": rule}]}
    compiled = await running.http.post("/api/compile", json=body)
    assert compiled.status_code == 200, compiled.text
    (container,) = running.containers.of(running.app.function_ids["web"])
    await container.stop()
    await running.http.get("/health")  # the next one starts, and has found the Dict: a cache that is slow is no cache
    text = "def sub(a: int) -> int:\n    return a\n"
    checked = await running.http.post("/api/check", json={"digest": compiled.json()["digest"], "texts": [text]})
    assert checked.status_code == 200, checked.text + running.logs()
    assert "head" in checked.text
    assert [other for other in running.containers.of(container.function_id) if other is not container]
    assert running.containers.dicts.found


async def test_generation_streams_from_the_engines_container_and_stops_with_its_client(running: Running):
    answer = await running.http.post("/api/generate", json={"prompt": "A colour.", "json_schema": SCHEMA})
    assert answer.status_code == 200, answer.text + running.logs()
    assert json.loads(answer.json()["text"])["colour"] in {"red", "green"}
    (engine,) = running.containers.of(running.app.function_ids["Engine.*"])
    assert engine.checkpoints == 1

    async with running.http.stream("POST", "/api/generate", json=ENDLESS, headers=STREAM) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event: delta"):
                break
    async with asyncio.timeout(5):
        while engine.running():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
    assert (await running.http.get("/health")).json()["engine"]["state"] == "ready"
    await engine.stop()
    async with asyncio.timeout(30):
        while running.containers.of(engine.function_id):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
    assert engine.process is not None
    assert engine.process.returncode == 0, engine.log.decode()
