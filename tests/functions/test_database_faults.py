"""A gateway that is slow, away, silent, broken or somebody else: told as what it is, and over when it is over."""

import pytest

from functions.database import Database
from functions.failures import DatabaseUnavailable
from proofs.relay import Mode, Relay
from tests.database_fixtures import Stack

PATIENCE_S = 0.3


@pytest.mark.parametrize("mode", ["slow", "refusing", "half-open", "resetting", "wrong"])
@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_call_is_given_up_and_the_next_one_after_the_fault_is_answered(
    stack: Stack, mode: Mode, *, idempotent: bool
):
    async with Relay(stack.gateway.port, delay_s=30) as relay:
        database = Database(relay.url, stack.anon_key, timeout_s=PATIENCE_S)
        patient = Database(relay.url, stack.anon_key)
        try:
            assert await patient.ping() > 0
            await relay.set(mode)
            with pytest.raises(DatabaseUnavailable) as refused:
                await database.call("ping", idempotent=idempotent)
            assert refused.value.retry_after_s
            await relay.set("through")
            assert await patient.ping() > 0
        finally:
            await database.close()
            await patient.close()
