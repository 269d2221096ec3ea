"""The engine client through Modal's own client and containers, with an engine that does what its prompt says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import modal
import pytest

from functions.cache import Cache, DictStore
from functions.engine_remote import LAST_START, RemoteEngine, start_times
from functions.failures import EngineUnavailable, PromptTooLong, Refused
from functions.generation import Delta, Finished, GenerationEvent, GenerationRequest, Message, Sampling
from infra import telemetry
from infra.settings import load_settings
from tests.modal_control_plane.calls import Call, Calls
from tests.modal_control_plane.command_line import REPOSITORY, modal_command
from tests.modal_control_plane.containers import Containers
from tests.modal_control_plane.deployment import Deployment
from tests.modal_control_plane.rpc import served
from tests.modal_control_plane.sample_app import ABORTED

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass(frozen=True)
class Platform:
    """The sample app deployed, and a client of it."""

    calls: Calls
    containers: Containers
    client: modal.Client
    generate: modal.Function[..., object, object]

    def newest_call(self) -> Call:
        return [*self.calls.calls.values()][-1]

    async def scale_to_zero(self) -> None:
        await eventually(lambda: all(call.output for call in self.calls.calls.values()))
        for container in self.containers.of("fu-0000"):
            container.stop()
        await eventually(lambda: not self.containers.of("fu-0000"))

    def engine(self, *, cold_start_wait_s: float = 30.0) -> RemoteEngine:
        return RemoteEngine(
            self.generate,
            "scripted",
            cold_start_wait_s=cold_start_wait_s,
            starts=self.starts(),
            client=self.client,
        )

    def starts(self) -> Cache:
        return start_times(DictStore(self.dictionary()), load_settings("local").engine)

    def dictionary(self) -> modal.Dict:
        return modal.Dict.from_name("cache", create_if_missing=True, client=self.client)


@pytest.fixture(scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    deployment, calls = Deployment(), Calls()
    containers = Containers(deployment, calls, tmp_path_factory.mktemp("containers"))
    sample = Path("tests/modal_control_plane/sample_app.py")
    async with served(deployment, calls, containers, containers.workspace) as url:
        finished = await modal_command(url, "deploy", str(sample), variables={}, directory=REPOSITORY)
        assert finished.returncode == 0, finished.stdout
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MODAL_SERVER_URL", url)
            client = await modal.Client.from_credentials.aio("ak-loopback", "as-loopback")
        engine = modal.Cls.from_name("sample", "Engine", client=client)()
        yield Platform(calls, containers, client, engine.generate)
        await containers.close()
        await client.close.aio()


async def test_events_arrive_in_order_and_in_few_batches(platform: Platform):
    events = [event async for event in platform.engine().generate(asking("count 200"))]
    assert text_of(events) == "".join(f"{number} " for number in range(200))
    assert isinstance(events[-1], Finished)
    (call,) = platform.calls.calls.values()
    assert len(call.data_out) < 60


async def test_a_failure_of_the_engine_is_raised_as_what_it_is(platform: Platform):
    with pytest.raises(PromptTooLong, match="takes at most 512"):
        await drained(platform.engine(), "too-long 512")
    with pytest.raises(Refused) as refused:
        await drained(platform.engine(), "refuse two users in a row")
    assert (refused.value.pointer, refused.value.reason) == ("/messages", "two users in a row")
    assert type(refused.value) is Refused


async def test_the_callers_trace_goes_on_in_the_container(platform: Platform):
    with telemetry.continued(PARENT):
        assert text_of(await drained(platform.engine(), "trace")) == PARENT


async def test_closing_a_stream_aborts_the_generation_in_its_container(platform: Platform, tmp_path: Path):
    async with aclosing(platform.engine().generate(asking(f"forever {tmp_path}/state"))) as events:
        assert await anext(events) == Delta(text="begun", tokens=1)
    await eventually((tmp_path / "state").exists)
    assert (tmp_path / "state").read_text() == ABORTED


async def test_a_generation_that_is_given_up_before_it_starts_is_cancelled_all_the_same(platform: Platform):
    await platform.scale_to_zero()
    engine, earlier = platform.engine(), platform.newest_call()
    waiting = asyncio.create_task(drained(engine, "forever /nonexistent"))
    await eventually(lambda: platform.newest_call() is not earlier and platform.newest_call().item.input.args)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await engine.close(within_s=60)
    assert platform.newest_call().is_cancelled


async def test_closing_waits_no_longer_than_it_may(platform: Platform):
    async def cancelling() -> None:
        await asyncio.Event().wait()

    engine, stuck = platform.engine(), asyncio.create_task(cancelling())
    await engine.close()
    engine._keep(stuck)
    await engine.close(within_s=0)
    assert not stuck.done()
    stuck.cancel()


async def test_a_container_lost_before_the_first_token_is_not_noticed(platform: Platform, tmp_path: Path):
    assert text_of(await drained(platform.engine(), f"crash-before {tmp_path}/lost")) == "second run"
    assert platform.newest_call().runs == 2


async def test_a_container_lost_in_mid_stream_is_an_error_and_texts_are_never_joined(
    platform: Platform, tmp_path: Path
):
    events: list[GenerationEvent] = []
    stream = platform.engine().generate(asking(f"crash-after {tmp_path}/lost"))
    events.append(await anext(stream))
    with pytest.raises(EngineUnavailable, match="lost while it was writing"):
        events.append(await anext(stream))
    assert text_of(events) == "some text"


async def test_a_cold_start_that_takes_too_long_is_answered_and_its_work_is_not_done_later(platform: Platform):
    await platform.scale_to_zero()
    engine = platform.engine(cold_start_wait_s=0.05)
    with pytest.raises(EngineUnavailable, match="it is starting") as refused:
        await drained(engine, "count 1000")
    assert refused.value.retry_after_s > 0
    await engine.close(within_s=60)
    assert not [chunk for chunk in platform.newest_call().data_out if b'"delta"' in chunk.data]


async def test_more_work_than_one_container_takes_starts_another_and_no_third(platform: Platform, tmp_path: Path):
    await platform.scale_to_zero()
    engine = platform.engine()
    streams = [engine.generate(asking(f"forever {tmp_path}/{number}")) for number in range(20)]
    waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
    await eventually(lambda: sum(task.done() for task in waiting) == 16)  # two containers of eight
    assert len(platform.containers.of("fu-0000")) == 2
    assert len(platform.calls.waiting("fu-0000")) == 4
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for stream in streams:
        await stream.aclose()
    await engine.close(within_s=60)


async def test_its_status_is_asked_without_starting_a_container(platform: Platform):
    await platform.scale_to_zero()
    started = len(platform.containers.all)
    assert (await platform.engine().status()).state == "cold"
    assert len(platform.containers.all) == started
    await platform.starts().put(LAST_START, b"12.5")
    await drained(platform.engine(), "count 1")
    status = await platform.engine().status()
    assert (status.state, status.last_start_s) == ("ready", 12.5)


async def test_more_than_one_container_serves_what_one_cannot(platform: Platform, tmp_path: Path):
    async with asyncio.TaskGroup() as group:
        streams = [platform.engine().generate(asking(f"forever {tmp_path}/{n}")) for n in range(12)]
        begun = [group.create_task(stream.__anext__()) for stream in streams]
    assert [task.result() for task in begun] == [Delta(text="begun", tokens=1)] * 12
    assert len({call.container_id for call in platform.calls.calls.values() if not call.output}) == 2
    for stream in streams:
        await stream.aclose()


async def test_a_dict_is_a_cache_that_two_containers_share(platform: Platform):
    one, other = (Cache(DictStore(platform.dictionary()), name="verdicts", version="1", max_age_s=60) for _ in range(2))
    assert await other.get("schema") is None
    await one.put("schema", b"fits")
    assert await other.get("schema") == b"fits"
    assert not one.statistics.failures + other.statistics.failures


async def test_of_many_who_add_to_a_dict_one_succeeds(platform: Platform):
    store = DictStore(platform.dictionary())
    assert sum(await asyncio.gather(*(store.add("lock", bytes([number])) for number in range(5)))) == 1
    for _ in range(2):
        await store.remove("lock")
    assert await store.get("lock") is None
    assert await store.add("lock", b"again")


def asking(prompt: str) -> GenerationRequest:
    return GenerationRequest(
        id="r-1",
        messages=(Message(role="user", content=prompt),),
        sampling=Sampling(max_tokens=10, temperature=0.0),
        timeout_s=60.0,
    )


async def drained(engine: RemoteEngine, prompt: str) -> list[GenerationEvent]:
    return [event async for event in engine.generate(asking(prompt))]


def text_of(events: list[GenerationEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a file or a list has no event
            await asyncio.sleep(0.01)
