"""A model before a classifier's head, and how it is loaded; see ``features``."""

from .features._backbone import Backbone, load_backbone

__all__ = ["Backbone", "load_backbone"]
