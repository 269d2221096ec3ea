"""What the way between two containers costs: `python bench/modal_boundary.py`.

The same engine, which writes at a steady pace without a model, in this process and in a container of Modal's own entry
point, through Modal's own client, the product's engine client and its batches. The control plane is the loopback of the
tests: what the network between Modal's machines adds is not in here. In turns, medians over the rounds; with one stream
and with eight at once. And how soon a generation ends in its container whose stream was closed. Prints a table and
writes bench/results/modal_boundary.json.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
import uuid
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import modal  # noqa: E402 - the project's own modules are found from here on
import pytest  # noqa: E402 - for its patch of the environment, as the tests have it

from functions.cache import DictStore  # noqa: E402
from functions.engine_remote import RemoteEngine, start_times  # noqa: E402
from functions.generation import Delta, GenerationRequest, Message, Sampling  # noqa: E402
from infra.settings import load_settings  # noqa: E402
from tests.modal_control_plane.calls import Calls  # noqa: E402
from tests.modal_control_plane.command_line import modal_command  # noqa: E402
from tests.modal_control_plane.containers import Containers  # noqa: E402
from tests.modal_control_plane.deployment import Deployment  # noqa: E402
from tests.modal_control_plane.rpc import served  # noqa: E402
from tests.modal_control_plane.sample_app import ScriptedEngine  # noqa: E402

ROUNDS, TOKENS, PACE_MS = 9, 64, 20
WANTED_MS, WANTED_RATIO, WANTED_ABORT_MS = 25.0, 0.95, 1000.0
STREAMS = (1, 8)


@dataclass(frozen=True)
class Seen:
    first_token_s: float
    tokens_per_s: float


def asking(prompt: str) -> GenerationRequest:
    messages = (Message(role="user", content=prompt),)
    sampling = Sampling(max_tokens=TOKENS, temperature=0.0)
    return GenerationRequest(id=uuid.uuid4().hex, messages=messages, sampling=sampling)


async def one(engine: ScriptedEngine | RemoteEngine) -> Seen:
    request = asking(f"pace {TOKENS} {PACE_MS}")
    began, first_s, tokens = time.perf_counter(), 0.0, 0
    async for event in engine.generate(request):
        if isinstance(event, Delta):
            first_s = first_s or time.perf_counter() - began
            tokens += event.tokens
    assert tokens == TOKENS
    return Seen(first_s, tokens / (time.perf_counter() - began))


async def together(engine: ScriptedEngine | RemoteEngine, streams: int) -> Seen:
    seen = await asyncio.gather(*(one(engine) for _ in range(streams)))
    return Seen(statistics.median(s.first_token_s for s in seen), statistics.median(s.tokens_per_s for s in seen))


async def compare(remote: RemoteEngine, streams: int) -> dict[str, float]:
    here, there = [], []
    for _ in range(ROUNDS):
        here.append(await together(ScriptedEngine(), streams))
        there.append(await together(remote, streams))
    pairs = list(zip(here, there, strict=True))
    return {
        "streams": streams,
        "first_token_here_ms": round(statistics.median(s.first_token_s for s in here) * 1000, 2),
        "first_token_through_modal_ms": round(statistics.median(s.first_token_s for s in there) * 1000, 2),
        "first_token_added_ms": round(statistics.median(t.first_token_s - h.first_token_s for h, t in pairs) * 1000, 2),
        "tokens_s_here": round(statistics.median(s.tokens_per_s for s in here), 2),
        "tokens_s_through_modal": round(statistics.median(s.tokens_per_s for s in there), 2),
        "tokens_s_ratio": round(statistics.median(t.tokens_per_s / h.tokens_per_s for h, t in pairs), 4),
    }


async def aborted_s(remote: RemoteEngine, file: Path) -> float:
    """From a stream's closing to the end of its generation, which writes the file then."""
    await asyncio.sleep(1.5)  # Modal's containers take one cancellation a second
    async with aclosing(remote.generate(asking(f"forever {file}"))) as events:
        await anext(events)
        began = time.perf_counter()
    while not file.exists():  # noqa: ASYNC110, ASYNC240 - of another process
        await asyncio.sleep(0.001)
    return time.perf_counter() - began


async def main() -> None:
    deployment, calls = Deployment(), Calls()
    with tempfile.TemporaryDirectory() as directory:
        containers = Containers(deployment, calls, Path(directory))
        async with served(deployment, calls, containers, containers.workspace) as url:
            sample = "tests/modal_control_plane/sample_app.py"
            finished = await modal_command(url, "deploy", sample, variables={}, directory=ROOT)
            assert finished.returncode == 0, finished.stdout
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MODAL_SERVER_URL", url)
                client = await modal.Client.from_credentials.aio("ak-loopback", "as-loopback")
            engine = modal.Cls.from_name("sample", "Engine", client=client)()
            store = DictStore(modal.Dict.from_name("cache", create_if_missing=True, client=client))
            starts = start_times(store, load_settings("local").engine)
            remote = RemoteEngine(engine.generate, "paced", cold_start_wait_s=60.0, starts=starts, client=client)
            await together(remote, max(STREAMS))  # containers start
            rows = [await compare(remote, streams) for streams in STREAMS]
            ends = [await aborted_s(remote, Path(directory) / f"aborted-{number}") for number in range(ROUNDS)]
            await containers.close()
            await client.close.aio()
    print(f"{TOKENS} tokens, one every {PACE_MS} ms; medians of {ROUNDS} rounds in turns; control plane on loopback")
    print(f"{'streams':>8}{'first token +ms':>18}{'wanted':>9}{'tokens/s ratio':>17}{'wanted':>9}")
    for row in rows:
        added, ratio = row["first_token_added_ms"], row["tokens_s_ratio"]
        print(f"{row['streams']:>8}{added:>18}{f'<= {WANTED_MS:g}':>9}{ratio:>17}{f'>= {WANTED_RATIO:g}':>9}")
    aborted_ms = round(statistics.median(ends) * 1000, 1)
    print(f"a closed stream's generation ends after {aborted_ms} ms (wanted: <= {WANTED_ABORT_MS:g})")
    measured = {"rounds": ROUNDS, "tokens": TOKENS, "pace_ms": PACE_MS, "rows": rows, "aborted_ms": aborted_ms}
    result = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **measured}
    target = ROOT / "bench" / "results" / "modal_boundary.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
