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

from endpoints.version import VERSION
from functions.weights import COMPLETE
from infra import telemetry_names as names
from infra.local.gateway import Gateway
from infra.local.postgres import SUPERUSER, EmbeddedPostgres
from infra.smoke import Smoke
from tests.copy_of_the_tree import copy_of_the_tree
from tests.database_fixtures import KEYS, Stack, execute, fetch
from tests.modal_control_plane.calls import Calls
from tests.modal_control_plane.command_line import modal_command
from tests.modal_control_plane.containers import Containers
from tests.modal_control_plane.deployment import App, Deployment
from tests.modal_control_plane.http import ModalTransport
from tests.modal_control_plane.rpc import served
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
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


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
        await call.changes.wait_until(lambda: call.output, 60)
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
    with receiver() as telemetry:
        secrets["telemetry"] = {"OTEL_EXPORTER_OTLP_ENDPOINT": telemetry.address}
        containers = Containers(deployment, calls, homes, sandboxes, secrets)
        async with served(deployment, calls, containers, containers.workspace, sandboxes) as url:
            sandboxes.router = url
            deploy = ("deploy", "modal_app.py")
            copy = copy_of_the_tree(tree, loopback)
            finished = await modal_command(url, *deploy, variables={"LIFT_SYS_ENV": "loopback"}, directory=copy)
            assert finished.returncode == 0, finished.stdout
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
                await sandboxes.close()


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
    async with asyncio.timeout(200):  # a busy machine's container starts for longer than a search waits
        while (none := await running.http.get("/api/sessions/search", params={"q": "anything"})).status_code == 503:
            assert none.headers["retry-after"]
    assert none.status_code == 200, none.text + running.logs()
    assert none.json()["items"] == []
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
        running.containers.workspace.bill.append(item)
    for job in ("incremental_maintenance", "nightly_maintenance", "keep_alive", "cost_check", "monthly_report"):
        result = await running.run(job)
        assert result.status == api_pb2.GenericResult.GENERIC_STATUS_SUCCESS, running.logs()
    assert running.app.function_ids["Engine.*"] in running.containers.overrides
    (bill,) = await fetch(stack.dsn, "select object_id, interval_start, cost_usd, cost_by_resource from billed_costs")
    assert (bill["object_id"], bill["interval_start"], str(bill["cost_usd"])) == ("ap-1", hour, "0.12345678")
    assert json.loads(bill["cost_by_resource"]) == {"H100": "0.1"}
    (sample,) = await fetch(stack.dsn, "select environment, gpu, containers from engine_samples")
    assert tuple(sample) == ("loopback", "cpu", 0)
    assert len(await fetch(stack.dsn, "select from monthly_reports")) == 1
    runs = await fetch(stack.dsn, "select job, state from job_runs order by job")
    assert {run["state"] for run in runs} == {"succeeded"}
    traced = {span.name for span in running.telemetry.spans}
    told = {"incremental", "nightly", "watch", "cost_check", "monthly_report"}
    assert {names.JOB.format(job) for job in told} <= traced, "sent before its container ends"


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
    container.stop()
    await running.http.get("/health")  # the next one starts, and has found the Dict: a cache that is slow is no cache
    text = "def sub(a: int) -> int:\n    return a\n"
    checked = await running.http.post("/api/check", json={"digest": compiled.json()["digest"], "texts": [text]})
    assert checked.status_code == 200, checked.text + running.logs()
    assert "head" in checked.text
    assert [other for other in running.containers.of(container.function_id) if other is not container]
    assert running.containers.workspace.found


async def test_generation_streams_from_the_engines_container_and_stops_with_its_client(running: Running):
    answer = await running.http.post("/api/generate", json={"prompt": "A colour.", "json_schema": SCHEMA})
    assert answer.status_code == 200, answer.text + running.logs()
    assert json.loads(answer.json()["text"])["colour"] in {"red", "green"}
    (engine,) = running.containers.of(running.app.function_ids["Engine.*"])
    assert b"snapshot restore failed" not in engine.log
    assert engine.checkpoints == [set()], "a connection in a snapshot is one that many containers believe to have"

    async with running.http.stream("POST", "/api/generate", json=ENDLESS, headers=STREAM) as stream:
        await first_text_of(stream)
    async with asyncio.timeout(5):
        while engine.running():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
    assert (await running.http.get("/health")).json()["engine"]["state"] == "ready"


async def test_an_engine_that_is_lost_in_mid_stream_is_said_so_and_its_work_is_settled(running: Running):
    (engine,) = running.containers.of(running.app.function_ids["Engine.*"])
    async with running.http.stream("POST", "/api/generate", json=ENDLESS, headers=STREAM) as stream:
        lines = await first_text_of(stream)
        assert engine.process is not None
        engine.process.kill()
        text = "\n".join([line async for line in lines])
    assert "event: error" in text
    assert "engine-unavailable" in text
    assert "lost while it was writing" in text
    rows = await fetch(running.stack.dsn, "select state from public.generations order by created_at")
    assert rows[-1]["state"] == "released"  # it is not the caller's to pay for
    assert {row["state"] for row in rows} <= {"released", "settled"}


async def test_the_next_engine_takes_over_and_a_deployment_that_works_is_said_to(running: Running):
    said: list[str] = []
    well = await Smoke(running.http, version=VERSION, patience_s=0.0).run(said.append, with_key=True)
    assert well, "".join(said) + running.logs()


async def test_one_trace_goes_through_both_containers_and_is_sent_before_they_end(running: Running):
    request = {"prompt": "A colour.", "max_tokens": 4}
    traced = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
    assert (await running.http.post("/api/generate", json=request, headers=traced)).status_code == 200
    ids = [running.app.function_ids[tag] for tag in ("web", "Engine.*")]
    containers = [container for function_id in ids for container in running.containers.of(function_id)]
    for container in containers:
        container.stop()
    async with asyncio.timeout(60):
        while any(c.process and c.process.returncode is None for c in containers):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.05)
    assert {c.process.returncode for c in containers if c.process} == {0}, running.logs()
    spans = [span for span in running.telemetry.spans if span.trace_id.hex() == TRACE_ID]
    (call,) = [span for span in spans if span.name == names.ENGINE_CALL]
    assert [span.name for span in spans if span.parent_span_id == call.span_id], [span.name for span in spans]
    assert len({span.span_id for span in spans}) == len(spans)


async def first_text_of(stream: httpx.Response) -> AsyncIterator[str]:
    """The lines that are left, after the first token."""
    lines = stream.aiter_lines()
    async for line in lines:
        if line.startswith("event: delta"):
            break
    return lines
