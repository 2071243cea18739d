"""Plots of learned labels and of training, as scikit-learn Displays.

``from_estimator`` computes and plots. The display keeps its data, so ``plot`` can draw
it again into other axes. Needs matplotlib (the extra ``plots``).
"""

from .labels import LabelDendrogramDisplay, LabelDistanceDisplay, LabelMapDisplay
from .learning_curves import LearningCurvesDisplay

__all__ = [
    "LabelDendrogramDisplay",
    "LabelDistanceDisplay",
    "LabelMapDisplay",
    "LearningCurvesDisplay",
]
