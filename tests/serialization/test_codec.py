"""Python values as JSON and tensors: the same after a round, or an error."""

import json
import math
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch

from sklearn_lwal._serialization import codec as plain
from sklearn_lwal._serialization.codec import NotPlain, decode, encode
from sklearn_lwal._serialization.file import DAMAGED


def round_trip(value):
    tensors = {}
    written = json.loads(json.dumps(encode(value, tensors, "x"), allow_nan=False))
    found = decode(written, tensors)
    assert not tensors
    return found


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        ("$a", "$a"),
        (1.5, 1.5),
        (math.inf, {"$float": "inf"}),
        (-math.inf, {"$float": "-inf"}),
        ([1, [2]], [1, [2]]),
        ((1, (2,)), {"$tuple": [1, {"$tuple": [2]}]}),
        ({"a": (), "b": 1}, {"a": {"$tuple": []}, "b": 1}),
        ({}, {}),
        ({"$a": 1, 2: "b"}, {"$dict": [["$a", 1], [2, "b"]]}),
        ({None: 1, 2.5: 1}, {"$dict": [[None, 1], [2.5, 1]]}),
        (torch.device("cuda:1"), {"$device": "cuda:1"}),
        (Path("a/b"), {"$path": "a/b"}),
        (torch.optim.Adam, {"$optimizer": "Adam"}),
        (np.float32(1.5), {"$scalar": [1.5, "<f4"]}),
        (np.int8(-3), {"$scalar": [-3, "|i1"]}),
        (np.bool_(True), {"$scalar": [True, "|b1"]}),
        (np.float64("nan"), {"$scalar": [{"$float": "nan"}, "<f8"]}),
        (np.array(["ab", "c"]), {"$items": [["ab", "c"], [2], "<U2"]}),
        (np.array([["a", None]], object), {"$items": [["a", None], [1, 2], "|O"]}),
    ],
    ids=str,
)
def test_values(value, written):
    assert encode(value, {}, "x") == written
    found = round_trip(value)
    assert type(found) is type(value)
    np.testing.assert_equal(found, value)
    if isinstance(value, (np.generic, np.ndarray)):
        assert found.dtype == value.dtype


def test_nan_and_other_kinds_of_strings_and_paths():
    assert encode(math.nan, {}, "") == {"$float": "nan"}
    assert math.isnan(round_trip(math.nan))
    found = round_trip({np.str_("a"): np.str_("b")})
    assert [type(text) for text in (*found, *found.values())] == [str, str]
    assert encode(PurePosixPath("a"), {}, "") == {"$path": "a"}


ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(3, dtype=">i4"),
    np.array(["2020", "NaT"], "M8[ns]"),
    np.array([1, 2], "m8[25s]"),
    np.array([True, False]),
    np.array(3, np.uint8),
    np.zeros((0, 2), np.float16),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.str)
def test_arrays(array):
    tensors = {}
    name, dtype, order = encode(array, tensors, "x")["$array"]
    assert (name, dtype) == ("x", array.dtype.str)
    assert order == ("F" if array.flags.fnc else "C")
    assert [*tensors] == ["x"]
    assert tensors["x"].shape == array.shape
    found = round_trip(array)
    np.testing.assert_array_equal(found, array)
    assert found.dtype.str == array.dtype.str
    assert found.flags.fnc == array.flags.fnc


def test_tensors_have_names_of_their_own():
    a, b, c = torch.zeros(1), torch.ones(1), np.ones(2)
    tensors = {"x": torch.ones(3), "x.d.0": torch.ones(4)}
    written = encode(a, tensors, "x")
    assert written == {"$tensor": "x_"}
    written = encode({"d": [b, c], "e": {3: a}}, tensors, "x")
    assert written["d"] == [
        {"$tensor": "x.d.0_"},
        {"$array": ["x.d.1", "<f8", "C"]},
    ]
    assert written["e"] == {"$dict": [[3, {"$tensor": "x.e.0.1"}]]}
    names = ["x", "x.d.0", "x_", "x.d.0_", "x.d.1", "x.e.0.1"]
    assert [*tensors] == names
    assert tensors["x_"] is a
    assert tensors["x.d.0_"] is b
    # Each is taken once.
    assert decode(written["d"][0], tensors) is b
    with pytest.raises(ValueError, match=r"^The tensor 'x.d.0_' is missing\. "):
        decode(written["d"][0], tensors)


def test_arrays_within_arrays():
    array = np.empty((2, 1), object)
    array[0, 0], array[1, 0] = np.arange(3), ("a", torch.ones(2))
    found = round_trip(array)
    assert found.shape == (2, 1)
    np.testing.assert_array_equal(found[0, 0], np.arange(3))
    name, ones = found[1, 0]
    assert name == "a"
    assert torch.equal(ones, torch.ones(2))


def test_random_states_go_on():
    random = np.random.RandomState(3)
    random.normal(size=3)
    again = round_trip(random)
    assert again is not random
    np.testing.assert_array_equal(again.normal(size=700), random.normal(size=700))
    random = np.random.RandomState(np.random.PCG64(0))
    with pytest.raises(NotPlain, match="RandomState"):
        encode(random, {}, "x")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3j, "3j (complex)"),
        ({1, 2}, "{1, 2} (set)"),
        ([1, (b"a",)], "b'a' (bytes)"),
        (np.datetime64("2020"), f"{np.datetime64('2020')!r} (datetime64)"),
        (np.complex64(1), f"{np.complex64(1)!r} (complex64)"),
        ({(1,): 2}, "{(1,): 2} (dict)"),
        ({2**63 + 1: 2}, "{9223372036854775809: 2} (dict)"),
        ({-(2**63) - 1: 2}, "{-9223372036854775809: 2} (dict)"),
        (np.zeros(2, complex), "an array of dtype complex128"),
        (np.zeros(2, "S3"), "an array of dtype |S3"),
        (np.array([1j], object), "1j (complex)"),
        (np.empty(3, f"U{2**22}"), f"an array of 3 strings of <U{2**22}"),
        (dict, "<class 'dict'> (type)"),
        (torch.float32, "torch.float32 (dtype)"),
        (torch.nn.Linear, "<class 'torch.nn.modules.linear.Linear'> (type)"),
    ],
    ids=str,
)
def test_values_that_can_not_be_written(value, words):
    with pytest.raises(NotPlain) as caught:
        encode(value, {}, "x")
    assert str(caught.value) == words


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="no wider floats")
def test_floats_that_torch_does_not_have():
    for value in (np.longdouble(1), np.zeros(2, np.longdouble)):
        with pytest.raises(NotPlain, match=r"longdouble|float128|float96"):
            encode(value, {}, "x")


def test_sparse_tensors_can_not_be_written():
    with pytest.raises(NotPlain, match=r"\(Tensor\)$"):
        encode(torch.eye(2).to_sparse(), {}, "x")


def test_the_largest_of_each():
    keys = {2**63: 1, -(2**63): 2, np.int64(3): 4, True: 5}
    assert round_trip(keys) == keys
    # As many characters as an array may have.
    wide = np.array(["a", "b"], f"U{plain.MAX_CHARACTERS // 2}")
    assert encode(wide, {}, "x")["$items"][1] == [2]
    assert encode(np.empty(0, f"U{plain.MAX_CHARACTERS + 1}"), {}, "x")


def test_characters_of_all_arrays_are_counted(monkeypatch):
    monkeypatch.setattr(plain, "ALL_CHARACTERS", 10)
    five = {"$items": [["a"], [1], "<U5"]}
    assert decode([five, five], {})[1] == ["a"]
    one = {"$items": [["b"], [1], "<U1"]}
    with pytest.raises(ValueError, match=r"\(more characters than a file may have\)"):
        decode([five, five, one], {})


FLOATS = torch.zeros(2, dtype=torch.float64)
KEY = torch.zeros(624, dtype=torch.uint32)
STATE = {"$array": ["key", "<u4", "C"]}
SHORT = {"$array": ["short", "<u4", "C"]}
BAD = {
    "unknown tag": ({"$code": 1}, r"It holds \['\$code'\], unknown here"),
    "two tags": ({"$tuple": [], "$dict": []}, "unknown here"),
    "tag and name": ({"a": 1, "$tuple": []}, r"\['a', '\$tuple'\], unknown here"),
    "missing tensor": ({"$tensor": "none"}, "The tensor 'none' is missing"),
    "no name": ({"$tensor": 3}, "The tensor 3 is missing"),
    "list as name": ({"$tensor": ["f"]}, r"The tensor \['f'\] is missing"),
    "float": ({"$float": "1.0"}, r"It has no valid float \(\"?'1.0'\"?\)"),
    "float of another kind": ({"$float": 1}, "no valid float"),
    "tuple": ({"$tuple": 3}, "no valid tuple"),
    "dict": ({"$dict": [[1, 2, 3]]}, "no valid dict"),
    "key": ({"$dict": [[{"$tuple": []}, 2]]}, "no valid dict .*an invalid key"),
    "large key": ({"$dict": [[2**63 + 1, 2]]}, "no valid dict .*an invalid key"),
    "scalar": ({"$scalar": [1]}, "no valid scalar"),
    "scalar's dtype": ({"$scalar": [1, "<M8[s]"]}, r"scalar \(dtype datetime64\[s\]\)"),
    "scalar's list": ({"$scalar": [[1], "<i8"]}, r"scalar \(dtype int64\)"),
    "scalar above": ({"$scalar": [128, "|i1"]}, r"scalar \(128 as int8\)"),
    "scalar below": ({"$scalar": [-129, "|i1"]}, r"scalar \(-129 as int8\)"),
    "unsigned scalar": ({"$scalar": [-1, "|u1"]}, r"scalar \(-1 as uint8\)"),
    "name of a dtype": ({"$scalar": [1, "float64"]}, r"scalar \(dtype float64\)"),
    "long dtype": ({"$array": ["f", "<U" + 10 * "9", "C"]}, "no valid array"),
    "array's dtype": ({"$array": ["f", "<f4", "C"]}, "float64 instead of float32"),
    "dates": ({"$array": ["f", "<M8[s]", "C"]}, r"float64 instead of datetime64\[s\]"),
    "order": ({"$array": ["f", "<f8", "X"]}, "no valid array"),
    "items": ({"$items": [["a", 1], [2], "<U1"]}, r"items \(2 items of dtype <U1\)"),
    "items' dtype": ({"$items": [[1], [1], "<i8"]}, r"items \(1 items of dtype int64"),
    "items' shape": ({"$items": [["a"], [2], "<U1"]}, "no valid items"),
    "device": ({"$device": "abacus"}, "no valid device"),
    "path": ({"$path": 3}, "no valid path"),
    "optimizer": ({"$optimizer": "Adamant"}, "torch.optim has no 'Adamant'"),
    "no optimizer": ({"$optimizer": "lr_scheduler"}, "has no 'lr_scheduler'"),
    "number as optimizer": ({"$optimizer": 3}, "torch.optim has no 3"),
    "random's key": ({"$random": [3, 0, 0, 0.0]}, "random .*not one of MT19937"),
    "short key": ({"$random": [SHORT, 0, 0, 0.0]}, "not one of MT19937"),
    "position": ({"$random": [STATE, 625, 0, 0.0]}, "not one of MT19937"),
    "negative position": ({"$random": [STATE, -1, 0, 0.0]}, "not one of MT19937"),
    "bool as position": ({"$random": [STATE, True, 0, 0.0]}, "not one of MT19937"),
    "has gauss": ({"$random": [STATE, 1, 2, 0.0]}, "not one of MT19937"),
    "gauss": ({"$random": [STATE, 1, 0, 0]}, "not one of MT19937"),
}


@pytest.mark.parametrize(("written", "words"), BAD.values(), ids=BAD)
def test_files_that_none_wrote(written, words):
    tensors = {"f": FLOATS, "key": KEY, "short": KEY[:623]}
    with pytest.raises(ValueError, match=words) as caught:
        decode({"a": [1, written]}, tensors)
    assert str(caught.value).endswith(DAMAGED)
    assert str(caught.value).count(DAMAGED) == 1
    assert str(caught.value).startswith(("It ", "The tensor "))


@pytest.mark.parametrize("position", [0, 624])
@pytest.mark.parametrize("has_gauss", [0, 1])
def test_random_states_at_their_ends(position, has_gauss):
    state = {"$random": [STATE, position, has_gauss, 0.5]}
    random = decode(state, {"key": KEY.clone()})
    found = random.get_state(legacy=False)
    assert found["state"]["pos"] == position
    assert (found["has_gauss"], found["gauss"]) == (has_gauss, 0.5)
    assert not found["state"]["key"].any()


@pytest.mark.parametrize(
    ("number", "dtype"),
    [(127, "|i1"), (-128, "|i1"), (255, "|u1"), (0, "|u1"), (2**64 - 1, "<u8")],
)
def test_scalars_at_their_ends(number, dtype):
    found = decode({"$scalar": [number, dtype]}, {})
    assert found == number
    assert found.dtype == np.dtype(dtype)
    assert isinstance(found, np.generic)
