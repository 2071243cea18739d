"""Features of images and texts."""

from ._transformers import ImageFeatures, TextFeatures

__all__ = ["ImageFeatures", "TextFeatures"]
