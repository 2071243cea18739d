"""Image models as feature extractors: torchvision's by name, or one's own modules."""

from .features._backbone import load_backbone

__all__ = ["load_backbone"]
