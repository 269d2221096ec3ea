"""What tests of the work share."""

from collections.abc import AsyncGenerator

import pytest

from functions.sandbox import ProcessSandbox, judge_nursery
from infra.settings import Settings


@pytest.fixture(params=["by itself", "forked"])
async def sandbox(request: pytest.FixtureRequest, settings: Settings) -> AsyncGenerator[ProcessSandbox]:
    """Judges are the same, whether they are started or forked."""
    nursery = judge_nursery()
    if request.param == "forked":
        nursery.start()
        assert await nursery.is_ready()
    yield ProcessSandbox(settings.sandbox, nursery=nursery if request.param == "forked" else None)
    await nursery.close()
