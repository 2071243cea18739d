"""The net of a classifier as a file has it, weights and all that training goes on from.

Before anything of a size that a file claims is made, its tensors are held against an
outline of the network that has no memory (torch's meta device).
"""

import contextlib

import torch

from ._archive import DAMAGED
from ._expected import check_tensors, check_unstored, wrong
from ._net_state import set_net_state
from ._seeding import construct_seeded
from ._static_label import StaticLabelClassifier


def build_net(clf, fitted):
    """Let ``clf`` have the net with the weights of the file.

    Parameters
    ----------
    clf : LabelLearningClassifier
        With its parameters and all fitted attributes that a net is built from.
    fitted : dict
        What ``_saving`` wrote of the fitted model, decoded.
    """
    stored = fitted["network"]
    if fitted["batch_size"] < 1:
        raise wrong("batch size", fitted["batch_size"])
    with _embeddings_of(clf, stored):
        with torch.device("meta"):
            outline, _ = construct_seeded(0, clf._make_network)
        check_tensors(stored, outline, "network")
        check_unstored(outline)
        clf._build_net(fitted["batch_size"])
    set_net_state(clf.net_, fitted)


@contextlib.contextmanager
def _embeddings_of(clf, stored):
    """Let a :class:`StaticLabelClassifier` take the embeddings that it had."""
    if not isinstance(clf, StaticLabelClassifier):
        yield
        return
    kept, embeddings = clf.label_embeddings, stored.get("head.label_embeddings")
    if not isinstance(embeddings, torch.Tensor):
        raise ValueError(f"It has no label embeddings. {DAMAGED}")
    clf.label_embeddings = embeddings.numpy()
    try:
        yield
    finally:
        clf.label_embeddings = kept
