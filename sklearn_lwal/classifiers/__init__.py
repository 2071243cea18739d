"""The scikit-learn classifiers; each brings its parameters and its head."""

from ._base import LabelLearningClassifier

__all__ = ["LabelLearningClassifier"]
