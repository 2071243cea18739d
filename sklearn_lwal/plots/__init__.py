"""Pictures of learned labels and of training, as scikit-learn Displays.

Each is made by ``from_estimator``, which computes and plots, and keeps what it shows,
so that ``plot`` draws it again elsewhere. Needs matplotlib (the extra ``plots``).
"""

from .labels import LabelDendrogramDisplay, LabelDistanceDisplay, LabelMapDisplay
from .learning_curves import LearningCurvesDisplay

__all__ = [
    "LabelDendrogramDisplay",
    "LabelDistanceDisplay",
    "LabelMapDisplay",
    "LearningCurvesDisplay",
]
