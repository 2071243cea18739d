"""The scikit-learn classifiers; each defines its parameters and its head."""

from ._base import LabelLearningClassifier

__all__ = ["LabelLearningClassifier"]
