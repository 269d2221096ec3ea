"""Modal's own bill."""

from datetime import datetime

import modal

from functions.billing import BilledItem


async def billed(start: datetime) -> list[BilledItem]:
    """What Modal has billed this workspace since `start`, by the hour; the last hours may be missing."""
    report = await modal.Workspace.from_context().billing.report.aio(start=start, resolution="h", tag_names=["*"])
    return [
        BilledItem(
            object_id=item.object_id,
            interval_start=item.interval_start,
            cost_usd=item.cost,
            description=item.description,
            tags=item.tags,
            cost_by_resource=item.cost_by_resource,
        )
        for item in report
    ]
