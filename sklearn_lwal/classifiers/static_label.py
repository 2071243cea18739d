"""Fixed label representations, such as embeddings of the class names."""

import contextlib
from typing import Any

import numpy as np
import torch

from .._serialization.file import DAMAGED
from .._utils.class_labels import plain
from ..heads.static import StaticHead
from ._base import LabelLearningClassifier
from ._parameters import parameters


@parameters
class StaticLabelClassifier(LabelLearningClassifier):
    """Classifier whose latents are regressed to given class embeddings.

    The loss is the Huber loss (delta 1) between the latent and the embedding of the
    class, averaged over dimensions ([1]_). A sample belongs to the class whose
    embedding is nearest.

    Parameters
    ----------
    label_embeddings : array-like, dict, callable or None, default=None
        The embedding of each class, p numbers. An array of shape (n_classes, p) has
        them in the order of ``classes_``; a dict maps classes to embeddings (it may
        hold other classes, too), and so does the index of a DataFrame; a callable takes
        the list of the classes and returns the array, like the ``encode`` of a sentence
        encoder if classes are names. It is called once, and a warm start keeps its
        result; but it is cloned and pickled with the classifier, so for a large encoder
        ``dict(zip(names, encode(names)))`` is better. None is the identity: regression
        to one-hot labels.
    backbone, hidden_layer_sizes, dropout, standardize, average, l2, class_weight
        As in :class:`LwALClassifier`.
    max_epochs, lr, batch_size
        As in :class:`STDClassifier`.
    optimizer, max_grad_norm
        As in :class:`LwALClassifier`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        As in :class:`LwALClassifier`.
    warm_start, checkpoint_dir, random_state, verbose, callbacks, net_params
        As in :class:`LwALClassifier`.
    device, precision, compile, distributed
        As in :class:`LwALClassifier`.

    Attributes
    ----------
    labels_ : ndarray of shape (n_classes, p)
        The embeddings, float32.
    history_ : list of dict
        As in :class:`LwALClassifier`; ``train_loss`` is the Huber loss, ``valid_loss``
        the cross-entropy of the probabilities (softmax of the negative distances).
    classes_, n_features_in_, feature_names_in_, n_iter_, net_
        As in :class:`LwALClassifier`.

    See Also
    --------
    LwALClassifier : Learns the labels instead.

    Notes
    -----
    The latents start near the mean of the embeddings, and the loss is linear in errors
    above 1. So embeddings at a distance of about 1 from each other are learned fastest;
    much larger ones need more epochs or a higher learning rate.

    References
    ----------
    .. [1] Boyuan Chen, Yu Li, Sunand Raghupathi, Hod Lipson, "Beyond Categorical Label
       Representations for Image Classification", ICLR 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_lwal import StaticLabelClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> angles = {0: [1, 0], 1: [-0.5, 0.87], 2: [-0.5, -0.87]}
    >>> clf = StaticLabelClassifier(label_embeddings=angles, random_state=0).fit(X, y)
    >>> clf.transform(X).shape
    (150, 2)
    """

    label_embeddings: Any = None

    _parameter_constraints = {
        **LabelLearningClassifier._parameter_constraints,
        "label_embeddings": ["array-like", dict, callable, None],
    }

    _stackable_params = ("l2",)

    def _make_head(self, in_features, n_classes):
        embeddings = embeddings_of(self.label_embeddings, self.classes_)
        return StaticHead(in_features, torch.as_tensor(embeddings), l2=self.l2)

    def _saved_params(self):
        given = super()._saved_params()
        embeddings = given["label_embeddings"]
        if callable(embeddings) or hasattr(embeddings, "to_numpy"):
            # The file holds the embeddings that they gave for the classes.
            fitted = self.net_.module_.head.label_embeddings
            given["label_embeddings"] = fitted.cpu().numpy()
        return given

    @contextlib.contextmanager
    def _params_as_fitted(self, stored):
        kept, embeddings = self.label_embeddings, stored.get("head.label_embeddings")
        if not isinstance(embeddings, torch.Tensor):
            raise ValueError(f"It has no label embeddings. {DAMAGED}")
        self.label_embeddings = embeddings.numpy()
        try:
            yield
        finally:
            self.label_embeddings = kept


def embeddings_of(given, classes):
    """The embeddings of the classes, (n_classes, p) float32."""
    names = plain(classes)
    if given is None:
        return np.eye(len(names), dtype=np.float32)
    what = "The 'label_embeddings' parameter"
    if callable(given):
        what = "The array that the 'label_embeddings' callable returned"
        given = given(names)
    if hasattr(given, "index") and hasattr(given, "to_numpy"):
        given = dict(zip(given.index, given.to_numpy(), strict=True))
    if isinstance(given, dict):
        missing = [name for name in names if name not in given]
        if missing:
            raise ValueError(f"{what} has no vector for the classes {missing}.")
        given = [given[name] for name in names]
    embeddings = _as_numbers(given, what)
    fits = embeddings.ndim == 2 and embeddings.shape[1] > 0
    if not fits or len(embeddings) != len(names):
        raise ValueError(
            f"{what} must be of shape (n_classes, p) with n_classes={len(names)} and "
            f"one row per class in the order of classes_. Got shape {embeddings.shape}."
        )
    with np.errstate(over="ignore"):
        embeddings = embeddings.astype(np.float32, order="C")
    bad = [names[i] for i in np.flatnonzero(~np.isfinite(embeddings).all(1))]
    if bad:
        raise ValueError(
            f"{what} has NaN, infinity or values too large for float32 in the vectors "
            f"of {bad}."
        )
    return embeddings


def _as_numbers(given, what):
    """Convert rows of numbers, which may be tensors on any device, to float64."""
    try:
        if isinstance(given, (list, tuple, torch.Tensor)):
            given = [_as_array(row) for row in given]
        array = np.asarray(given)
        if array.dtype.kind not in "fiubO":
            raise TypeError(f"got an array of dtype {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise ValueError(
            f"{what} must hold vectors of numbers, all of one length: {error}"
        ) from error


def _as_array(row):
    return row.detach().double().cpu().numpy() if isinstance(row, torch.Tensor) else row
