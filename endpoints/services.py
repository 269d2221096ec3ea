"""What the routes may use: built once at start (`endpoints.composition`), handed in, never reached for."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from endpoints.auth import Authenticator
from endpoints.database_check import DatabaseCheck
from functions.generation import EngineClient
from functions.validation import ConstraintValidator
from infra.settings import Settings


@dataclass(frozen=True)
class Services:
    """One web container's parts. The secrets stay in the composition: no route needs them."""

    settings: Settings
    engine: EngineClient
    validator: ConstraintValidator
    authenticator: Authenticator
    database_check: DatabaseCheck


async def services_of(request: Request) -> Services:
    """The dependency that routes get their services by."""
    return cast("Services", request.app.state.services)
