"""Classifiers that learn the label representation while they learn to classify."""

from ._label_embedding import LabelEmbedClassifier
from ._lwal import LwALClassifier
from ._retrospection import LWRClassifier
from ._standard import STDClassifier
from ._static_label import StaticLabelClassifier
from .features import ImageFeatures, TextFeatures
from .heads.adaptive import AdaptiveLabels
from .persistence import load
from .search import LabelRandomizedSearchCV, LabelSearchCV

__all__ = [
    "AdaptiveLabels",
    "ImageFeatures",
    "LWRClassifier",
    "LabelEmbedClassifier",
    "LabelRandomizedSearchCV",
    "LabelSearchCV",
    "LwALClassifier",
    "STDClassifier",
    "StaticLabelClassifier",
    "TextFeatures",
    "load",
]
__version__ = "0.1.0"
