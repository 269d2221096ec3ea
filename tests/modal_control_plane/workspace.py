"""What a workspace has besides apps: Dicts, and a bill that a test writes by the hour. Nothing here costs anything."""

from collections import defaultdict
from collections.abc import AsyncIterator

from modal_proto import api_pb2

from tests.modal_control_plane.rpc import Reply


class Workspace:
    """One workspace. Keys and values of its Dicts are what the client pickled; `found` has keys that were there."""

    def __init__(self) -> None:
        self.dicts: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict)
        self.found: list[bytes] = []
        self.bill: list[api_pb2.WorkspaceBillingReportItem] = []

    async def DictGet(self, request: api_pb2.DictGetRequest) -> Reply:
        value = self.dicts[request.dict_id].get(request.key)
        if value is not None:
            self.found.append(request.key)
        return {"found": value is not None, "value": value}

    async def DictUpdate(self, request: api_pb2.DictUpdateRequest) -> Reply:
        entries = self.dicts[request.dict_id]
        (update,) = request.updates
        created = not (request.if_not_exists and update.key in entries)
        if created:
            entries[update.key] = update.value
        return {"created": created}

    async def DictPop(self, request: api_pb2.DictPopRequest) -> Reply:
        value = self.dicts[request.dict_id].pop(request.key, None)
        return {"found": value is not None, "value": value}

    async def WorkspaceBillingReport(self, request: api_pb2.WorkspaceBillingReportRequest) -> AsyncIterator[Reply]:
        for item in self.bill:
            if request.start_timestamp.ToDatetime() <= item.interval.ToDatetime() < request.end_timestamp.ToDatetime():
                yield item
