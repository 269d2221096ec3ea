"""A part of the hostile corpus over a socket, as bytes. All of it, on the whole product: `make prove-hostile`."""

from urllib.parse import urlsplit

from endpoints.app import create_app
from endpoints.composition import assemble
from functions.cache import FileStore
from functions.sentence_model import SentenceModel
from functions.validation import ConstraintValidator
from infra.settings import Settings
from proofs.hostile.corpus import corpus
from proofs.hostile.inputs import Input
from proofs.hostile.sending import send
from tests.database_fixtures import Stack
from tests.endpoints.asgi import served
from tests.endpoints.conftest import ColdEngine, secrets_of

CORPUS = corpus()
FAMILIES = sorted({one.family for one in CORPUS} - {"slow"})
OF_EACH = 3
COLD = 503  # what would be accepted meets an engine that is cold


def some(family: str) -> list[Input]:
    """Spread over the family."""
    of_it = [one for one in CORPUS if one.family == family and not one.pause_s and 408 not in one.expected]
    return of_it[:: max(1, len(of_it) // OF_EACH)]


def test_the_corpus_is_large_and_its_names_tell_its_inputs_apart():
    assert len(CORPUS) >= 1_000
    assert len({(one.family, one.name) for one in CORPUS}) == len(CORPUS)


async def test_each_family_is_answered_as_its_inputs_say(
    stack: Stack, settings: Settings, validator: ConstraintValidator, embedder: SentenceModel, store: FileStore
):
    user = await stack.user()
    faults = []
    many = {"reads_per_minute": 10**6, "generations_per_minute": 10**6, "expensive_per_hour": 10**6}
    unhurried = settings.model_copy(update={"limits": settings.limits.model_copy(update=many)})
    async with (
        assemble(unhurried, secrets_of(stack), ColdEngine(), validator, embedder=embedder, store=store) as services,
        served(create_app(services)) as address,
    ):
        place = urlsplit(address)
        for one in [one for family in FAMILIES for one in some(family)]:
            outcome = await send(place.hostname or "", place.port or 0, user.token, one)
            if outcome.fault and outcome.status != COLD:
                faults.append(f"{one.family}: {one.name}: {outcome.fault}")
    assert not faults
