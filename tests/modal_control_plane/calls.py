"""Function calls: inputs wait for a container, outputs and streams wait for the caller."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from modal_proto import api_pb2

from tests.modal_control_plane.rpc import Reply

# Long polls end before the client's own time limits.
POLL_S = 10.0
RUNS_OF_AN_INPUT = 2
"""An input whose container was lost runs again, as Modal has it, once here."""


@dataclass
class Call:
    """One call of a function with one input. `revision` changes with anything that a poll may wait for."""

    call_id: str
    function_id: str
    item: api_pb2.FunctionPutInputsItem
    runs: int = 0
    container_id: str | None = None
    output: api_pb2.FunctionGetOutputsItem | None = None
    data_in: list[api_pb2.DataChunk] = field(default_factory=list)
    data_out: list[api_pb2.DataChunk] = field(default_factory=list)
    is_cancelled: bool = False

    @property
    def input_id(self) -> str:
        return self.call_id.replace("fc-", "in-")


class Calls:
    """All calls, shared by every container and caller. `on_change` runs after a call was added or has ended."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.overrides: dict[str, api_pb2.AutoscalerSettings] = {}
        self.containers_of: Callable[[str], int] = lambda _function_id: 0
        self._ids = itertools.count()
        self._changed = asyncio.Condition()

    def add(self, function_id: str, item: api_pb2.FunctionPutInputsItem) -> Call:
        call = Call(f"fc-{next(self._ids):04d}", function_id, item)
        self.calls[call.call_id] = call
        self.on_change()
        return call

    def waiting(self, function_id: str) -> list[Call]:
        return [c for c in self.calls.values() if c.function_id == function_id and not c.output and not c.container_id]

    def running(self, function_id: str) -> list[Call]:
        return [c for c in self.calls.values() if c.function_id == function_id and not c.output and c.container_id]

    def by_input(self, input_id: str) -> Call:
        return self.calls[input_id.replace("in-", "fc-")]

    async def changed(self) -> None:
        """Let every poll look again."""
        async with self._changed:
            self._changed.notify_all()
        self.on_change()

    async def wait_until(self, condition: Callable[[], object], timeout_s: float = POLL_S) -> None:
        """Return when the condition holds, or after the time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: bool(condition()))

    async def finish(self, call: Call, result: api_pb2.GenericResult, data_format: int = 0) -> None:
        if call.output is None:
            call.output = api_pb2.FunctionGetOutputsItem(
                result=result, data_format=data_format, input_id=call.input_id, idx=0
            )
        await self.changed()

    async def cancel(self, call: Call) -> None:
        """End it if it waits; the container that runs it learns it by its heartbeat."""
        call.is_cancelled = True
        if call.container_id is None:
            status = api_pb2.GenericResult.GENERIC_STATUS_TERMINATED
            await self.finish(call, api_pb2.GenericResult(status=status, exception="cancelled"))
        await self.changed()

    async def lose_container(self, container_id: str, reason: str) -> None:
        """What ran in a container that ended is run again or, once that was done, fails."""
        for call in [c for c in self.calls.values() if c.container_id == container_id and not c.output]:
            call.container_id = None
            if call.is_cancelled or call.runs >= RUNS_OF_AN_INPUT:
                await self.finish(call, lost(reason))
        await self.changed()

    # --- what callers ask

    async def FunctionMap(self, request: api_pb2.FunctionMapRequest) -> Reply:
        (item,) = request.pipelined_inputs
        call = self.add(request.function_id, item)
        await self.changed()
        return {"function_call_id": call.call_id, "pipelined_inputs": [{"idx": 0, "input_id": call.input_id}]}

    async def FunctionGetOutputs(self, request: api_pb2.FunctionGetOutputsRequest) -> Reply:
        call = self.calls[request.function_call_id]
        await self.wait_until(lambda: call.output, min(request.timeout, POLL_S))
        return {"outputs": [call.output] if call.output else [], "num_unfinished_inputs": 0 if call.output else 1}

    async def FunctionCallGetDataOut(self, request: api_pb2.FunctionCallGetDataRequest) -> AsyncIterator[Reply]:
        call = self.calls[request.function_call_id]
        async for chunk in self._stream(call.data_out, request.last_index):
            yield chunk

    async def FunctionCallCancel(self, request: api_pb2.FunctionCallCancelRequest) -> Reply:
        await self.cancel(self.calls[request.function_call_id])
        return {}

    async def FunctionGetCurrentStats(self, request: api_pb2.FunctionGetCurrentStatsRequest) -> Reply:
        return {
            "backlog": len(self.waiting(request.function_id)),
            "num_running_inputs": len(self.running(request.function_id)),
            "num_total_tasks": self.containers_of(request.function_id),
        }

    async def FunctionUpdateSchedulingParams(self, request: api_pb2.FunctionUpdateSchedulingParamsRequest) -> Reply:
        self.overrides[request.function_id] = request.settings
        self.on_change()
        return {"current_settings": request.settings}

    # --- what containers ask, whichever they are

    async def FunctionCallGetDataIn(self, request: api_pb2.FunctionCallGetDataRequest) -> AsyncIterator[Reply]:
        call = self.calls[request.function_call_id]
        async for chunk in self._stream(call.data_in, request.last_index):
            yield chunk

    async def FunctionCallPutDataOut(self, request: api_pb2.FunctionCallPutDataRequest) -> Reply:
        self.calls[request.function_call_id].data_out.extend(request.data_chunks)
        await self.changed()
        return {}

    async def FunctionPutOutputs(self, request: api_pb2.FunctionPutOutputsRequest) -> Reply:
        for item in request.outputs:
            await self.finish(self.by_input(item.input_id), item.result, item.data_format)
        return {}

    async def _stream(self, chunks: list[api_pb2.DataChunk], last_index: int) -> AsyncIterator[Reply]:
        """Chunks in the order of arrival, as a log has them: a second run's come after the first's."""
        sent = 0
        more = True
        while more:
            for chunk in chunks[sent:]:
                if chunk.index > last_index:
                    yield chunk
                sent += 1
            await self.wait_until(lambda seen=sent: len(chunks) > seen)
            more = len(chunks) > sent


def lost(reason: str) -> api_pb2.GenericResult:
    """The result of an input that the platform itself failed."""
    return api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_INTERNAL_FAILURE, exception=reason)
