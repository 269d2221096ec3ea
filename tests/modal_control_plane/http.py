"""HTTP through Modal's protocol: what Modal's edge does with a request, as a transport of httpx."""

import pickle
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from modal._serialization import deserialize_data_format, serialize_data_format
from modal_proto import api_pb2

from tests.modal_control_plane.calls import Call, Calls

ASGI = api_pb2.DATA_FORMAT_ASGI


@dataclass
class ModalTransport(httpx.AsyncBaseTransport):
    """Requests become inputs of a web function; a response that is closed before its end cancels its input."""

    calls: Calls
    function_id: str

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        scope = {
            "type": "http",
            "method": request.method,
            "scheme": "https",
            "path": request.url.path,
            "query_string": request.url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("127.0.0.1", 50000),
            "http_version": "1.1",
        }
        body = {"type": "http.request", "body": await request.aread(), "more_body": False}
        asked = api_pb2.FunctionInput(args=pickle.dumps(((scope,), {})), data_format=api_pb2.DATA_FORMAT_PICKLE)
        call = self.calls.add(self.function_id, api_pb2.FunctionPutInputsItem(input=asked))
        call.data_in.append(api_pb2.DataChunk(data_format=ASGI, data=serialize_data_format(body, ASGI), index=1))
        messages = _messages(call)
        start = await anext(messages)
        return httpx.Response(start["status"], headers=start["headers"], stream=_Body(self.calls, call, messages))


async def _messages(call: Call) -> AsyncIterator[dict[str, Any]]:
    async for chunk in call.stream(call.data_out):
        yield deserialize_data_format(chunk.data, chunk.data_format, None)
    if call.output and call.output.result.status != api_pb2.GenericResult.GENERIC_STATUS_SUCCESS:
        raise httpx.RemoteProtocolError(call.output.result.exception)


@dataclass
class _Body(httpx.AsyncByteStream):
    calls: Calls
    call: Call
    messages: AsyncIterator[dict[str, Any]]
    is_complete: bool = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for message in self.messages:
            if body := message.get("body", b""):
                yield body
            if not message.get("more_body"):
                break
        self.is_complete = True

    async def aclose(self) -> None:
        if not self.is_complete:
            self.calls.cancel(self.call)
