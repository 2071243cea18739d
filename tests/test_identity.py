"""What tells one parameter's value from another, in this process and the next."""

import functools

import pytest
import torch
from torch import nn

from sklearn_lwal._identity import fingerprint, identity_of


def shifted(images, by):
    return images + by


def holding(value):
    return [lambda: value]


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (*(functools.partial(shifted, by=by) for by in (1, 1, 2)),),
        (torch.ones(3), torch.ones(3), torch.zeros(3)),
        ({"lr": [1.0]}, {"lr": [1.0]}, {"lr": [2.0]}),
        (holding(1), holding(1), {"lr": 1}),
    ],
    ids=["partial", "tensor", "plain", "cannot be hashed"],
)
def test_fingerprints_follow_what_counts(one, same, other):
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


def typed_in(forward):
    """A module of a class that has no source, as one that was typed into a shell."""
    found = {"nn": nn}
    exec(f"class Net(nn.Module):\n    def forward(self, x): return {forward}", found)
    return found["Net"]()


def test_a_class_without_source_is_known_by_its_code():
    first, again, other = map(typed_in, ("x + 1", "x + 1", "x * 2"))
    assert identity_of(first) == identity_of(again) != identity_of(other)
