import math

import pytest

from functions.embeddings import DIMENSIONS, SentenceModel


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def model() -> SentenceModel:
    return SentenceModel()


async def test_each_text_gets_a_unit_vector_in_order(model: SentenceModel):
    texts = [f"text number {i}" for i in range(40)]
    vectors = await model.embed(texts)
    assert [len(vector) for vector in vectors] == [DIMENSIONS] * len(texts)
    assert all(math.isclose(math.hypot(*vector), 1.0, rel_tol=1e-5) for vector in vectors)
    (alone,) = await model.embed(texts[39:])
    assert math.isclose(dot(alone, vectors[39]), 1.0, rel_tol=1e-4)


async def test_what_means_the_same_is_nearer_than_what_shares_words(model: SentenceModel):
    query, same, other = await model.embed(
        [
            "remove duplicate entries from a list",
            "drop repeated items of an array",
            "write entries of a list to a file",
        ]
    )
    assert dot(query, same) > dot(query, other)


async def test_no_texts_need_no_model(model: SentenceModel):
    assert await model.embed([]) == []


async def test_a_text_longer_than_the_model_takes_is_cut(model: SentenceModel):
    (vector,) = await model.embed(["word " * 10_000])
    assert len(vector) == DIMENSIONS
