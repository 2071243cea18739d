"""Fingerprints tell parameter values apart, in this process and the next."""

import functools

import pytest
import torch
from torch import nn

from sklearn_lwal._utils.fingerprint import fingerprint, identity_of


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


def test_functions_may_move():
    source = "def change(x):\n    return [x + i for i in range(3)]\n"
    found = [{}, {}, {}]
    exec(compile(source, "/tmp/kernel_1/cell.py", "exec"), found[0])
    exec(compile(f"\n\n{source}", "/tmp/kernel_2/cell.py", "exec"), found[1])
    exec(compile(source.replace("3", "4"), "/tmp/kernel_1/cell.py", "exec"), found[2])
    one, same, other = (fingerprint(names["change"]) for names in found)
    assert one == same != other


def typed_in(forward):
    """A module of a class that has no source, as one that was typed into a shell."""
    found = {"nn": nn}
    exec(f"class Net(nn.Module):\n    def forward(self, x): return {forward}", found)
    return found["Net"]()


def test_a_class_without_source_is_known_by_its_code():
    first, again, other = map(typed_in, ("x + 1", "x + 1", "x * 2"))
    assert identity_of(first) == identity_of(again) != identity_of(other)
