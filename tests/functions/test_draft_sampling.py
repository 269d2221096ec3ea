"""Drafts are sampled with their own request's temperature and top_p, also where Triton is not installed."""

import torch

from functions.draft_sampling import repeat_for_each_draft


def test_each_draft_has_its_requests_value_and_none_is_rounded():
    drafts = torch.tensor(
        [3, 3, 4], dtype=torch.int32
    )  # three of the first request, none of the second, one of the last
    temperatures = torch.full((4,), torch.nan)
    repeat_for_each_draft(temperatures, torch.tensor([0.7, 1.3, 0.0]), drafts, 0, 1)
    assert torch.equal(temperatures, torch.tensor([0.7, 0.7, 0.7, 1.0]))


def test_whole_numbers_stay_whole():
    best_of = torch.empty(2, dtype=torch.int32)
    repeat_for_each_draft(
        best_of, torch.tensor([5, 0], dtype=torch.int32), torch.tensor([1, 2], dtype=torch.int32), 0, 0
    )
    assert best_of.tolist() == [5, 0]
