"""Each operation of the file system fails once: what is left is whole."""

import errno
import itertools
import os
import sys
import time
import warnings

import numpy as np
import pytest
import torch
from _helpers.failing_disk import FailingDisk, vanishing
from _helpers.fakes import Graph, KillBefore, Killed, Pixels
from sklearn.base import clone

import sklearn_lwal
from sklearn_lwal import Backbone, STDClassifier
from sklearn_lwal.classifiers import _export
from sklearn_lwal.features._cache import FeatureStore

QUICK = {"max_epochs": 2, "random_state": 0, "device": "cpu"}


def failing(number):
    return {"fail": lambda: OSError(number, os.strerror(number))}


FAULTS = {
    "full": failing(errno.ENOSPC),
    "broken": failing(errno.EIO),
    "forbidden": failing(errno.EACCES),
    "broken from then on": failing(errno.EIO) | {"lasting": True},
    "said to have failed": failing(errno.EIO) | {"done": True},
    "interrupted": {"fail": KeyboardInterrupt, "done": True},
}


class Saving:
    """A model in the place of another."""

    names = ["model"]

    def __init__(self, folder, iris):
        self.path, self.X = folder / "model", iris[0]
        self.models = [
            STDClassifier(**QUICK | {"random_state": seed}).fit(*iris)
            for seed in range(2)
        ]

    def prepare(self):
        self.models[0].save(self.path)
        self.path.chmod(0o600)

    def run(self):
        self.models[1].save(self.path)

    def check(self):
        found = sklearn_lwal.load(self.path).predict_proba(self.X)
        assert any((found == clf.predict_proba(self.X)).all() for clf in self.models)
        assert self.path.stat().st_mode & 0o777 == 0o600

    def is_told(self, error):
        """Whether it is an error that names the file."""
        if isinstance(error, OSError):
            return error.filename == str(self.path)
        return error is None or isinstance(error, KeyboardInterrupt)


class SavingThroughALink(Saving):
    names = ["model", "real"]

    def prepare(self):
        self.models[0].save(self.path.with_name("real"))
        self.path.with_name("real").chmod(0o600)
        self.path.symlink_to("real")

    def check(self):
        super().check()
        assert self.path.is_symlink()


class SavingAnew(Saving):
    """A model where none is."""

    def prepare(self):
        pass

    def check(self):
        if self.path.exists():
            self.path.chmod(0o600)
            super().check()


class Loading(Saving):
    def run(self):
        sklearn_lwal.load(self.path)


class Exporting(Saving):
    """A graph in the place of a model."""

    def run(self):
        self.models[1].to_onnx(self.path)

    def check(self):
        if self.path.read_bytes() != Graph.data:
            super().check()


class Resuming:
    """A fit that goes on from its checkpoint."""

    names = ["checkpoint.safetensors"]
    resume = True

    def __init__(self, folder, iris):
        self.folder, self.path, self.data = folder, folder / self.names[0], iris
        clf = STDClassifier(**QUICK, checkpoint_dir=folder)
        with pytest.raises(Killed):
            clone(clf).set_params(callbacks=[KillBefore(1)]).fit(*iris)
        self.clf, self.started = clf, self.path.read_bytes()
        self.whole = clone(clf).set_params(checkpoint_dir=None).fit(*iris)

    def prepare(self):
        self.path.write_bytes(self.started)

    def run(self):
        clone(self.clf).fit(*self.data, resume=self.resume)

    def check(self):
        again = clone(self.clf).fit(*self.data, resume=True)
        assert again.n_iter_ == 2
        X, _ = self.data
        np.testing.assert_array_equal(
            again.predict_proba(X), self.whole.predict_proba(X)
        )

    def is_told(self, error):
        no_folder = isinstance(error, ValueError) and str(self.folder) in str(error)
        return no_folder or Saving.is_told(self, error)


class BeginningAnew(Resuming):
    resume = False


CASES = [
    *((Saving, name) for name in FAULTS),
    # The same writes of something else, or from another beginning.
    *itertools.product(
        [Exporting, Resuming, SavingThroughALink, SavingAnew, BeginningAnew],
        ["broken", "interrupted"],
    ),
    *itertools.product([Resuming, Loading], ["forbidden", "broken from then on"]),
]


@pytest.mark.parametrize(("Task", "name"), CASES)
def test_the_old_file_or_the_new_one(Task, name, iris, tmp_path, monkeypatch):
    fault = FAULTS[name]
    monkeypatch.setattr(_export, "_onnx_model", lambda *_: Graph())
    folder = tmp_path / "folder"
    folder.mkdir()
    task = Task(folder, (iris[0][::3], iris[1][::3]))
    for n in itertools.count():
        empty(folder)
        task.prepare()
        with FailingDisk(folder, at=n, **fault) as disk:
            found = error_of(task.run)
        if not disk.failed:
            break
        assert task.is_told(found), disk.seen[n]
        left = left_over(folder)
        assert not left or fault.get("lasting"), disk.seen[n]
        for path in left:
            os.utime(path, (0, time.time() - 4000))
        assert {*os.listdir(folder)} - {p.name for p in left} <= {*task.names}
        task.check()
        if Task is Saving:
            task.run()
            assert os.listdir(folder) == task.names
    assert found is None
    assert n > 3


def empty(folder):
    for path in folder.iterdir():
        path.unlink()


def left_over(folder):
    return [*folder.glob(".sklearn_lwal-*.tmp")]


def error_of(run):
    try:
        run()
    except (Exception, KeyboardInterrupt) as error:
        return error
    return None


@pytest.mark.parametrize("Task", [Saving, SavingAnew, Exporting, Resuming])
def test_the_folder_vanishes(Task, iris, tmp_path, monkeypatch):
    monkeypatch.setattr(_export, "_onnx_model", lambda *_: Graph())
    folder = tmp_path / "folder"
    folder.mkdir()
    task = Task(folder, (iris[0][::3], iris[1][::3]))
    for n in itertools.count():
        folder.mkdir(exist_ok=True)
        empty(folder)
        task.prepare()
        with FailingDisk(folder, vanishing(folder), n) as disk:
            found = error_of(task.run)
        if not disk.failed:
            break
        assert task.is_told(found), disk.seen[n]


KINDS = ["keys", "features"]


class TestFeatures:
    """Those of a frozen backbone can always be computed again."""

    @pytest.fixture
    def images(self):
        X = np.random.default_rng(0).integers(0, 256, (140, 4, 4), dtype=np.uint8)
        X[:, 0] |= (np.arange(140) % 2 * 128).astype(np.uint8)[:, None]
        return X, np.arange(140) % 2

    @pytest.mark.parametrize("name", [*FAULTS, "vanishes"])
    def test_they_are_right_whatever_fails(self, name, images, tmp_path):
        folder, X = tmp_path / "features", torch.from_numpy(images[0])[:, None]
        fault = FAULTS.get(name) or {"fail": vanishing(folder)}
        for n in itertools.count():
            folder.mkdir(exist_ok=True)
            empty(folder)
            kept_features(folder, X[:70])
            with FailingDisk(folder, at=n, **fault) as disk:
                found = kept_features(folder, X)
            if not disk.failed:
                break
            again = kept_features(folder, X)
            assert (again == X.flatten(1).numpy()).all(), disk.seen[n]
            assert found is None or (found == again).all(), disk.seen[n]
            assert fault.get("lasting") or in_pairs(folder), disk.seen[n]
        assert n > 10

    def test_a_fit_needs_no_folder(self, images, tmp_path):
        (tmp_path / "joblib").touch()
        clf = STDClassifier(Backbone(Pixels(), memory=tmp_path), **QUICK)
        with pytest.warns(UserWarning, match=f"not kept.*{tmp_path}.*memory to"):
            found = clf.fit(*images).predict_proba(images[0])
        expected = clone(clf).set_params(backbone__memory=None).fit(*images)
        np.testing.assert_array_equal(found, expected.predict_proba(images[0]))

    DAMAGES = {
        "cut off": lambda path: path.write_bytes(path.read_bytes()[:-40]),
        "empty": lambda path: path.write_bytes(b""),
        "text": lambda path: path.write_text("features " * 20),
        "rows of others": lambda path: np.save(path, np.zeros((3, 16), np.float32)),
    }

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
    def test_damaged_ones_are_computed_again(self, kind, damage, images, tmp_path):
        clf = STDClassifier(Backbone(Pixels(), memory=tmp_path), **QUICK).fit(*images)
        expected = clf.predict_proba(images[0])
        (path,) = tmp_path.rglob(f"*.{kind}.npy")
        damage(path)
        with pytest.warns(UserWarning, match=f"{path.parent}.* computed again"):
            again = clone(clf).fit(*images)
        np.testing.assert_array_equal(again.predict_proba(images[0]), expected)

    def test_features_without_keys_are_removed_later(self, images, tmp_path):
        clf = STDClassifier(Backbone(Pixels(), memory=tmp_path), **QUICK).fit(*images)
        (keys,) = tmp_path.rglob("*.keys.npy")
        old, new = (keys.with_name(f"{name}.features.npy") for name in "ab")
        for path in (old, new):
            path.touch()
        os.utime(old, (0, time.time() - 4000))
        clf.predict(255 - images[0])
        assert not old.exists()
        assert new.exists()
        assert len([*keys.parent.iterdir()]) == 5


def kept_features(folder, X):
    """The features of the images, or None where this was interrupted."""
    store = FeatureStore(folder)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Features .* computed again")
        try:
            with store.opened():
                return store.get(X, lambda images: images.flatten(1).float().numpy())
        except KeyboardInterrupt:
            return None


def in_pairs(folder):
    """Whether there are just features and keys of as many writes."""
    names = {path.name for path in folder.iterdir()}
    keys = {name.removesuffix(".keys.npy") for name in names if "keys" in name}
    return names == {f"{key}.{kind}.npy" for key in keys for kind in KINDS}


def test_no_operation_is_missed(iris, tmp_path):
    # Python tells of all but those on open files.
    task, told, listening = Saving(tmp_path, iris), [], True

    def hook(event, args):
        below = listening and args and str(args[0]).startswith(str(tmp_path))
        if below and event.split(".")[0] in ("open", "os", "shutil"):
            told.append((event.removeprefix("os."), str(args[0])))

    sys.addaudithook(hook)
    try:
        with FailingDisk(tmp_path) as disk:
            task.prepare()
            task.run()
            Loading.run(task)
    finally:
        listening = False
    other_words = {"replace": "rename", "unlink": "remove"}
    seen = {(other_words.get(name, name), path) for name, path in disk.seen}
    assert {*told} <= seen
    names = {"open", "write", "flush", "fsync", "replace", "stat", "lstat", "scandir"}
    names |= {"read", "seek", "fstat", "close", "chmod"}
    assert names <= {name for name, _ in disk.seen}
    assert {"open", "rename", "chmod", "scandir"} <= {name for name, _ in told}
