"""The scikit-learn classifiers; each defines its parameters and its head."""

from ._base import LabelLearningClassifier
from ._parameters import parameters

__all__ = ["LabelLearningClassifier", "parameters"]
