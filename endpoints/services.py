"""What the routes may use: built once at start (`endpoints.composition`), handed in, never reached for."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from endpoints.acting import LastingTokens
from endpoints.address_limits import AddressLimits
from endpoints.afterwards import Afterwards
from endpoints.auth import Authenticator
from endpoints.database_check import DatabaseCheck
from endpoints.running_orders import RunningOrders
from endpoints.settlements import Settlements
from endpoints.watchers import Watchers
from functions.answer_cache import AnswerCache
from functions.api_keys import ApiKeys
from functions.asking import Asker
from functions.constraints.compilation import ConstraintCompiler
from functions.constraints.extraction.limited import Extractor
from functions.degraded_mode import DegradedMode
from functions.embeddings import Embedder
from functions.forward import Forward
from functions.generation import EngineClient
from functions.idempotency import Idempotency
from functions.ledger import Ledger
from functions.maintenance_switch import MaintenanceSwitch
from functions.operation import Operation
from functions.profiles import Profiles
from functions.read_limits import ReadLimits
from functions.reverse import Reverse
from functions.sandbox import Sandbox
from functions.session_feed import SessionFeed
from functions.session_pipeline import SessionPipeline
from functions.session_search import SessionSearch
from functions.sessions import SessionStore
from functions.sharing import Comments, Sharing
from functions.sign_ins import Credentials, SignIns
from functions.validation import ConstraintValidator
from infra.settings import Settings


@dataclass(frozen=True)
class Services:
    """One web container's parts. The secrets stay in the composition: no route needs them."""

    settings: Settings
    engine: EngineClient
    validator: ConstraintValidator
    compiler: ConstraintCompiler
    extractor: Extractor
    forward: Forward
    reverse: Reverse
    asker: Asker
    sandbox: Sandbox
    pipeline: SessionPipeline
    sessions: SessionStore
    search: SessionSearch
    embedder: Embedder
    session_feed: SessionFeed
    profiles: Profiles
    sharing: Sharing
    comments: Comments
    ledger: Ledger
    answer_cache: AnswerCache
    read_limits: ReadLimits
    address_limits: AddressLimits
    idempotency: Idempotency
    api_keys: ApiKeys
    operation: Operation
    maintenance: MaintenanceSwitch
    authenticator: Authenticator
    lasting_tokens: LastingTokens
    database_check: DatabaseCheck
    afterwards: Afterwards
    settlements: Settlements
    watchers: Watchers
    sign_ins: SignIns
    running_orders: RunningOrders
    development_user: Credentials | None = None
    degraded: DegradedMode | None = None


async def services_of(request: Request) -> Services:
    """The dependency that routes get their services by."""
    return cast("Services", request.app.state.services)
