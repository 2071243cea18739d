"""Predictions of a fitted model: classes, probabilities, scores and latents."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.base import (
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)

from .._training.batches import inference_batches
from .._utils.errors import memory_errors
from .._utils.torch_state import in_known_state
from .._utils.typing import Samples
from .._utils.validation import check_X, is_float32
from ._parameters import FittedAttributes


def _margin(scores, classes):
    return scores[:, 1] - scores[:, 0] if len(classes) == 2 else scores


# How each method computes its result from class scores (n, n_classes).
RESPONSES = {
    "predict": lambda scores, classes: classes[scores.argmax(axis=1)],
    "predict_proba": lambda scores, classes: softmax(scores, axis=1),
    "predict_log_proba": lambda scores, classes: log_softmax(scores, axis=1),
    "decision_function": _margin,
}


class LatentClassifierMixin(
    ClassifierMixin,
    TransformerMixin,
    ClassNamePrefixFeaturesOutMixin,
    FittedAttributes,
):
    """Prediction and transformation with ``net_``, ``classes_`` and ``labels_``."""

    @in_known_state
    def predict(self, X: Samples) -> NDArray:
        """The class of each row, (n_samples,)."""
        return self._respond("predict", X)

    @in_known_state
    def predict_proba(self, X: Samples) -> NDArray:
        """Probabilities, (n_samples, n_classes), in the order of ``classes_``."""
        return self._respond("predict_proba", X)

    @in_known_state
    def predict_log_proba(self, X: Samples) -> NDArray:
        """Logarithms of the probabilities, (n_samples, n_classes)."""
        return self._respond("predict_log_proba", X)

    @in_known_state
    def decision_function(self, X: Samples) -> NDArray:
        """Class scores, (n_samples, n_classes); the largest is the prediction.

        For two classes, as in scikit-learn, one column: the score of
        ``classes_[1]`` minus that of ``classes_[0]``, (n_samples,).
        """
        return self._respond("decision_function", X)

    @in_known_state
    def transform(self, X: Samples) -> NDArray:
        """The latent z of each row, (n_samples, output_dim)."""
        return self._infer(X, "latent")

    def _respond(self, method, X):
        seen = self._seen()
        return RESPONSES[method](self._infer(X, "scores", seen), seen.classes_)

    @property
    def _n_features_out(self):
        return self.labels_.shape[1]

    def _infer(self, X, output, seen=None):
        """The network's output, computed in float64 if the device supports it.

        In double precision a row's result does not depend on the other rows of its
        batch, and distances far from the origin keep their digits. A backbone keeps its
        own precision. ``seen`` is the result of :meth:`_seen`, if the caller has it.
        """
        net = (seen or self._seen()).net_
        X = self._features(X)
        images = self._trains_backbone
        if not images:
            X = check_X(self, X, reset=False)
        device = torch.device(net.device)
        dtype = torch.float32 if device.type == "mps" else torch.float64
        module = net.module_.evaluating(dtype)
        dtype_out = np.float32 if images else answer_dtype(X)
        read = self._encoded if images else inference_batches
        n_rows = len(X) if images else X.shape[0]
        result, start = None, 0
        with torch.inference_mode(), memory_errors("Pass fewer rows"):
            for rows in read(X, device, dtype):
                part = module(rows, output)
                if result is None:
                    result = np.empty((n_rows, part.shape[1]), dtype_out)
                result[start : start + len(part)] = part.cpu().numpy()
                start += len(part)
        check_finite_answers(result)
        return result


def answer_dtype(X):
    """The dtype of predictions for X."""
    return np.float32 if is_float32(X) else np.float64


def check_finite_answers(answers):
    """Raise an error if outputs have overflowed."""
    if not np.isfinite(answers).all():
        raise ValueError(
            "X has values so large that the model's outputs are not finite. Scale the "
            "features as in fit. If they are scaled so, the file that the model was "
            "loaded from has bad weights."
        )
