"""From images and texts to features."""

from ._transformers import ImageFeatures, TextFeatures

__all__ = ["ImageFeatures", "TextFeatures"]
