"""Accuracy and loss of an epoch, for one network and for a stack of them."""

import torch

from sklearn_lwal._training.epoch_totals import EpochTotals, is_correct

SCORES = torch.tensor([[1.0, 0.0, 0.5], [2.0, 2.0, 0.0], [0.0, 3.0, 1.0]])
Y = torch.tensor([0, 1, 0])


def test_a_tie_is_an_error_for_one_network_and_for_many():
    expected = [True, False, False]
    assert is_correct(SCORES, Y).tolist() == expected
    stacked = is_correct(SCORES.expand(2, 3, 3, 3), Y.expand(2, 1, 3))
    assert stacked.tolist() == [[expected] * 3] * 2
    # The order of the tied classes does not count.
    assert is_correct(SCORES.flip(1), 2 - Y).tolist() == expected


def test_a_score_that_is_no_number_is_an_error():
    assert not is_correct(
        torch.tensor([[torch.nan, 0.0], [torch.nan] * 2]), Y[:2]
    ).any()


def test_means_are_by_row_or_by_weight():
    totals = EpochTotals("cpu")
    totals.add(torch.tensor(2.0), torch.tensor([True, False, True]))
    totals.add(torch.tensor(6.0), torch.tensor([True]))
    assert totals.read() == (3.0, 0.75)
    stack = EpochTotals("cpu", (1, 2))
    weight = torch.tensor([[[1.0, 3.0]]])
    stack.add(torch.tensor([[1.0, 2.0]]), torch.tensor([[[1, 0], [0, 1]]]), weight)
    assert stack.read() == ([[1.0, 2.0]], [[0.25, 0.75]])
    stack.clear()
    stack.add(torch.tensor([[4.0, 4.0]]), torch.ones(1, 2, 5))
    assert stack.read() == ([[4.0, 4.0]], [[1.0, 1.0]])
