"""Modal's Dicts, by id."""

from collections import defaultdict

from modal_proto import api_pb2

from tests.modal_control_plane.rpc import Reply


class Dicts:
    """Keys and values are what the client pickled."""

    def __init__(self) -> None:
        self.entries: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict)
        self.found: list[bytes] = []
        """Keys that were asked for and were there."""

    async def DictGet(self, request: api_pb2.DictGetRequest) -> Reply:
        value = self.entries[request.dict_id].get(request.key)
        if value is not None:
            self.found.append(request.key)
        return {"found": value is not None, "value": value}

    async def DictUpdate(self, request: api_pb2.DictUpdateRequest) -> Reply:
        entries = self.entries[request.dict_id]
        (update,) = request.updates
        created = not (request.if_not_exists and update.key in entries)
        if created:
            entries[update.key] = update.value
        return {"created": created}

    async def DictPop(self, request: api_pb2.DictPopRequest) -> Reply:
        value = self.entries[request.dict_id].pop(request.key, None)
        return {"found": value is not None, "value": value}
