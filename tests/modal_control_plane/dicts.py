"""Modal's Dicts, by id."""

from collections import defaultdict

from modal_proto import api_pb2


class Dicts:
    """Keys and values are what the client pickled."""

    def __init__(self) -> None:
        self.entries: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict)
        self.found: list[bytes] = []
        """Keys that were asked for and were there."""

    async def DictGet(self, request: api_pb2.DictGetRequest) -> api_pb2.DictGetResponse:
        value = self.entries[request.dict_id].get(request.key)
        if value is not None:
            self.found.append(request.key)
        return api_pb2.DictGetResponse(found=value is not None, value=value)

    async def DictUpdate(self, request: api_pb2.DictUpdateRequest) -> api_pb2.DictUpdateResponse:
        entries = self.entries[request.dict_id]
        (update,) = request.updates
        if request.if_not_exists and update.key in entries:
            return api_pb2.DictUpdateResponse(created=False)
        entries[update.key] = update.value
        return api_pb2.DictUpdateResponse(created=True)

    async def DictPop(self, request: api_pb2.DictPopRequest) -> api_pb2.DictPopResponse:
        value = self.entries[request.dict_id].pop(request.key, None)
        return api_pb2.DictPopResponse(found=value is not None, value=value)
