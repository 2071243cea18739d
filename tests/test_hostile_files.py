"""Files that were damaged or made to do harm: a ValueError, and nothing else."""

import json
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from saved import forge

import sklearn_lwal
from sklearn_lwal import LwALClassifier, StaticLabelClassifier
from sklearn_lwal import _archive as archive

FIRST = Path(__file__).parent / "data" / "format_1.safetensors"


@pytest.fixture(scope="module")
def saved(iris, tmp_path_factory):
    """Models of several kinds, saved."""
    folder = tmp_path_factory.mktemp("models")
    X, y = iris
    options = {"max_epochs": 1, "random_state": np.random.RandomState(0)}
    options["device"] = "cpu"
    names = np.array(["a", "b", "c"])[y]
    LwALClassifier(**options).fit(X, names).save(folder / "linear")
    hidden = LwALClassifier(hidden_layer_sizes=(3,), **options)
    hidden.fit(X, names).save(folder / "hidden")
    static = StaticLabelClassifier(label_embeddings=np.eye(3), optimizer="sgd")
    static.set_params(**options).fit(X, y).save(folder / "static")
    return folder


@pytest.fixture
def path(saved, tmp_path):
    copied = tmp_path / "model"
    copied.write_bytes((saved / "hidden").read_bytes())
    return copied


def test_changed_bytes(tmp_path):
    data, path = FIRST.read_bytes(), tmp_path / "model"
    rng = np.random.default_rng(0)
    places = rng.choice(len(data), 300, replace=False)
    for i in (*range(40), *places):
        changed = bytearray(data)
        changed[i] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"model' can not be loaded\."):
            sklearn_lwal.load(path)
    for n in (0, 7, 8, 9, 100, *rng.choice(len(data), 50), len(data) - 1):
        path.write_bytes(data[:n])
        with pytest.raises(ValueError, match=r"copy it anew"):
            sklearn_lwal.load(path)


def setting(*keys, to):
    """Put something into the file, ``to`` itself or made from what is there."""

    def change(content, tensors):
        *outer, last = keys
        for key in outer:
            content = content[key]
        content[last] = to(content[last]) if callable(to) else to

    return change


def parameter(name, value):
    return setting("parameters", name, to=value)


def part(*keys, to):
    return setting("fitted", *keys, to=to)


def tensor(name, change):
    def replace(content, tensors):
        tensors[name] = change(tensors[name])

    return replace


def array(value):
    """Another array in the place of one."""
    value = np.asarray(value)

    def change(content, tensors):
        tensors["classes"] = torch.from_numpy(value)
        content["fitted"]["classes"] = {"$array": ["classes", value.dtype.str, "C"]}

    return change


def _with_place(state, left, place):
    changed = bytearray(state.numpy().tobytes())
    struct.pack_into("<i", changed, 8, left)
    struct.pack_into("<Q", changed, 16, place)
    return torch.tensor(list(changed), dtype=torch.uint8)


def strings(items, dtype):
    return part("classes", to={"$items": [items, [len(items)], dtype]})


WEIGHT = "network.hidden.0.weight"
ONE = {"$tensor": WEIGHT}
HOSTILE = {
    "class of another": (setting("class", to="os.system"), "none of"),
    "class with a path": (setting("class", to="../STDClassifier"), "none of"),
    "private class": (setting("class", to="LabelLearningClassifier"), "none of"),
    "other class": (setting("class", to="STDClassifier"), "does not have:.*init"),
    "content": (lambda content, _: [content], "does not have just"),
    "more in the file": (setting("code", to="import os"), "does not have just"),
    "more fitted": (part("__reduce__", to=1), "does not have just"),
    "unknown parameter": (parameter("n_jobs", 2), r"does not have: \['n_jobs'\]"),
    "__class__": (parameter("__class__", "x"), "does not have"),
    "memory": (parameter("memory", "/etc"), "does not have"),
    "augment": (parameter("augment", "x"), "does not have"),
    "kind of parameter": (parameter("lr", "fast"), "'lr' parameter of LwAL"),
    "list for a string": (parameter("init", ["random"]), "'init' parameter"),
    "range of parameter": (parameter("dropout", 1.5), "'dropout' parameter"),
    "nested sizes": (parameter("hidden_layer_sizes", [[3]]), "flat list"),
    "device": (parameter("device", "../dev"), "'device' parameter"),
    "optimizer": (parameter("optimizer", "os"), "'optimizer' parameter"),
    "no optimizer": (
        parameter("optimizer", {"$optimizer": "lr_scheduler"}),
        "no valid",
    ),
    "LBFGS": (parameter("optimizer", {"$optimizer": "LBFGS"}), "neither LBFGS"),
    "net_params": (parameter("net_params", {"module": 1}), "can not set"),
    "made-up net_params": (parameter("net_params", {"eval": "1"}), "skorch net"),
    "optimizer's option": (
        parameter("net_params", {"optimizer__betas": 1}),
        "did not",
    ),
    "unknown tag": (parameter("lr", {"$pickle": "x"}), "unknown here"),
    "two tags": (parameter("lr", {"$float": "inf", "$path": "x"}), "unknown here"),
    "tag among others": (parameter("lr", {"$float": "inf", "a": 1}), "unknown here"),
    "float": (parameter("lr", {"$float": "1e5"}), "no valid float"),
    "scalar": (parameter("lr", {"$scalar": [300, "|u1"]}), "no valid scalar"),
    "scalar of a kind": (parameter("lr", {"$scalar": ["a", "|O"]}), "no valid scalar"),
    "dict": (parameter("lr", {"$dict": [[[], 1]]}), "no valid dict"),
    # All of one hash: Python would look at every pair of them.
    "equal hashes": (
        parameter(
            "class_weight",
            {"$dict": [[k * (2**61 - 1), 0] for k in range(8, 100_000)]},
        ),
        "no valid dict",
    ),
    "path": (parameter("lr", {"$path": 3}), "no valid path"),
    # How deep is too deep goes with the frames of whoever calls.
    "deep": (
        parameter("lr", json.loads("[" * 800 + "]" * 800)),
        "recursion|'lr' parameter",
    ),
    "output_dim": (parameter("output_dim", 4), r"network.*|shape"),
    "huge output_dim": (parameter("output_dim", 10**13), "shape"),
    "infinite output_dim": (parameter("output_dim", {"$float": "inf"}), "must be"),
    "beyond 64 bits": (parameter("output_dim", 2**62), "no model"),
    "other sizes": (parameter("hidden_layer_sizes", [4]), "shape"),
    "huge sizes": (parameter("hidden_layer_sizes", [10**12]), "shape"),
    "more layers": (parameter("hidden_layer_sizes", [3, 3]), "missing"),
    "many layers": (parameter("hidden_layer_sizes", [1] * 10**6), "number of tensors"),
    "other update": (parameter("label_update", "batch"), "surplus"),
    "no standardize": (parameter("standardize", False), "surplus"),
    "no average": (parameter("average", False), "average"),
    "backbone": (parameter("backbone", "resnet18"), "origin of the backbone"),
    "n_features": (part("n_features", to=5), "shape"),
    "huge n_features": (part("n_features", to=10**15), "shape"),
    "no features": (part("n_features", to=0), "number of features"),
    "True features": (part("n_features", to=True), "n_features"),
    "names": (part("feature_names", to=["a"]), "feature names"),
    "names of no kind": (part("feature_names", to=[1, 2, 3, 4]), "feature names"),
    "output": (part("output", to="excel"), "output of transform"),
    "fewer classes": (strings(["a", "b"], "<U1"), "classes at first"),
    "fewer at first": (part("built_for", to=2), "shape"),
    "none at first": (part("built_for", to=0), "classes at first"),
    "spread": (tensor("spread.0", lambda t: t[1:]), "spread can not be"),
    "more classes": (strings(["a", "b", "c", "d"], "<U1"), "shape"),
    "many classes": (array(np.arange(10**5)), "shape"),
    "one class": (strings(["a"], "<U1"), "classes can not be"),
    "unsorted classes": (strings(["b", "a", "c"], "<U1"), "classes can not be"),
    "equal classes": (strings(["a", "a", "c"], "<U1"), "classes can not be"),
    "objects": (strings(["a", "b", None], "|O"), "classes can not be"),
    "lists as classes": (strings([["a"], ["b"], []], "|O"), "classes can not be"),
    "wide classes": (strings(["a", "b", "c"], "<U400000000"), "no valid items"),
    "wider classes": (strings(["a", "b", "c"], "<U99999999999"), "no valid items"),
    "many wide arrays": (
        part("history", to=[{"a": {"$items": [["x"], [1], "<U8000000"]}}] * 200),
        "no valid items.*more characters",
    ),
    "dtype": (strings(["a", "b", "c"], "a,b"), "no valid items"),
    "numbers": (strings([1, 2, 3], "<U1"), "no valid items"),
    "NaN": (array([1.0, 2.0, np.nan, np.nan]), "classes can not be"),
    "matrix": (array(np.eye(3)), "classes can not be"),
    "seed": (part("seed", to=2**70), "random state"),
    "no seed": (part("seed", to=None), "'seed'"),
    "no random": (part("random", to={"$random": [1, 2, 3, 4]}), "no valid random"),
    "generator": (tensor("generator", torch.zeros_like), "Invalid mt19937"),
    "generator beyond its end": (
        tensor("generator", lambda t: _with_place(t, 624, 624)),
        "none that it can have",
    ),
    "short generator": (tensor("generator", lambda t: t[:9]), "size to be 9"),
    "position": (
        setting("parameters", "random_state", "$random", 1, to=10**6),
        "no valid random",
    ),
    "twister": (
        tensor("parameters.random_state.0", lambda t: t[:600]),
        "no valid random",
    ),
    "batch size": (part("batch_size", to=0), "batch size"),
    "shape": (tensor(WEIGHT, lambda t: t.T), "shape"),
    "empty": (tensor(WEIGHT, lambda t: t[:0]), "shape"),
    "dtype of a tensor": (tensor(WEIGHT, torch.Tensor.double), "float64"),
    "bits": (tensor(WEIGHT, lambda t: t.view(torch.int32)), "int32"),
    "missing": (lambda _, tensors: [tensors.pop(WEIGHT)][1:], "is missing"),
    "removed": (
        lambda content, tensors: (
            tensors.pop(WEIGHT),
            content["fitted"]["network"].pop("hidden.0.weight"),
        )[2:],
        "missing",
    ),
    "surplus": (
        lambda _, tensors: tensors.update({"../../etc/passwd": torch.ones(1)}),
        r"surplus tensors.*passwd",
    ),
    "climbing": (
        lambda content, tensors: (
            tensors.update({"../up": torch.ones(1)}),
            content["fitted"]["network"].update({"../up": {"$tensor": "../up"}}),
        )[2:],
        r"surplus.*\.\./up",
    ),
    "twice": (part("network", "head.linear.weight", to=ONE), "is missing"),
    "number": (part("network", "hidden.0.weight", to=3), "surplus|tensor"),
    "flag": (part("flags", "hidden.0.folds", to=1), "folds"),
    "flags": (part("flags", "head.training", to=True), "does not have just"),
    "no optimizer's group": (part("optimizer", "groups", to=[]), "groups"),
    "group": (part("optimizer", "groups", 0, "rate", to="1"), "'rate'"),
    "group's flag": (part("optimizer", "groups", 0, "amsgrad", to=2), "'amsgrad'"),
    "group's kind": (part("optimizer", "groups", 0, "amsgrad", to=True), "'amsgrad'"),
    "infinite rate": (part("optimizer", "groups", 0, "lr", to=10**400), "too large"),
    "group's step": (part("optimizer", "groups", 0, "params", to=[]), "'params'"),
    "optimizer's shape": (
        tensor("optimizer.state.0.exp_avg", lambda t: t[:1]),
        "shape",
    ),
    "no exp_avg": (part("optimizer", "state", "0", "exp_avg", to=None), "tensor"),
    "another state": (part("optimizer", "state", "0", to={"step": 1}), "state.0"),
    "state of none": (part("optimizer", "state", "99", to={}), "state"),
    "history": (part("history", to=[1]), "history"),
    "batches": (part("history", 0, "batches", to=[]), "history"),
    "best": (part("best", "train_loss", to="a"), "best values"),
    "average's steps": (part("average", "steps", to=-1), "average"),
    "average": (part("average", "tensors", to=[]), "average"),
    "averaged": (tensor("average.tensors.0", lambda t: t.flatten()), "shape"),
    "sums": (part("feature_sums", to={"$tuple": [1, 2]}), "class sums"),
    "augmented": (part("augment", to=[1, 2]), "augment"),
    "own backbone": (part("backbone", to={"own": "Net"}), "does not have"),
    "module": (
        lambda content, _: (
            content["parameters"].pop("backbone"),
            content["fitted"].update(backbone={"own": "Net"}),
        )[2:],
        "Pass that",
    ),
    "backbone of none": (part("backbone", to={"own": None}), "origin"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_forged(change, message, path):
    forge(path, change)
    with pytest.raises(ValueError, match=rf"can not be loaded\. (?s:.*)(?:{message})"):
        sklearn_lwal.load(path)


def test_messages_are_short_and_harmless(path):
    def change(content, tensors):
        content["versions"]["sklearn_lwal"] = "\x1b[31m" + "x" * 10**6
        content["parameters"]["n_jobs"] = 2

    forge(path, change)
    with pytest.raises(ValueError, match="does not have") as caught:
        sklearn_lwal.load(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_the_files_that_are_forged_are_good_ones(path):
    forge(path, lambda content, tensors: None)
    assert sklearn_lwal.load(path).n_iter_ == 1


# In the place of what is there: other kinds, other numbers, nothing.
VALUES = [None, True, -1, 2**63, 1e308, "../x", [], {}, [0], {"a": 0}, {"$tuple": []}]


def leaves(value, place=()):
    """The places of all that is not made of other values."""
    inner = value.items() if isinstance(value, dict) else None
    inner = enumerate(value) if isinstance(value, list) else inner
    if not inner or not value:
        yield place
        return
    yield place
    for key, item in inner:
        yield from leaves(item, (*place, key))


@pytest.mark.parametrize("name", ["linear", "static"])
def test_any_other_value_anywhere(name, saved, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    path = tmp_path / "model"
    data = (saved / name).read_bytes()
    path.write_bytes(data)
    content, _ = archive.read(path)
    rng = np.random.default_rng(0)
    found = {"error": 0, "model": 0}
    for place in leaves(content):
        if not place or place[0] == "versions":
            continue
        for i in rng.choice(len(VALUES), 3, replace=False):
            path.write_bytes(data)
            forge(path, setting(*place, to=VALUES[i]))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    clf = sklearn_lwal.load(path)
                    clf.predict_proba(np.zeros((2, clf.n_features_in_)))
                found["model"] += 1
            except ValueError:
                found["error"] += 1
    assert found["error"] > 100
    assert found["model"] > 10


BOUNDED = """
import resource, sys
import numpy as np, torch
import sklearn_lwal
sys.path.insert(0, sys.argv[1])
from saved import forge
from test_hostile_files import HOSTILE, array, parameter

path, data = sys.argv[2], open(sys.argv[2], "rb").read()
sklearn_lwal.load(path)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000,) * 2)
try:
    bytearray(250_000_000)
    raise SystemExit("There is no limit.")
except MemoryError:
    pass


def few_dimensions(content, tensors):
    # All that is in the file fits, but a network of so many classes has large buffers.
    n, parameters, fitted = 100_000, content["parameters"], content["fitted"]
    array(np.arange(n))(content, tensors)
    parameters.update(output_dim=1, label_update="batch")
    for name in ("adaptive.labels", "adaptive.class_offset", "log_prior"):
        size = (n, 1) if name.endswith("labels") else (n,)
        tensors["network.head." + name] = torch.zeros(size)
    tensors["network.head.linear.weight"] = torch.zeros(1, 3)
    tensors["network.head.linear.bias"] = torch.zeros(1)
    for name in ("class_features", "class_mass"):
        if "head." + name in fitted["network"]:
            del fitted["network"]["head." + name], tensors["network.head." + name]


def one_hot(content, tensors):
    # Their embeddings would be the identity.
    array(np.arange(10**6))(content, tensors)
    del tensors[content["parameters"]["label_embeddings"]["$array"][0]]
    content["parameters"]["label_embeddings"] = None


changes = {name: change for name, (change, _) in HOSTILE.items()}
changes["few dimensions"] = few_dimensions
cases = [(name, data, change) for name, change in changes.items()]
cases.append(("one-hot", open(sys.argv[3], "rb").read(), one_hot))
for name, data, change in cases:
    open(path, "wb").write(data)
    forge(path, change)
    try:
        sklearn_lwal.load(path)
    except ValueError as error:
        if name == "few dimensions":
            assert "so many classes" in str(error), error
        if name == "one-hot":
            assert "n_classes=1000000" in str(error), error
    else:
        raise SystemExit(name)
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits")
def test_memory_is_bounded(path, saved):
    arguments = map(str, (Path(__file__).parent, path, saved / "static"))
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("done")
