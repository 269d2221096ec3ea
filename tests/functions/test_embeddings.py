import math

from functions.embeddings import DIMENSIONS
from functions.sentence_model import MAX_TOKENS, SentenceModel


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


async def test_each_text_gets_a_unit_vector_in_order(embedder: SentenceModel):
    texts = [f"text number {i}" for i in range(40)]
    vectors, tokens = await embedder.embed(texts)
    assert tokens == 40 * len(["[CLS]", "text", "number", "0", "[SEP]"])
    assert [len(vector) for vector in vectors] == [DIMENSIONS] * len(texts)
    assert all(math.isclose(math.hypot(*vector), 1.0, rel_tol=1e-5) for vector in vectors)
    ((alone,), _) = await embedder.embed(texts[39:])
    assert math.isclose(dot(alone, vectors[39]), 1.0, rel_tol=1e-4)


async def test_what_means_the_same_is_nearer_than_what_shares_words(embedder: SentenceModel):
    (query, same, other), _ = await embedder.embed(
        [
            "remove duplicate entries from a list",
            "drop repeated items of an array",
            "write entries of a list to a file",
        ]
    )
    assert dot(query, same) > dot(query, other)


async def test_no_texts_need_no_model(embedder: SentenceModel):
    assert await embedder.embed([]) == ([], 0)


async def test_a_text_longer_than_the_model_takes_is_cut(embedder: SentenceModel):
    ((vector,), tokens) = await embedder.embed(["word " * 10_000])
    assert len(vector) == DIMENSIONS
    assert tokens == MAX_TOKENS
