"""A prompt that is read in several steps takes nothing from the generator of its request."""

from types import SimpleNamespace

import numpy as np
import torch

from functions.seeded_prompts import keep_generators


def test_what_is_drawn_and_thrown_away_is_not_drawn_from_the_requests_own_generator():
    generators = {place: torch.Generator().manual_seed(place) for place in (0, 2, 3)}
    batch = SimpleNamespace(num_reqs=4, generators=dict(generators))
    drawn: list[set[int]] = []

    def sample_tokens(_grammar: object) -> None:
        drawn.append(set(batch.generators))
        for generator in batch.generators.values():
            torch.rand(1, generator=generator)

    unread = np.array([True, True, False, False, True])
    runner = SimpleNamespace(
        input_batch=batch, discard_request_mask=SimpleNamespace(np=unread), sample_tokens=sample_tokens
    )
    keep_generators(runner)
    runner.sample_tokens(None)
    assert drawn == [{2, 3}]
    assert batch.generators == generators
    untouched = torch.Generator().manual_seed(0)
    assert torch.equal(generators[0].get_state(), untouched.get_state())
    assert not torch.equal(generators[2].get_state(), torch.Generator().manual_seed(2).get_state())
