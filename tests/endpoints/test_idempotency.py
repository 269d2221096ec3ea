"""What a client is told who sends a key again, and whether to repeat it."""

import json

import pytest

from functions.callers import Caller
from functions.idempotency import fingerprint
from tests.endpoints.conftest import Web

BODY = {"prompt": "x"}


@pytest.mark.parametrize(
    ("sent_before", "status", "should_retry"),
    [(BODY, 409, "true"), ({"prompt": "another"}, 422, "false")],
    ids=["still running", "another request"],
)
async def test_a_client_is_told_whether_to_repeat(
    web: Web, sent_before: dict[str, str], status: int, should_retry: str
):
    user, client = await web.user_client()
    caller = Caller(user.id, user.token, None, frozenset())
    first = fingerprint("POST", "/api/generate", json.dumps(sent_before, separators=(",", ":")).encode())
    await web.services.idempotency.begin(caller, "k", first)
    content = json.dumps(BODY, separators=(",", ":"))
    headers = {"idempotency-key": "k", "content-type": "application/json"}
    answer = await client.post("/api/generate", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["x-should-retry"] == should_retry
    assert ("retry-after" in answer.headers) is (should_retry == "true")


async def test_a_failure_is_not_kept_and_its_key_is_free_again(web: Web):
    _, client = await web.user_client()
    for _ in range(2):
        answer = await client.post("/api/generate", json=BODY, headers={"idempotency-key": "k"})
        assert answer.status_code == 503
        assert answer.json()["type"].endswith("#engine-unavailable")
