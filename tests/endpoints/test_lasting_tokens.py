"""Work that outlives the token it was ordered with."""

import time

import jwt
import pytest

from endpoints.composition import LEASE_FACTOR
from functions.callers import Caller
from functions.failures import Unauthenticated
from tests.endpoints.conftest import Web


async def test_it_stores_its_result_for_the_user_who_ordered_it(web: Web):
    user = await web.stack.user()
    expired = Caller(user.id, web.stack.token(user.id, lifetime_s=-60), None, frozenset({"generate"}), email=user.email)
    with pytest.raises(Unauthenticated):
        await web.services.sessions.list(expired)
    lasting = web.services.lasting_tokens.caller(expired)
    assert (await web.services.sessions.list(lasting)).items == []
    claims = jwt.decode(lasting.token, options={"verify_signature": False})
    assert claims["exp"] - time.time() > LEASE_FACTOR * web.services.settings.generation.timeout_s
    assert (claims["sub"], claims["email"]) == (user.id, user.email)
    assert "act" not in claims
