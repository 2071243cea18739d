"""Model files that were forged, and what is said of each when it is loaded."""

import json

import numpy as np
import torch
from _helpers.forging import (
    array,
    parameter,
    part,
    setting,
    strings,
    tensor,
    with_place,
)

WEIGHT = "network.hidden.0.weight"
ONE = {"$tensor": WEIGHT}


def origin(own):
    return {"own": own, "weights": None, "hash": None}


FORGED = {
    "class of another": (setting("class", to="os.system"), "none of"),
    "class with a path": (setting("class", to="../STDClassifier"), "none of"),
    "private class": (setting("class", to="LabelLearningClassifier"), "none of"),
    "other class": (setting("class", to="STDClassifier"), "does not have:.*init"),
    "content": (lambda content, _: [content], "does not have just"),
    "more in the file": (setting("code", to="import os"), "does not have just"),
    "more fitted": (part("__reduce__", to=1), "does not have just"),
    "unknown parameter": (parameter("n_jobs", 2), r"does not have: \['n_jobs'\]"),
    "__class__": (parameter("__class__", "x"), "does not have"),
    "checkpoints": (parameter("checkpoint_dir", "/etc"), "does not have"),
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
        tensor("generator", lambda t: with_place(t, 624, 624)),
        "not a valid one",
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
            content["fitted"].update(backbone=origin("Net")),
        )[2:],
        "Pass that",
    ),
    "backbone of none": (part("backbone", to=origin(None)), "origin"),
}
