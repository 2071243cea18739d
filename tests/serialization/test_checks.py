"""What is held against what a file should hold: each check passes, and each fails."""

import pytest
import torch
from torch import nn

from sklearn_lwal._serialization import checks as expected
from sklearn_lwal._serialization.file import DAMAGED


def refused(words):
    """The error that says so, and to save anew."""
    return pytest.raises(ValueError, match=rf"^{words}\. {DAMAGED}$")


class Layer(nn.Module):
    """A layer with a buffer that is in no file."""

    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(2, 3)
        self.register_buffer("made_anew", torch.ones(width), persistent=False)


class TestFields:
    KINDS = {"n": int, "name": str, "any": object}
    GOOD = {"any": None, "n": 3, "name": "a"}

    def test_good_ones(self):
        assert expected.check_fields(self.GOOD, "file", self.KINDS) is self.GOOD
        flags = {"flag": True}
        assert expected.check_fields(flags, "file", {"flag": bool}) is flags

    @pytest.mark.parametrize(
        "value", [None, [], ["n", "name", "any"], {"n": 3}, {**GOOD, "more": 1}]
    )
    def test_other_fields(self, value):
        with refused(r"The file does not have just \['any', 'n', 'name'\]"):
            expected.check_fields(value, "file", self.KINDS)

    @pytest.mark.parametrize(
        ("name", "value"), [("n", 3.0), ("n", True), ("n", "3"), ("name", 3)]
    )
    def test_other_kinds(self, name, value):
        with refused(f"The file's '{name}' can not be {value!r}"):
            expected.check_fields({**self.GOOD, name: value}, "file", self.KINDS)


class TestTensors:
    def stored(self):
        return dict(Layer(1).state_dict())

    def test_good_ones(self):
        expected.check_tensors(self.stored(), Layer(5), "layer")

    def test_others(self):
        stored = self.stored()
        stored |= dict.fromkeys("dabc", stored["linear.bias"])
        with refused(
            r"Its layer is not the one that its parameters make \(missing: \[\], "
            r"surplus: \['a', 'b', 'c'\]\)"
        ):
            expected.check_tensors(stored, Layer(1), "layer")
        with refused(
            r"Its net is .* \(missing: \['linear\.bias', 'linear\.weight'\], surplus: "
            r"\[\]\)"
        ):
            expected.check_tensors({}, Layer(1), "net")
        with pytest.raises(ValueError, match=r"surplus: .*\)\. Do so\.$"):
            expected.check_tensors(stored, Layer(1), "layer", "Do so.")

    def test_of_another_shape_or_type(self):
        for change in (torch.Tensor.double, lambda t: t[:2]):
            stored = self.stored()
            stored["linear.bias"] = found = change(stored["linear.bias"])
            with refused(
                rf"Its tensor 'linear\.bias' is of {found.dtype} and shape "
                rf"\({len(found)},\), but the model needs torch\.float32 and \(3,\)"
            ):
                expected.check_tensors(stored, Layer(1), "layer")
        with pytest.raises(ValueError, match=r"and \(3,\)\. Do so\.$"):
            expected.check_tensors(stored, Layer(1), "layer", "Do so.")

    def test_no_tensors(self):
        one = torch.ones(1)
        for pair in ((one, 3), (3, one)):
            with refused("The tensor 'a' can not be 3"):
                expected.check_like(*pair, "a")

    def test_what_has_no_shape_yet_takes_any(self):
        lazy = nn.LazyLinear(3).weight
        expected.check_like(torch.ones(7, dtype=torch.int8), lazy, "a")
        with refused("The tensor 'a' can not be None"):
            expected.check_like(None, lazy, "a")

    @pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
    def test_numbers_that_are_not_finite(self, value):
        tensors = {"a": torch.ones(2), "b": torch.tensor([1.0, value])}
        with refused("Its tensor 'b' has numbers that are not finite"):
            expected.check_finite(tensors)
        expected.check_finite({"a": torch.ones(2), "backbone.b": tensors["b"]})


class TestKinds:
    KNOWN = {"n": 3, "state": {"a": torch.ones(2), "rate": 0.5}, "none": None}

    def test_good_ones(self):
        other = {"n": 4.5, "state": {"a": torch.zeros(2), "rate": 1}, "none": None}
        expected.check_kinds(other, self.KNOWN, "state")

    @pytest.mark.parametrize(
        ("path", "value", "words"),
        [
            ("n", None, "The state can not be None"),
            ("n", "3", "The state can not be '3'"),
            ("n", float("nan"), "The state can not be nan"),
            ("none", 3, "The state can not be 3"),
            ("state", 3, r"The state does not have just \[.*\]"),
        ],
    )
    def test_others(self, path, value, words):
        words = words.replace("state", rf"state\.{path}", 1)
        with refused(words):
            expected.check_kinds({**self.KNOWN, path: value}, self.KNOWN, "state")

    def test_other_tensors_within(self):
        state = {"a": torch.ones(3), "rate": 0.5}
        known = {"state": {"a": torch.ones(2), "rate": 0.5}}
        with pytest.raises(
            ValueError, match=r"Its tensor 'x\.state\.a' is of .*\(3,\)"
        ):
            expected.check_kinds({"state": state}, known, "x")
        with refused("The tensor 'x' can not be 3"):
            expected.check_kinds(3, torch.ones(1), "x")


@pytest.mark.parametrize(
    ("at_least", "times", "width", "fits"),
    [
        (100, 0, 25, True),
        (100, 0, 26, False),
        (0, 1, 9, True),
        (0, 1, 10, False),
        (0, 2, 18, True),
        (0, 2, 19, False),
        (100, 2, 25, True),
    ],
)
def test_memory_that_is_in_no_file(at_least, times, width, fits, monkeypatch):
    # The file has 9 numbers of 4 bytes.
    monkeypatch.setattr(expected, "UNSTORED", at_least)
    monkeypatch.setattr(expected, "TIMES_STORED", times)
    if fits:
        expected.check_unstored(Layer(width))
        return
    with pytest.raises(ValueError, match=rf"The model needs {4 * width} bytes"):
        expected.check_unstored(Layer(width))
