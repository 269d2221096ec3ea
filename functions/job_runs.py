"""Runs of scheduled jobs: one of each at a time, and a record of how each ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from functions.database import Database

LEASE_S = 7200.0

_log = structlog.get_logger()


class JobRuns:
    """The record in the database, by the service's key."""

    def __init__(self, database: Database, service_key: str) -> None:
        self._database = database
        self._key = service_key

    @asynccontextmanager
    async def run(self, job: str, *, lease_s: float = LEASE_S) -> AsyncIterator[dict[str, Any] | None]:
        """One run of `job`; None while another goes on, and then nothing is to be done.

        One that began `lease_s` ago and has not ended was killed, and is in nobody's way.

        What is put into the dictionary is kept with the record. What the block raises is recorded, and raised.
        Raises `DatabaseUnavailable`.
        """
        run: int | None = await self._database.call("start_job", {"p_job": job, "p_lease_s": lease_s}, token=self._key)
        if run is None:
            _log.info("job runs already", job=job)
            yield None
            return
        details: dict[str, Any] = {}
        try:
            yield details
        except BaseException as error:
            await self._finish(run, details, f"{type(error).__name__}: {error}")
            raise
        await self._finish(run, details, None)

    async def _finish(self, run: int, details: dict[str, Any], error: str | None) -> None:
        arguments = {"p_id": run, "p_details": details, "p_error": error}
        await self._database.call("finish_job", arguments, token=self._key, idempotent=True)
