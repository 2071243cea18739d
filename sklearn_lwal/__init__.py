"""Classifiers that learn the label representation while they learn to classify."""

from ._lwal import LwALClassifier
from ._standard import STDClassifier
from .heads.adaptive import AdaptiveLabels

__all__ = ["AdaptiveLabels", "LwALClassifier", "STDClassifier"]
__version__ = "0.1.0"
