"""Model files and checkpoints made to do harm, each with a checksum that fits.

``PYTHONPATH=tests python -m _helpers.hostile_files FOLDER`` writes them all.
``data/hostile/README.md`` has a line on each.
"""

import contextlib
import sys
from pathlib import Path

import numpy as np
import torch
from _helpers.forged_files import FORGED, WEIGHT
from _helpers.forging import (
    INF,
    NAN,
    array,
    checkpoint,
    filled,
    group,
    parameter,
    part,
    strings,
    tensor,
)
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
