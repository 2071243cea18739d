"""Classes unknown in training: adding them, and detecting their samples."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from .._utils import validation as check
from .._utils.class_labels import encode, places, plain, same_labels
from .._utils.errors import memory_errors
from .._utils.torch_state import in_known_state
from .._utils.typing import Column, Samples
from ..heads.functional import class_membership
from ._parameters import FittedAttributes

# Most rows, or images, from which the spread of the classes is estimated.
SPREAD_ROWS, SPREAD_IMAGES = 10_000, 1_000
# The pooled spread counts like this many samples in the spread of each class.
POOLED_SAMPLES = 5


class OpenSetMixin(FittedAttributes):
    """Adds classes without training, and scores how novel a sample is."""

    _spread_sums: tuple[torch.Tensor, torch.Tensor] | None

    @property
    def temperature_(self) -> float:
        """The temperature of the scores."""
        return self._net.module_.head.adaptive.current_temperature().item()

    @in_known_state
    def add_classes(
        self, X: Samples, y: Column | None = None, sample_weight: Column | None = None
    ) -> Self:
        """Add classes to the fitted model; nothing is trained.

        The label of a new class is the mean latent of its samples, Eq. (1) of the
        paper. Weights and labels of the other classes stay as they are, and
        ``classes_`` stays sorted.

        Parameters
        ----------
        X : {array, DataFrame, sparse matrix, tensor} of shape (n_samples, n_features)
            Samples of new classes only, at least one of each, as in :meth:`fit`.
        y : array-like of shape (n_samples,)
            Class labels of the samples, of the same kind as those in ``classes_``.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights in the means.

        Returns
        -------
        self : object

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If an input is not valid, or if a class is known already, has no weight, or
            is not of the same kind as the others.
        TypeError
            If the type of an input cannot be converted to numbers, or sorted.
        MemoryError
            If the GPU has too little memory for a batch; the model stays as it was.

        Notes
        -----
        If the scores include class priors (see ``init``) or class weights, a new class
        gets the mean prior or weight of the others: the number of samples passed here
        says nothing about the frequency of the class. The latent keeps its dimension,
        even if ``output_dim`` is a multiple of the number of classes. Further training
        (:meth:`partial_fit`, a warm start) treats the new classes like all others.

        Other threads may predict meanwhile: a call sees all of the new classes or none.
        """
        check_is_fitted(self)
        X, y = self._check_input(*self._training_features(X, y, False), False, "all")
        new = self._new_classes(y)
        index = encode(y, new)
        weight = check.check_weights(sample_weight, None, X, index)
        with memory_errors("Pass fewer rows"):
            rows = self._rows(X, index, weight)
            sums, masses = self.net_.feature_sums(rows, n_classes=len(new))
            if not bool((masses > 0).all()):
                empty = new[(masses == 0).cpu().numpy()].tolist()
                raise ValueError(f"The classes {empty} have no samples of any weight.")
            labels = self.net_.module_.head.latents_of(sums / masses[:, None])
            spread = self._spread_of(rows, labels.detach())
        classes, kept, added = _with_new(self.classes_, new)
        net = self._grown_net(kept, added, sums / masses[:, None])
        grown = {"net_": net, "classes_": classes}
        more = {"_feature_sums": (sums.cpu(), masses.cpu()), "_spread_sums": spread}
        for name in more:
            known = getattr(self, name, None)
            if known is not None:
                grown[name] = _merged(known, more[name], kept, added)
        # One atomic update: other threads see all of the new attributes or none.
        self.__dict__.update(grown)
        return self

    @in_known_state
    def novelty_score(self, X: Samples) -> NDArray:
        """How far each row lies from all classes; larger values are more novel.

        The score is the distance to the nearest label, divided by the spread of that
        class, so samples of known classes score about 1. The spread is the root mean
        square distance of the class's training samples to its label, estimated from at
        most 10,000 rows of all classes (1,000 images if the backbone is trained). It is
        shrunk towards the pooled spread of all classes, which counts like five samples.
        It is 1 if no class has two samples. Class weights and priors do not enter the
        distance.

        Parameters
        ----------
        X : {array, DataFrame, sparse matrix, tensor} of shape (n_samples, n_features)
            As in :meth:`predict`.

        Returns
        -------
        score : ndarray of shape (n_samples,)
            Non-negative scores.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X is not valid, or the model was saved by a version that did not store
            the spread.
        TypeError
            If the type of an input cannot be converted to numbers, or sorted.
        MemoryError
            If the GPU has too little memory for a batch.
        """
        seen = self._seen()
        if seen._spread_sums is None:
            raise ValueError(
                "The model was saved without the spread of its classes. Fit it again."
            )
        adaptive = seen.net_.module_.head.adaptive
        offset = adaptive.class_offset.cpu().numpy()
        distance = (offset - self._infer(X, "scores", seen)) / seen.temperature_
        nearest = distance.argmin(axis=1)
        found = np.take_along_axis(distance, nearest[:, None], axis=1)[:, 0]
        return np.maximum(found, 0) / seen._spread().astype(found.dtype)[nearest]

    def _new_classes(self, y):
        new = np.unique(y)
        if _kinds(new) != _kinds(self.classes_):
            raise ValueError(
                "New class labels must be of the same kind as the known ones, "
                f"{plain(self.classes_[:3])}. Got {plain(new[:3])}."
            )
        known = new[places(new, self.classes_) >= 0]
        if len(known):
            raise ValueError(
                f"The classes {plain(known)} are known already. Pass only samples of "
                "new classes; partial_fit trains further on known ones."
            )
        return new

    def _grown_net(self, kept, added, means):
        """A net with more classes that shares the other tensors of this one."""
        net, module = copy.copy(self.net_), self.net_.module_.sharing()
        net.module = net.module_ = module
        module.head.add_classes(*map(torch.from_numpy, (kept, added)), means)
        net.classes = np.arange(len(kept) + len(added))
        # The old average has fewer labels.
        net.restart_average()
        return net

    def _measure(self, train, is_partial):
        earlier = getattr(self, "_spread_sums", None) if is_partial else None
        found = self._spread_of(train, self.net_.module_.head.labels)
        if earlier is not None:
            found = tuple(a + b for a, b in zip(earlier, found, strict=True))
        self._spread_sums = found

    @torch.no_grad()
    def _spread_of(self, rows, labels):
        """Class sums of squared distances to the labels, and class weights.

        Both are float64 tensors (n_classes,) on the host.
        """
        size = SPREAD_IMAGES if self._trains_backbone else SPREAD_ROWS
        sample = rows.sample(size, torch.Generator().manual_seed(self._seed))
        module = self.net_.module_.eval()
        identity = torch.eye(len(labels), device=labels.device)
        squares, masses = 0.0, 0.0
        for X, y, weight in sample.in_order():
            z = module(X, "latent")
            square = (z - labels.to(z.dtype)[y]).square().sum(1)
            member = class_membership(y, identity, weight)
            squares = squares + (member @ square.to(member.dtype)).double().cpu()
            masses = masses + member.sum(1).double().cpu()
        # Divide weights by their mean, so that they count samples.
        unit = masses.sum() / len(sample)
        return squares / unit, masses / unit

    def _spread(self):
        squares, masses = (part.numpy() for part in self._spread_sums)
        # The class mean takes one degree of freedom.
        counted = np.maximum(masses - 1, 0)
        if counted.sum() < 1e-6:
            return np.ones(len(squares))
        pooled = squares.sum() / max(counted.sum(), 1)
        found = (squares + POOLED_SAMPLES * pooled) / (counted + POOLED_SAMPLES)
        return np.sqrt(np.maximum(found, np.finfo(np.float32).tiny))


def _kinds(labels):
    """The kinds of labels; labels of one kind can be sorted together."""
    kinds = {type(value) for value in plain(labels)}
    alike = {int: "number", float: "number", np.str_: str}
    return {alike.get(kind, kind) for kind in kinds}


def _with_new(classes, new):
    """All classes, sorted, and the indices of the known and the new among them."""
    if classes.dtype.kind in "iuf":
        # Keep integers if the new labels are floats with integer values.
        with np.errstate(invalid="ignore"):
            same = new.astype(classes.dtype)
        new = same if same_labels(new, np.sort(same)) else new
    both = np.unique(np.concatenate([classes, new]))
    kept, added = places(classes, both), places(new, both)
    if min(kept.min(), added.min()) < 0:
        raise ValueError(
            f"No array can hold the known class labels, of dtype {classes.dtype}, and "
            f"the new ones, of dtype {new.dtype}, without rounding. Pass y of dtype "
            f"{classes.dtype}."
        )
    return both, kept, added


def _merged(known, more, kept, added):
    """Merge tensors (n_classes, ...) of known and new classes by their indices."""
    found = []
    for old, new in zip(known, more, strict=True):
        both = old.new_empty(len(old) + len(new), *old.shape[1:])
        both[torch.from_numpy(kept)] = old
        both[torch.from_numpy(added)] = new.to(old)
        found.append(both)
    return tuple(found)
