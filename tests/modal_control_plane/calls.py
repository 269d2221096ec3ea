"""Function calls: inputs wait for a container, outputs and streams wait for the caller."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from modal_proto import api_pb2

from tests.modal_control_plane.rpc import Reply

# Long polls end before the client's own time limits.
POLL_S = 10.0
RUNS_OF_AN_INPUT = 2
"""An input whose container was lost runs again, as Modal has it, once here."""


class Changes:
    """What polls wait for: at each change, all of them look again."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def note(self) -> None:
        self._next.set()
        self._next = asyncio.Event()

    async def wait_until(self, condition: Callable[[], object], timeout_s: float | None = POLL_S) -> bool:
        """Return when the condition holds, or after the time; whether it holds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not condition():
                    await self._next.wait()
        return bool(condition())


@dataclass
class Call:
    """One call of a function with one input."""

    call_id: str
    function_id: str
    item: api_pb2.FunctionPutInputsItem
    runs: int = 0
    container_id: str | None = None
    output: api_pb2.FunctionGetOutputsItem | None = None
    data_in: list[api_pb2.DataChunk] = field(default_factory=list)
    data_out: list[api_pb2.DataChunk] = field(default_factory=list)
    is_cancelled: bool = False
    changes: Changes = field(default_factory=Changes)

    @property
    def input_id(self) -> str:
        return self.call_id.replace("fc-", "in-")

    async def stream(self, chunks: list[api_pb2.DataChunk], after: int = 0) -> AsyncIterator[api_pb2.DataChunk]:
        """Chunks in the order of arrival, as a log has them: a second run's come after the first's."""
        sent = 0

        def is_more_or_over() -> bool:
            return len(chunks) > sent or self.output is not None

        while await self.changes.wait_until(is_more_or_over, None) and sent < len(chunks):
            if chunks[sent].index > after:
                yield chunks[sent]
            sent += 1


class Calls:
    """All calls, shared by every container and caller. `on_change` runs after a call was added or has ended."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.changes = Changes()
        self.on_change: Callable[[], None] = lambda: None

    def add(self, function_id: str, item: api_pb2.FunctionPutInputsItem) -> Call:
        call = Call(f"fc-{len(self.calls):04d}", function_id, item)
        self.calls[call.call_id] = call
        self.changed()
        return call

    def waiting(self, function_id: str) -> list[Call]:
        return [c for c in self.calls.values() if c.function_id == function_id and not c.output and not c.container_id]

    def running(self, function_id: str) -> list[Call]:
        return [c for c in self.calls.values() if c.function_id == function_id and not c.output and c.container_id]

    def changed(self) -> None:
        self.changes.note()
        self.on_change()

    def finish(self, call: Call, result: api_pb2.GenericResult, data_format: int = 0) -> None:
        if call.output is None:
            call.output = api_pb2.FunctionGetOutputsItem(result=result, data_format=data_format, input_id=call.input_id)
        call.changes.note()
        self.changed()

    def cancel(self, call: Call) -> None:
        """End it if it waits; the container that runs it learns it by its heartbeat."""
        call.is_cancelled = True
        if call.container_id is None:
            status = api_pb2.GenericResult.GENERIC_STATUS_TERMINATED
            self.finish(call, api_pb2.GenericResult(status=status, exception="cancelled"))
        self.changed()

    def lose_container(self, container_id: str, result: api_pb2.GenericResult) -> None:
        """What ran in a container that ended is run again or, once that was done, ends with the result."""
        for call in [c for c in self.calls.values() if c.container_id == container_id and not c.output]:
            call.container_id = None
            if call.is_cancelled or call.runs >= RUNS_OF_AN_INPUT:
                self.finish(call, result)
        self.changed()

    async def FunctionMap(self, request: api_pb2.FunctionMapRequest) -> Reply:
        (item,) = request.pipelined_inputs
        call = self.add(request.function_id, item)
        return {"function_call_id": call.call_id, "pipelined_inputs": [{"idx": 0, "input_id": call.input_id}]}

    async def FunctionGetOutputs(self, request: api_pb2.FunctionGetOutputsRequest) -> Reply:
        call = self.calls[request.function_call_id]
        await call.changes.wait_until(lambda: call.output, min(request.timeout, POLL_S))
        return {"outputs": [call.output] if call.output else [], "num_unfinished_inputs": 0 if call.output else 1}

    async def FunctionCallGetDataOut(self, request: api_pb2.FunctionCallGetDataRequest) -> AsyncIterator[Reply]:
        call = self.calls[request.function_call_id]
        async for chunk in call.stream(call.data_out, request.last_index):
            yield chunk

    async def FunctionCallCancel(self, request: api_pb2.FunctionCallCancelRequest) -> Reply:
        self.cancel(self.calls[request.function_call_id])
        return {}

    async def FunctionCallGetDataIn(self, request: api_pb2.FunctionCallGetDataRequest) -> AsyncIterator[Reply]:
        call = self.calls[request.function_call_id]
        async for chunk in call.stream(call.data_in, request.last_index):
            yield chunk

    async def FunctionCallPutDataOut(self, request: api_pb2.FunctionCallPutDataRequest) -> Reply:
        call = self.calls[request.function_call_id]
        call.data_out.extend(request.data_chunks)
        call.changes.note()
        return {}

    async def FunctionPutOutputs(self, request: api_pb2.FunctionPutOutputsRequest) -> Reply:
        for item in request.outputs:
            self.finish(self.calls[item.input_id.replace("in-", "fc-")], item.result, item.data_format)
        return {}
