"""Features of images and texts."""

from ._backbone import Backbone
from ._transformers import ImageFeatures, TextFeatures

__all__ = ["Backbone", "ImageFeatures", "TextFeatures"]
