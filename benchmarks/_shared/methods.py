"""The paper's configurations and the rivals', shared by the benchmarks."""

from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

# A bare training loop: features as they come, the last weights.
BARE = {"standardize": False, "average": False}
# The suffix of methods whose labels are refined after training.
REFINED = ", refined"
PAPER = {"init": "random", "label_update": "batch", "temperature": 1.0, **BARE}


def std(**options):
    """One-hot training."""
    return STDClassifier(**BARE | options)


def lwal(**options):
    """The paper's LwAL, but with refined labels unless told otherwise."""
    return LwALClassifier(**PAPER | options)


def paper_methods():
    """The rows of the paper's tables, and three of this library below them.

    The labels at test time are those of the last batch, as in the authors' code;
    "refined" ones are Eq. (1) over all training rows, in evaluation mode.
    """
    rows = {
        "STD": std(),
        "StaticLabel": StaticLabelClassifier(**BARE),
        "LWR2k": lwr(2),
        "LWR3k": lwr(3),
        "LWR5k": lwr(5),
        "LabelEmbed": LabelEmbedClassifier(**BARE),
    }
    variants = {
        "LwAL": {"output_dim": 1.0},
        "LwAL10": {"output_dim": 10.0},
        "LwAL10+rpl": {"output_dim": 10.0, "repel_weight": 10.0},
    }
    for name, options in variants.items():
        rows[name] = lwal(refine_labels=False, **options)
    for name, options in variants.items():
        rows[name + REFINED] = lwal(**options)
    return rows | {"library default": LwALClassifier()}


def lwr(update_every):
    """Learning with retrospection as the authors of LwAL ran it."""
    return LWRClassifier(variant="lwal", update_every=update_every, **BARE)


def rivals(**options):
    """One-hot training and its rivals by name, with the options of a bare loop."""
    options = BARE | options
    lwr = {"update_every": 2, **options}
    return {
        "STD": STDClassifier(**options),
        "label smoothing": STDClassifier(label_smoothing=0.1, **options),
        "confidence penalty": STDClassifier(confidence_penalty=0.1, **options),
        "teacher-free": STDClassifier(teacher_weight=0.1, **options),
        "cosine": STDClassifier(scores="cosine", **options),
        "simplex ETF": STDClassifier(scores="etf", **options),
        "StaticLabel": StaticLabelClassifier(**options),
        "LWR": LWRClassifier(**lwr),
        "LWR, LwAL's variant": LWRClassifier(variant="lwal", **lwr),
        "LabelEmbed": LabelEmbedClassifier(**options),
    }
