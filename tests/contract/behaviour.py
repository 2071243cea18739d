"""Fits whose outputs are recorded, so that a change of structure shows as no change.

``python tests/contract/behaviour.py`` records them anew, in
``tests/data/behaviour.json``.
"""

import contextlib
import functools
import hashlib
import json
import platform
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

import sklearn_lwal
from sklearn_lwal import (
    Backbone,
    LabelEmbedClassifier,
    LabelRandomizedSearchCV,
    LabelSearchCV,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
    load,
)

PATH = Path(__file__).parents[1] / "data" / "behaviour.json"
PAPER = {"init": "random", "average": False, "standardize": False}
HIDDEN = {"hidden_layer_sizes": 16}
CONFIGURATIONS = {}
digits = functools.cache(lambda: load_digits(return_X_y=True))


def configuration(name, *args, **options):
    """Register a function under a name; it returns a dict of arrays."""

    def register(function):
        CONFIGURATIONS[name] = functools.partial(function, *args, **options)
        return function

    return register


def data(n=300, start=0):
    X, y = digits()
    return X[start : start + n], y[start : start + n]


def new(Classifier=LwALClassifier, **options):
    return Classifier(**{"random_state": 0, "device": "cpu", "max_epochs": 4} | options)


def told(clf, X=None):
    """All that a fitted classifier says of rows that it has not seen."""
    X = data(200, 1000)[0] if X is None else X
    return {
        "predictions": clf.predict(X),
        "probabilities": clf.predict_proba(X),
        "latents": clf.transform(X),
        "labels": clf.labels_,
        "losses": np.array([row["train_loss"] for row in clf.history_]),
        "classes": clf.classes_,
    }


def fit(clf, *args, X_new=None, **options):
    return told(clf.fit(*args, **options), X_new)


FITS = {
    "lwal": (LwALClassifier, {}),
    "lwal auto epochs": (LwALClassifier, {"max_epochs": "auto"}),
    "lwal paper": (LwALClassifier, {"label_update": "batch", **PAPER}),
    "lwal paper, repel": (
        LwALClassifier,
        {"label_update": "batch", "repel_weight": 1.0, "output_dim": 20, **PAPER},
    ),
    "lwal, every third batch": (
        LwALClassifier,
        {"label_update": "batch", "update_every": 3, "warmup_steps": 2},
    ),
    "lwal, hidden layers": (LwALClassifier, {"hidden_layer_sizes": (32, 16)}),
    "lwal, wide latent": (LwALClassifier, {"output_dim": 25}),
    "lwal, l2 and SGD": (LwALClassifier, {"l2": 0.01, "optimizer": "sgd", "lr": 0.05}),
    "lwal, clipped": (LwALClassifier, {"max_grad_norm": 0.1, "batch_size": 50}),
    "lwal, balanced": (LwALClassifier, {"class_weight": "balanced"}),
    "lwal, raw units": (LwALClassifier, {"standardize": False}),
    "std": (STDClassifier, {}),
    "std, hidden layers": (STDClassifier, {"hidden_layer_sizes": 32}),
    "std, no average": (STDClassifier, {"average": False, "batch_size": 64}),
    "static": (StaticLabelClassifier, {}),
    "static, hidden layers": (StaticLabelClassifier, {"hidden_layer_sizes": 32}),
    "lwr": (LWRClassifier, {"update_every": 2}),
    "label embedding": (LabelEmbedClassifier, {}),
    "label embedding, hidden layers": (
        LabelEmbedClassifier,
        {"hidden_layer_sizes": 32},
    ),
    "lwal, early stopping": (
        LwALClassifier,
        {"early_stopping": True, "n_iter_no_change": 2, "max_epochs": 12},
    ),
    "std, early stopping, hidden layers": (
        STDClassifier,
        {"early_stopping": True, "hidden_layer_sizes": 32, "max_epochs": 12},
    ),
}
for name, (Classifier, options) in FITS.items():

    @configuration(name, Classifier, options)
    def _fitted(Classifier, options):
        return fit(new(Classifier, **options), *data())


@configuration("lwal, sample weights", LwALClassifier)
@configuration("std, sample weights", STDClassifier)
def weighted(Classifier):
    weight = np.random.RandomState(0).choice([0.0, 0.5, 2.0], 300)
    return fit(new(Classifier), *data(), sample_weight=weight)


@configuration("lwal, sparse", LwALClassifier, {})
@configuration("lwal, sparse, hidden layers", LwALClassifier, {"dropout": 0.3})
def sparse(Classifier, options):
    sizes = (16,) if options else ()
    X, y = data()
    return fit(new(Classifier, hidden_layer_sizes=sizes, **options), sp.csr_array(X), y)


@configuration("lwal, float64 rows")
def wide():
    X, y = load_iris(return_X_y=True)
    return fit(new(), X + 1e6, y, X_new=X[::3] + 1e6)


@configuration("lwal, texts as labels")
def named():
    X, y = load_wine(return_X_y=True)
    return fit(new(), X, np.array(["red", "white", "rosé"])[y], X_new=X[::2])


@configuration("lwal, eval_set")
def measured():
    clf = new(max_epochs=6)
    found = fit(clf, *data(), eval_set=data(100, 600))
    return found | {"valid": np.array([row["valid_loss"] for row in clf.history_])}


@configuration("lwal, a stream", LwALClassifier, {})
@configuration(
    "std, a stream, hidden layers", STDClassifier, {"hidden_layer_sizes": 16}
)
@configuration("lwal, a stream of float64 rows", LwALClassifier, {}, 1e6)
def stream(Classifier, options, offset=0.0):
    clf = new(Classifier, **options)
    for start in (0, 150, 300):
        X, y = data(150, start)
        clf.partial_fit(X + offset, y, classes=np.arange(10))
    return told(clf, data(200, 1000)[0] + offset)


@configuration("lwal, warm start", LwALClassifier, {})
@configuration("lwal, warm start, hidden layers", LwALClassifier, {"dropout": 0.2})
def warm(Classifier, options):
    sizes = (16,) if options else ()
    clf = new(Classifier, warm_start=True, hidden_layer_sizes=sizes, **options)
    return fit(clf.fit(*data()).set_params(lr=3e-3), *data(300, 300))


@configuration("lwal, new classes")
def grown():
    X, y = data(400)
    clf = new().fit(X[y < 8], y[y < 8])
    return told(clf.add_classes(X[y >= 8], y[y >= 8]))


class BreaksOff(Callback):
    """Ends a fit after two epochs, as a crash would."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            raise RuntimeError


@configuration("lwal, resumed", LwALClassifier, {})
@configuration("std, resumed, hidden layers", STDClassifier, HIDDEN)
def resumed(Classifier, options):
    with tempfile.TemporaryDirectory() as folder:
        clf = new(Classifier, checkpoint_dir=folder, **options)
        with contextlib.suppress(RuntimeError):
            clf.set_params(callbacks=[BreaksOff()]).fit(*data())
        return fit(clf.set_params(callbacks=None), *data(), resume=True)


@configuration("lwal, hidden layers, saved and loaded", LwALClassifier)
@configuration("static, hidden layers, saved and loaded", StaticLabelClassifier)
def reloaded(Classifier):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        new(Classifier, hidden_layer_sizes=16).fit(*data()).save(path)
        clf = load(path)
        return told(clf.partial_fit(*data(150, 300)))


@configuration("lwal, hidden layers, exported")
def exported():
    X = torch.from_numpy(data(200, 1000)[0]).float()
    module = new(hidden_layer_sizes=16).fit(*data()).to_torch()
    return {"probabilities": module(X).detach().numpy()}


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten())


@configuration("lwal, frozen backbone", LwALClassifier, True)
@configuration("lwal, trained backbone", LwALClassifier, False)
@configuration("std, trained backbone", STDClassifier, False)
def images(Classifier, frozen):
    def as_images(X):
        return (X.reshape(-1, 8, 8) / 16).astype(np.float32)

    X, y = data(100)
    clf = new(Classifier, backbone=Backbone(small_net(), trainable=not frozen))
    return fit(clf, as_images(X), y, X_new=as_images(data(50, 1000)[0]))


SEARCHES = {
    "search, lwal": (new(), {"lr": [1e-3, 1e-2], "l2": [0.0, 0.01]}),
    "search, paper": (
        new(label_update="batch", **PAPER),
        {"update_every": [1, 4], "repel_weight": [0.0, 1.0], "output_dim": [10, 20]},
    ),
    "search, hidden layers": (
        new(hidden_layer_sizes=16),
        {"dropout": [0.0, 0.3], "batch_size": [32, 64]},
    ),
    "search, std": (new(STDClassifier), {"lr": [1e-3, 1e-2]}),
    "search, rivals": (new(LWRClassifier), {"temperature": [2.0, 5.0]}),
    "search, early stopping": (
        new(early_stopping=True, n_iter_no_change=1, max_epochs=8),
        {"lr": [1e-3, 1e-1]},
    ),
    "search, a Pipeline": (
        make_pipeline(StandardScaler(), PCA(random_state=0), new()),
        {"pca__n_components": [5, 20], "lwalclassifier__l2": [0.0, 0.01]},
    ),
}
for name, (estimator, grid) in SEARCHES.items():

    @configuration(name, estimator, grid)
    def _searched(estimator, grid):
        search = LabelSearchCV(estimator, grid, cv=3, error_score="raise")
        return found_by(search)


@configuration("search, random, several scores")
def random_search():
    search = LabelRandomizedSearchCV(
        new(),
        {"lr": np.logspace(-4, -1, 20), "l2": [0.0, 0.01]},
        n_iter=4,
        cv=StratifiedKFold(2, shuffle=True, random_state=0),
        scoring=["accuracy", "neg_log_loss"],
        refit="neg_log_loss",
        random_state=0,
        return_train_score=True,
    )
    return found_by(search)


def found_by(search):
    X, y = data(240)
    search.fit(X, y)
    scores = {
        name: np.asarray(values, dtype=float)
        for name, values in search.cv_results_.items()
        if name.startswith(("mean_t", "std_t", "rank", "split"))
    }
    best = {"best_index": np.array(search.best_index_)}
    return scores | best | {"probabilities": search.predict_proba(data(100, 1000)[0])}


def processor():
    """The kind of processor, by which libraries choose their kernels."""
    names = "model name", "cpu family", "model", "stepping", "cache size"
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return [platform.processor()]
    pairs = [[part.strip() for part in line.split(":", 1)] for line in lines]
    return [": ".join(pair) for pair in pairs if pair[0] in names]


def environment():
    """All that the last bits depend on."""
    return {
        "processor": processor(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def recorded(found):
    """Arrays as hashes of their bytes, some of their values, and their shapes."""
    return {name: _recorded(np.asarray(array)) for name, array in found.items()}


def _recorded(array):
    text = array.astype(str).astype("U") if array.dtype.kind in "OU" else array
    content = np.ascontiguousarray(text).tobytes()
    spread = array.ravel()[:: max(1, array.size // 8)][:8]
    return {
        "dtype": str(text.dtype),
        "shape": list(array.shape),
        "sha256": hashlib.sha256(content).hexdigest()[:16],
        "values": spread.tolist(),
    }


def main():
    torch.set_num_threads(1)
    record = {"version": sklearn_lwal.__version__, "environment": environment()}
    found = {name: recorded(run()) for name, run in CONFIGURATIONS.items()}
    PATH.write_text(json.dumps(record | {"configurations": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
