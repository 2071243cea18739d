"""The paper's configurations, shared by the benchmarks."""

from sklearn_lwal import LwALClassifier, STDClassifier

# A bare training loop: features as they come, the last weights.
BARE = {"standardize": False, "average": False}
PAPER = {"init": "random", "label_update": "batch", "temperature": 1.0, **BARE}


def std(**options):
    """One-hot training."""
    return STDClassifier(**BARE | options)


def lwal(**options):
    """The paper's LwAL, but with refined labels unless told otherwise."""
    return LwALClassifier(**PAPER | options)
