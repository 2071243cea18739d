"""Checkpoints: a fit writes its state after each epoch and can resume after a kill."""

import contextlib
import copy
import hashlib
import os
import warnings
from numbers import Integral

import numpy as np
import torch

from .._serialization import file as archive
from .._serialization.checks import check_fields, check_kinds, wrong
from .._serialization.codec import NotPlain, decode, encode
from .._serialization.file import shown
from .._training import distributed
from .._training.batches import LabelledRows
from .._training.early_stopping import StopOnAccuracy
from .._training.row_storage import StreamedRows
from .._utils.class_labels import plain, same_labels
from .._utils.files import as_path, remove_leftovers
from .._utils.rng import check_state
from ..features._images import as_images, is_dataset
from ._net_state import STATE, net_state, set_net_state
from ._save import versions
from ._saved_state import PARTS
from ._warm_start import described

NAME = "checkpoint.safetensors"
# Parameters that may change before a fit resumes, because no result depends on them.
LOOSE = frozenset(
    ["backbone__memory", "callbacks", "checkpoint_dir", "verbose", "warm_start"]
)
# Number of rows, evenly spaced, whose features are compared.
COMPARED_ROWS = 64
# Parts of the fitted state that are known when training begins.
KNOWN_PARTS = ("classes", "seed", "built_for", "batch_size")
CONTENT = {
    "class": str,
    "versions": dict,
    "parameters": dict,
    "data": dict,
    "random": np.random.RandomState,
    "epochs_before": int,
    **{name: PARTS[name].kinds for name in KNOWN_PARTS},
    "generators": list,
    "head": dict,
    "callbacks": dict,
    **STATE,
}


def open_checkpoint(clf, resume):
    """The :class:`Checkpoint` of a fit that begins, or None without a folder."""
    if clf.checkpoint_dir is None:
        if resume:
            raise ValueError(
                "resume=True needs the folder that an earlier fit wrote to. Set the "
                "parameter checkpoint_dir."
            )
        return None
    folder = as_path(clf.checkpoint_dir)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ValueError(
            "The 'checkpoint_dir' parameter must be a folder that can be made. Got "
            f"{str(clf.checkpoint_dir)!r}: {error}"
        ) from error
    checkpoint = Checkpoint(folder, _parameters(clf))
    if resume or (clf.warm_start and not hasattr(clf, "net_")):
        checkpoint.read(type(clf).__name__)
    return checkpoint


class Checkpoint:
    """The checkpoint file of one fit, to resume from and to write.

    Parameters
    ----------
    folder : path
        An existing folder.
    parameters : dict of str to (str, str)
        A hash and a description of each parameter.

    Attributes
    ----------
    saved : dict or None
        The contents of the file that the fit resumes from.
    generators : list of torch.Generator
        The generators of the fit; the caller sets them before training begins.
    """

    def __init__(self, folder, parameters):
        self.path = os.path.join(folder, NAME)
        self.saved, self.generators = None, []
        self.begin = {"parameters": parameters}

    def read(self, kind):
        """Read the file, if it exists, to resume from it.

        Raises
        ------
        ValueError
            If it is damaged, or belongs to another class or to other parameters.
        """
        try:
            content, tensors = archive.read(self.path)
            found = decode(content, tensors)
            saved = check_fields(found.get("checkpoint"), "checkpoint", CONTENT)
            _check_values(saved)
        except FileNotFoundError:
            return
        except ValueError as error:
            raise self._refused(f"can not be read. {error}") from error
        if saved["class"] != kind:
            raise self._refused(f"is of a {saved['class']}, not of a {kind}")
        before, now = saved["parameters"], self.begin["parameters"]
        names = sorted({*before, *now})
        changed = [k for k in names if before.get(k, ("",))[0] != now.get(k, ("",))[0]]
        if changed:
            words = ", ".join(f"{k}={before[k][1]}" for k in changed if k in before)
            raise self._refused(f"is of a fit with other {changed}: {words}")
        self.saved = saved

    def _refused(self, reason):
        return ValueError(
            f"The checkpoint {self.path!r} {reason}. Call fit as before to resume. "
            "To start again, delete the file or set another checkpoint_dir."
        )

    @contextlib.contextmanager
    def _refusing(self):
        """Turn errors inside into one that says that the file does not fit."""
        try:
            yield
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            reason = f"does not fit the model ({shown(error)})"
            raise self._refused(reason) from error

    def note_begin(self, clf, X, warm):
        """Record the random state before the classifier draws, and hash its images.

        A fit from scratch deletes the checkpoint of an earlier fit.
        """
        if not (self.saved or warm or distributed.rank_and_size()[0]):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        # Hash the images, because a backbone's features may differ by rounding.
        known = clf.backbone is not None and not is_dataset(X)
        images = LabelledRows(as_images(X), np.zeros(len(X), int)) if known else None
        self.begin |= {
            "data": {"images": images and _digest(images, True)},
            "class": type(clf).__name__,
            "versions": versions(),
            "random": copy.deepcopy(clf._rng),
        }

    def restore(self, clf, train, valid):
        """Record hashes of the data; restore the net if the fit resumes.

        Returns
        -------
        restored : bool

        Raises
        ------
        ValueError
            If the checkpoint belongs to other data.
        """
        net = clf.net_
        compare = clf.backbone is None
        for name, rows in (("training", train), ("validation", valid)):
            self.begin["data"][f"{name} data"] = rows and _digest(rows, compare)
        self.begin |= {name: PARTS[name].read(clf) for name in KNOWN_PARTS}
        self.begin["epochs_before"] = len(net.history)
        saved = self.saved
        if saved is None:
            return False
        if not same_labels(saved["classes"], clf.classes_):
            raise self._refused(f"has other classes, {plain(saved['classes'])}")
        for name, digest in self.begin["data"].items():
            if saved["data"].get(name) != digest:
                raise self._refused(f"is of a fit with other {name}")
        with self._refusing():
            set_net_state(net, saved)
            clf._prepare(train, True)
            # Load the weights again: _prepare may have changed them by rounding.
            net.module_.load_state_dict(saved["network"])
        self.begin["epochs_before"] = saved["epochs_before"]
        return True

    def resume(self, net):
        """Called when training begins; returns the number of epochs already done."""
        saved = self.saved
        remove_leftovers(os.path.dirname(self.path))
        if saved is None:
            # Store the seed drawn for random_state=None, and replace an earlier fit.
            self.write(net)
            return 0
        with self._refusing():
            self._set_head_and_generators(net)
        forgetful = []
        for name, callback in net.callbacks_:
            if hasattr(callback, "load_state_dict"):
                if name in saved["callbacks"]:
                    self._set_callback(net, callback, saved["callbacks"][name])
            elif name != "lwal_progress":
                forgetful.append(name)
        if forgetful:
            warnings.warn(
                f"The callbacks {forgetful} start again although the fit resumes: they "
                "have no state_dict and load_state_dict.",
                stacklevel=2,
            )
        return len(net.history) - saved["epochs_before"]

    def _set_head_and_generators(self, net):
        saved, head = self.saved, net.module_.head
        check_kinds(saved["head"], head.training_state(), "head")
        head.load_training_state(saved["head"])
        for generator, state in zip(self._drawing(), saved["generators"], strict=True):
            if generator.device.type == "cpu":
                check_state(state)
            generator.set_state(state)

    def _set_callback(self, net, callback, state):
        if isinstance(callback, StopOnAccuracy):
            known = callback.state_dict()
            # ``state_`` holds the best model so far, if there is one.
            if isinstance(state, dict) and state.get("state_") is not None:
                known["state_"] = net.module_.state_dict()
            with self._refusing():
                check_kinds(state, known, "early stopping")
        callback.load_state_dict(state)

    def write(self, net):
        """Write the complete state before the next epoch."""
        if distributed.rank_and_size()[0] > 0:
            return
        callbacks = {
            name: callback.state_dict()
            for name, callback in net.callbacks_
            if hasattr(callback, "state_dict")
        }
        content = {
            **self.begin,
            **net_state(net),
            "head": net.module_.head.training_state(),
            "generators": [generator.get_state() for generator in self._drawing()],
            "callbacks": callbacks,
        }
        tensors = {}
        try:
            encoded = {k: encode(value, tensors, k) for k, value in content.items()}
        except NotPlain as error:
            raise ValueError(
                f"The checkpoint can not hold {error}. If a callback has it in its "
                "state or put it into the history, leave that callback out; else set "
                "checkpoint_dir=None."
            ) from error
        archive.write(self.path, {"checkpoint": encoded}, tensors)

    def _drawing(self):
        # In distributed training each process has its own generators for dropout.
        alone = distributed.rank_and_size()[1] == 1
        return list(dict.fromkeys(self.generators if alone else self.generators[:1]))


def _check_values(saved):
    """Raise a ValueError if a value cannot come from a fit."""
    classes, parameters = saved["classes"], saved["parameters"]
    described = (isinstance(v, tuple) and len(v) == 2 for v in parameters.values())
    fits = {
        "classes": classes.ndim == 1,
        "parameters": all(described),
        "seed": 0 <= saved["seed"] < 2**32,
        "built_for": 2 <= saved["built_for"] <= classes.size,
        "batch_size": 1 <= saved["batch_size"] < 2**63,
        "epochs_before": 0 <= saved["epochs_before"] <= len(saved["history"]),
    }
    for name, fit in fits.items():
        if not fit:
            raise wrong(f"checkpoint's {name!r}", saved[name])


def _parameters(clf):
    found = described(clf, LOOSE)
    if not isinstance(clf.random_state, (Integral, type(None))):
        # The state of an instance has changed since.
        del found["random_state"]
    return found


def _digest(rows, with_features):
    """A hash of the labels, the weights and the features of some rows."""
    found = hashlib.blake2b(digest_size=16)
    weight = rows.weights
    parts = [rows.y] if weight is None else [rows.y, weight]
    # A Dataset may augment at random, so its images cannot be compared.
    draws = isinstance(rows.rows, StreamedRows) and not rows.rows.is_tensor
    if with_features and not draws:
        spread = torch.linspace(0, len(rows) - 1, min(COMPARED_ROWS, len(rows)))
        index = spread.long().to(rows.y.device)
        index = index if rows.subset is None else rows.subset[index]
        parts.append(rows.rows.take(index))
    for part in parts:
        found.update(repr((part.dtype, tuple(part.shape))).encode())
        found.update(part.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()
