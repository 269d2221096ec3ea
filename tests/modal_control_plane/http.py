"""HTTP through Modal's protocol: what Modal's edge does with a request, as a transport of httpx."""

import pickle
from collections.abc import AsyncIterator
from typing import Any

import httpx
from modal._serialization import deserialize_data_format, serialize_data_format
from modal_proto import api_pb2

from tests.modal_control_plane.calls import Call, Calls

ASGI = api_pb2.DATA_FORMAT_ASGI


class ModalTransport(httpx.AsyncBaseTransport):
    """Requests become inputs of a web function; a response that is closed before its end cancels its input."""

    def __init__(self, calls: Calls, function_id: str) -> None:
        self._calls = calls
        self._function_id = function_id

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
        arguments = pickle.dumps(((scope,), {}))
        item = api_pb2.FunctionPutInputsItem(
            input=api_pb2.FunctionInput(args=arguments, data_format=api_pb2.DATA_FORMAT_PICKLE)
        )
        call = self._calls.add(self._function_id, item)
        body = {"type": "http.request", "body": await request.aread(), "more_body": False}
        call.data_in.append(api_pb2.DataChunk(data_format=ASGI, data=serialize_data_format(body, ASGI), index=1))
        await self._calls.changed()
        messages = self._messages(call)
        start = await anext(messages)
        return httpx.Response(start["status"], headers=start["headers"], stream=_Body(self._calls, call, messages))

    async def _messages(self, call: Call) -> AsyncIterator[dict[str, Any]]:
        sent = 0
        while True:
            for chunk in call.data_out[sent:]:
                sent += 1
                yield deserialize_data_format(chunk.data, chunk.data_format, None)
            if call.output is not None and sent == len(call.data_out):
                if call.output.result.status != api_pb2.GenericResult.GENERIC_STATUS_SUCCESS:
                    raise httpx.RemoteProtocolError(call.output.result.exception)
                return
            await self._calls.wait_until(lambda seen=sent: len(call.data_out) > seen or call.output)


class _Body(httpx.AsyncByteStream):
    def __init__(self, calls: Calls, call: Call, messages: AsyncIterator[dict[str, Any]]) -> None:
        self._calls = calls
        self._call = call
        self._messages = messages
        self._is_complete = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for message in self._messages:
            if body := message.get("body", b""):
                yield body
            if not message.get("more_body"):
                break
        self._is_complete = True

    async def aclose(self) -> None:
        if not self._is_complete:
            await self._calls.cancel(self._call)
