"""Contents of files, values that cannot be written, and failed writes."""

import numpy as np
import pytest
import torch
from _helpers.saved import assert_same_model
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import EpochScoring

import sklearn_lwal
from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal.classifiers._warm_start import built_from

QUICK = {"max_epochs": 2, "random_state": 0, "device": "cpu"}


def fitted(clf, iris, **options):
    return clone(clf).set_params(**QUICK | options).fit(*iris)


class Own(LwALClassifier):
    pass


class OwnOptimizer(torch.optim.Adam):
    pass


CAN_NOT = {
    "optimizer": ({"optimizer": OwnOptimizer}, "'optimizer' .*OwnOptimizer.*joblib"),
    "namesake": ({"optimizer": type("SGD", (torch.optim.SGD,), {})}, "'optimizer'"),
    "net_params": (
        {"net_params": {"optimizer__param_groups": [("*", {"lr": EpochScoring})]}},
        "'net_params' .*EpochScoring",
    ),
    "random_state": (
        {"random_state": np.random.RandomState(np.random.PCG64(0))},
        r"'random_state' .*set_params\(random_state=None\)",
    ),
}


@pytest.mark.parametrize(("options", "message"), CAN_NOT.values(), ids=CAN_NOT)
def test_what_no_file_can_hold(options, message, iris, tmp_path):
    path = tmp_path / "model"
    path.write_text("old")
    clf = fitted(STDClassifier(), iris)
    for name, value in options.items():
        setattr(clf, name, value)
    clf._built_from = built_from(clf)
    with pytest.raises(ValueError, match=message):
        clf.save(path)
    assert path.read_text() == "old"


def test_what_is_not_saved(iris, tmp_path):
    path = tmp_path / "model"
    with pytest.raises(NotFittedError):
        LwALClassifier().save(path)
    with pytest.raises(ValueError, match=r"Got Own, a subclass.*joblib"):
        Own(**QUICK).fit(*iris).save(path)
    clf = fitted(LwALClassifier(), iris).set_params(output_dim=7, lr=1.0)
    with pytest.raises(ValueError, match=r"\['output_dim'\] were changed"):
        clf.save(path)
    clf.set_params(output_dim="auto").save(path)
    clf.history_[0]["mine"] = clf.net_.history[0]["mine"] = object()
    with pytest.raises(ValueError, match=r"holds <object.*callback"):
        clf.save(path)
    with pytest.raises(FileNotFoundError):
        fitted(LwALClassifier(), iris).save(tmp_path / "no" / "model")


def test_a_failed_save_leaves_the_old_model(iris, tmp_path, monkeypatch):
    old, new = (fitted(STDClassifier(), iris, random_state=seed) for seed in (0, 1))
    path = tmp_path / "model"
    old.save(path)
    with monkeypatch.context() as patched:
        patched.setattr("os.replace", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            new.save(path)
    assert_same_model(old, sklearn_lwal.load(path), iris[0])
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    new.save(path)
    assert_same_model(new, sklearn_lwal.load(path), iris[0])
