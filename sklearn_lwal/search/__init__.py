"""Searches over parameters whose candidates are trained together."""

from .estimators import LabelRandomizedSearchCV, LabelSearchCV

__all__ = ["LabelRandomizedSearchCV", "LabelSearchCV"]
