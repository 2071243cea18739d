"""Classifiers that learn the label representation while they learn to classify."""

from ._version import __version__ as __version__
from .classifiers.label_embed import LabelEmbedClassifier
from .classifiers.lwal import LwALClassifier
from .classifiers.lwr import LWRClassifier
from .classifiers.static_label import StaticLabelClassifier
from .classifiers.std import STDClassifier
from .features import Backbone, ImageFeatures, TextFeatures
from .heads.adaptive import AdaptiveLabels
from .persistence import load
from .search import LabelRandomizedSearchCV, LabelSearchCV

__all__ = [
    "AdaptiveLabels",
    "Backbone",
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
