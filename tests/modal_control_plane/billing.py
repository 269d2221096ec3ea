"""The workspace's bill: what a test has put into it, by the hour. Nothing here costs anything."""

from collections.abc import AsyncIterator

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from tests.modal_control_plane.rpc import Reply


class Billing:
    """One workspace."""

    def __init__(self) -> None:
        self.items: list[api_pb2.WorkspaceBillingReportItem] = []

    async def WorkspaceNameLookup(self, _request: Empty) -> Reply:
        return {"workspace_name": "loopback"}

    async def WorkspaceBillingReport(self, request: api_pb2.WorkspaceBillingReportRequest) -> AsyncIterator[Reply]:
        for item in self.items:
            if request.start_timestamp.ToDatetime() <= item.interval.ToDatetime() < request.end_timestamp.ToDatetime():
                yield item
