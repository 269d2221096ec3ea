"""What is read off source code before anything of it is run."""

from dataclasses import dataclass

from functions.ir import Assertion, Effect, Example, Hole, Signature


@dataclass(frozen=True)
class Claim:
    """What the source says of one call of its function, and where. It is believed when it was seen to be so.

    `call` is the call as it is written there; `example` has its arguments in the order of the parameters.
    """

    call: str
    example: Example
    where: str


@dataclass(frozen=True)
class ClaimedAssertion:
    """A predicate that the source states, and where."""

    assertion: Assertion
    where: str


@dataclass(frozen=True)
class Reading:
    """One function. `summary` is empty where the source does not say what it is for; `text` is the function alone.

    `keyword_only` names parameters that cannot be given by position. A function that `is_plain` can be called with its
    arguments alone: it is not asynchronous, and takes a fixed number of them.
    """

    signature: Signature
    summary: str
    rationale: str
    effects: tuple[Effect, ...]
    assertions: tuple[ClaimedAssertion, ...]
    claims: tuple[Claim, ...]
    holes: tuple[Hole, ...]
    text: str
    keyword_only: frozenset[str] = frozenset()
    is_plain: bool = True
