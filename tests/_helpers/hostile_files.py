"""Model files and checkpoints made to do harm, each with a checksum that fits.

``PYTHONPATH=tests python -m _helpers.hostile_files FOLDER`` writes them all.
``data/hostile/README.md`` has a line on each.
"""

import contextlib
import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from _helpers.saved import forge
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale
from skorch.callbacks import Callback

from sklearn_lwal import LwALClassifier, LWRClassifier, StaticLabelClassifier

QUICK = {"max_epochs": 1, "device": "cpu"}


def data():
    """A few rows of each class, and their classes."""
    X, y = load_iris(return_X_y=True)
    return scale(X)[::3].astype(np.float32), np.array(["a", "b", "c"])[y[::3]]


def write_models(folder):
    """The good files that the others are made from."""
    X, y = data()
    options = QUICK | {"random_state": np.random.RandomState(0)}
    hidden = {"hidden_layer_sizes": (3,)}
    LwALClassifier(**options).fit(X, y).save(folder / "linear")
    LwALClassifier(**options, **hidden).fit(X, y).save(folder / "hidden")
    static = StaticLabelClassifier(label_embeddings=np.eye(3), optimizer="sgd")
    static.set_params(**options).fit(X, y).save(folder / "static")
    learned = LwALClassifier(init="random", temperature="learned", **options)
    learned.fit(X, y).save(folder / "learned")
    for name in FITS:
        write_checkpoint(name, folder / name)


class BreakOff(Callback):
    """Ends a fit before its second epoch."""

    def __init__(self):
        self.n_epochs = 0

    def on_epoch_begin(self, net, **kwargs):
        self.n_epochs += 1
        if self.n_epochs == 2:
            raise SystemExit


FITS = {
    "stopping": LwALClassifier(
        hidden_layer_sizes=(3,), early_stopping=True, max_epochs=2, random_state=0
    ),
    "retrospection": LWRClassifier(update_every=1, max_epochs=2, random_state=0),
}


def fit_of(name, folder, **options):
    """One of the fits, with a checkpoint in the folder."""
    return clone(FITS[name]).set_params(device="cpu", checkpoint_dir=folder, **options)


def write_checkpoint(name, folder):
    """One of a fit that was broken off after its first epoch."""
    with contextlib.suppress(SystemExit):
        fit_of(name, folder, callbacks=[BreakOff()]).fit(*data())


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
        tensor("generator", lambda t: _with_place(t, 624, 624)),
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
            content["fitted"].update(backbone={"own": "Net"}),
        )[2:],
        "Pass that",
    ),
    "backbone of none": (part("backbone", to={"own": None}), "origin"),
}


def state(*keys, to):
    return part("optimizer", *keys, to=to)


def group(name, value):
    return state("groups", 0, name, to=value)


def filled(name, value):
    return tensor(name, lambda t: torch.full_like(t, value))


def checkpoint(*keys, to):
    return setting("checkpoint", *keys, to=to)


NAN, INF = float("nan"), float("inf")
HEAD = "network.head."
NOT_FINITE = "numbers that are not finite"
# (file that is changed, change, message of load or None where it loads).
EXTREME = {
    "NaN weights": ("hidden", filled(WEIGHT, NAN), NOT_FINITE),
    "infinite weights": ("hidden", filled(WEIGHT, INF), NOT_FINITE),
    "huge weights": ("hidden", filled(WEIGHT, 3e38), None),
    "NaN units": ("hidden", filled("network.hidden.0.scale", NAN), NOT_FINITE),
    "units of 0": ("hidden", filled("network.hidden.0.scale", 0.0), None),
    "huge units": ("linear", filled(f"{HEAD}linear.scale", 3e38), None),
    "NaN labels": ("linear", filled(f"{HEAD}adaptive.labels", NAN), NOT_FINITE),
    "huge labels": ("linear", filled(f"{HEAD}adaptive.labels", -3e38), None),
    "NaN offsets": ("linear", filled(f"{HEAD}adaptive.class_offset", NAN), NOT_FINITE),
    "infinite offsets": (
        "linear",
        filled(f"{HEAD}adaptive.class_offset", -INF),
        NOT_FINITE,
    ),
    "NaN prior": ("linear", filled(f"{HEAD}log_prior", NAN), NOT_FINITE),
    "NaN embeddings": ("static", filled(f"{HEAD}label_embeddings", NAN), "embeddings"),
    "temperature of 0": (
        "linear",
        filled(f"{HEAD}adaptive.temperature", 0.0),
        "temperature can not be",
    ),
    "negative temperature": (
        "linear",
        filled(f"{HEAD}adaptive.temperature", -1.0),
        "temperature can not be",
    ),
    "infinite temperature": (
        "linear",
        filled(f"{HEAD}adaptive.temperature", INF),
        NOT_FINITE,
    ),
    "temperature beyond floats": (
        "learned",
        filled(f"{HEAD}adaptive.log_temperature", 1e30),
        "temperature can not be inf",
    ),
    "temperature below floats": (
        "learned",
        filled(f"{HEAD}adaptive.log_temperature", -1e30),
        "temperature can not be 0",
    ),
    "negative variances": ("hidden", filled("network.hidden.2.running_var", -1), None),
    "batches below 0": (
        "hidden",
        filled("network.hidden.2.num_batches_tracked", -(2**63)),
        None,
    ),
    "last step of all": ("linear", filled(f"{HEAD}adaptive.step", 2**63 - 1), None),
    "steps below 0": ("linear", filled(f"{HEAD}adaptive.step", -(2**63)), None),
    "NaN class features": ("hidden", filled(f"{HEAD}class_features", NAN), NOT_FINITE),
    "masses below 0": ("hidden", filled(f"{HEAD}class_mass", -1.0), None),
    "NaN sums": ("linear", filled("feature_sums.0", NAN), "class sums can not be"),
    "infinite sums": ("linear", filled("feature_sums.0", INF), "class sums can not be"),
    "sums of masses below 0": (
        "linear",
        filled("feature_sums.1", -1.0),
        "class sums can not be",
    ),
    "NaN spread": ("linear", filled("spread.0", NAN), "spread can not be"),
    "spread below 0": ("linear", filled("spread.0", -1.0), "spread can not be"),
    "infinite spread": ("linear", filled("spread.0", INF), None),
    "NaN average": ("linear", filled("average.tensors.0", NAN), None),
    "endless average": ("linear", part("average", "steps", to=10**30), None),
    "NaN moments": ("hidden", filled("optimizer.state.0.exp_avg", NAN), None),
    "squares below 0": ("hidden", filled("optimizer.state.0.exp_avg_sq", -1.0), None),
    "infinite squares": ("hidden", filled("optimizer.state.0.exp_avg_sq", INF), None),
    "optimizer's steps below 0": ("hidden", filled("optimizer.state.0.step", -9), None),
    "huge rate": ("linear", group("lr", 1e308), None),
    "rate below 0": ("linear", group("lr", -1.0), None),
    "betas of no kind": ("linear", group("betas", 1), "'betas' can not be"),
    "betas of words": (
        "linear",
        group("betas", {"$tuple": ["x", "y"]}),
        "'betas' can not be",
    ),
    "betas beyond 1": ("linear", group("betas", {"$tuple": [2.0, -1.0]}), None),
    "option of words": ("linear", group("eps", "x"), "'eps' can not be"),
    "option of a list": ("linear", group("mine", [[]]), "'mine' can not be"),
    "huge batches": ("linear", part("batch_size", to=2**62), None),
    "endless batches": ("linear", parameter("batch_size", 10**30), "'batch_size'"),
    "endless epochs": ("linear", parameter("max_epochs", 10**12), None),
    "endless warmup": ("learned", parameter("warmup_steps", 10**30), "'warmup_steps'"),
    "huge lr": ("linear", parameter("lr", 1e308), None),
    "tiny lr": ("linear", parameter("lr", 5e-324), None),
    "huge l2": ("static", parameter("l2", 1e308), None),
    "huge weight of a class": (
        "linear",
        parameter("class_weight", {"a": 1e308, "b": 0, "c": 5e-324}),
        None,
    ),
    "device that is not there": ("linear", parameter("device", "cuda:99"), None),
    "device without memory": ("linear", parameter("device", "meta"), "'device'"),
    "nonsense as history": ("linear", part("history", 0, "train_loss", to="x"), None),
    "long history": (
        "linear",
        part(
            "history",
            to=[{"epoch": n + 1, "train_loss": 1e308} for n in range(10**4)],
        ),
        None,
    ),
    "infinite best": ("linear", part("best", "train_loss", to={"$float": "inf"}), None),
    "infinite classes": ("linear", array([-INF, 0.0, INF]), None),
    "no time as class": (
        "linear",
        lambda content, tensors: (
            array(np.array([0, 1, -(2**63)]))(content, tensors),
            content["fitted"]["classes"]["$array"].__setitem__(1, "<M8[s]"),
        )[2:],
        "classes can not be",
    ),
    "control characters": ("linear", strings(["\x1b[31m", "b", "c"], "<U5"), None),
    "long names": ("linear", strings(["a" * 10**5, "b", "c"], "|O"), None),
}
# (fit that is gone on with, change, message of fit or None where it goes on).
CHECKPOINTS = {
    "epochs yet to come": (
        "stopping",
        checkpoint("epochs_before", to=10**12),
        "'epochs_before' can not be",
    ),
    "epochs below 0": (
        "stopping",
        checkpoint("epochs_before", to=-(10**12)),
        "'epochs_before' can not be",
    ),
    "a latent of terabytes": (
        "stopping",
        checkpoint("built_for", to=10**12),
        "'built_for' can not be",
    ),
    "batches of -1": (
        "stopping",
        checkpoint("batch_size", to=-1),
        "'batch_size' can not be",
    ),
    "seed beyond 32 bits": (
        "stopping",
        checkpoint("seed", to=10**30),
        "'seed' can not be",
    ),
    "parameters of no kind": (
        "stopping",
        checkpoint("parameters", "lr", to=None),
        "'parameters' can not be",
    ),
    "NaN network": ("stopping", filled(WEIGHT, NAN), NOT_FINITE),
    "zeros as generator": (
        "stopping",
        filled("generators.0", 0),
        "does not fit the model .*mt19937",
    ),
    "no generators": (
        "stopping",
        checkpoint("generators", to=[]),
        "does not fit the model",
    ),
    "methods of a callback": (
        "stopping",
        checkpoint("callbacks", "lwal_early_stopping", "on_epoch_end", to=1),
        "early stopping does not have just",
    ),
    "words for the best loss": (
        "stopping",
        checkpoint("callbacks", "lwal_early_stopping", "best_loss_", to="x"),
        "best_loss_ can not be",
    ),
    "another best model": (
        "stopping",
        checkpoint("callbacks", "lwal_early_stopping", "state_", to={"a": 1}),
        "early stopping.state_ does not have just",
    ),
    "soft labels of one row": (
        "retrospection",
        tensor("head.soft_labels", lambda t: t[:1]),
        "head.soft_labels.*shape",
    ),
    "words for soft labels": (
        "retrospection",
        lambda content, tensors: (
            tensors.pop("head.soft_labels"),
            content["checkpoint"]["head"].update(soft_labels="x"),
        )[2:],
        "head.soft_labels",
    ),
    "words for an epoch": (
        "retrospection",
        checkpoint("head", "epoch", to="x"),
        "head.epoch can not be",
    ),
}


def write_forged(good, name, path):
    """One of the files; ``good`` has what :func:`write_models` wrote."""
    if name in CHECKPOINTS:
        base, change, _ = CHECKPOINTS[name]
        base = f"{base}/checkpoint.safetensors"
    else:
        base, change, _ = EXTREME.get(name) or ("hidden", *FORGED[name])
    path.write_bytes((good / base).read_bytes())
    forge(path, change)


def use(clf, path):
    """Ask a model that was loaded for all that it can do; errors are ValueErrors."""
    X = np.random.default_rng(0).normal(size=(30, clf.n_features_in_))
    y = clf.classes_[np.arange(30) % len(clf.classes_)]
    asked = [
        lambda: clf.predict(X),
        lambda: clf.predict_proba(X),
        lambda: clf.transform(X),
        lambda: clf.novelty_score(X) if hasattr(clf, "novelty_score") else None,
        lambda: clf.to_torch()(torch.from_numpy(X)),
        lambda: clf.partial_fit(X, y),
        lambda: clf.predict_proba(X),
        lambda: clf.save(path),
        lambda: repr(clf),
    ]
    for ask in asked:
        with contextlib.suppress(ValueError):
            ask()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "good").mkdir(parents=True)
    write_models(folder / "good")
    for name in [*FORGED, *EXTREME, *CHECKPOINTS]:
        words = "_".join(name.replace("'", "").split())
        write_forged(folder / "good", name, folder / f"{words}.safetensors")
