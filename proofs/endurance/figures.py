"""What the streams of a course come to: counts, times, shares."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from proofs.endurance.load import CROWD_EVERY_S, Course

CROWDED_S = 5.0
"""So long after a crowd has come its requests are being refused, or let in."""


@dataclass(frozen=True)
class Figures:
    """Seconds are from the request's first byte sent. `pace_in_crowds` is tokens a second then, of those otherwise."""

    streams: int
    ends: dict[str, int]
    refusals: dict[str, int]
    tokens_by_user: dict[str, int]
    fairness: float
    tokens_per_s: float
    first_words_s: dict[str, float]
    between_words_s: dict[str, float]
    refusal_s: dict[str, float]
    health_s: dict[str, float]
    pace_in_crowds: float
    memory_growth_mib_per_min: dict[str, float]


def figures_of(course: Course, shares: Sequence[int], seconds: float) -> Figures:
    """`shares` are the users' tokens, as the ledger has them."""
    every = [*course.streams, *course.crowd]
    prompt = [this for this in every if this.manner == "prompt" and this.pieces]
    between = [later - earlier for this in prompt for earlier, later in zip(this.pieces, this.pieces[1:], strict=False)]
    return Figures(
        streams=len(every),
        ends=dict(Counter(f"{this.how}" for this in every)),
        refusals=dict(Counter(str(this.status) for this in every if this.how == "refused")),
        tokens_by_user={str(number): tokens for number, tokens in enumerate(shares)},
        fairness=jain(shares),
        tokens_per_s=sum(shares) / seconds,
        first_words_s=_spread([this.pieces[0] - this.began for this in prompt]),
        between_words_s=_spread(between),
        refusal_s=_spread([this.answered - this.began for this in every if this.how == "refused"]),
        health_s=_spread(course.health_s),
        pace_in_crowds=_pace(course, [at for this in prompt for at in this.pieces], course.began + seconds),
        memory_growth_mib_per_min=_growth(course.memory_mib),
    )


def jain(shares: Sequence[int]) -> float:
    """Jain's index: 1 when all have the same, 1/n when one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values) or [0.0]
    return {
        name: ordered[min(len(ordered) - 1, int(len(ordered) * share))]
        for name, share in (("p50", 0.5), ("p99", 0.99), ("most", 1.0))
    }


def _pace(course: Course, words_at: Sequence[float], until: float) -> float:
    """From the first crowd on: what comes before has another load."""
    if not course.crowds_at:
        return 1.0
    since = course.crowds_at[0]
    crowded = [0.0, 0.0]  # words, seconds
    calm = [0.0, 0.0]
    for came in course.crowds_at:
        crowded[1] += max(0.0, min(CROWDED_S, until - came))
        calm[1] += max(0.0, min(CROWD_EVERY_S, until - came) - CROWDED_S)
    for at in words_at:
        last = max((came for came in course.crowds_at if came <= at), default=None)
        if last is not None and since <= at <= until:
            (crowded if at - last < CROWDED_S else calm)[0] += 1
    if not (crowded[1] and calm[1] and calm[0]):
        return 1.0
    return (crowded[0] / crowded[1]) / (calm[0] / calm[1])


def _growth(samples: Sequence[dict[str, int]]) -> dict[str, float]:
    """Over the second half of the course, every 10 s a sample."""
    half = samples[len(samples) // 2 :]
    if len(half) < 2:
        return {}
    minutes = (len(half) - 1) / 6
    return {role: (half[-1][role] - half[0][role]) / minutes for role in half[0] if role in half[-1]}
