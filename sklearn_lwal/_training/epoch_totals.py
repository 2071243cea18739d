"""Loss and accuracy of an epoch."""

import math

import torch


def check_finite(loss, epoch, lr):
    """Raise an error if training has diverged."""
    if not math.isfinite(loss):
        raise ValueError(
            f"The training loss became {loss} in epoch {epoch}. Lower lr (it is "
            f"{lr!r}; for a trained backbone, backbone__lr) or scale the features, for "
            "example with StandardScaler."
        )


def is_correct(scores, y):
    """Whether the true class alone has the highest score, (..., n) bool.

    A tie counts as an error, whatever the order of the classes.

    Parameters
    ----------
    scores : (..., n, n_classes) tensor
    y : (..., n) int64 tensor
    """
    index = y.expand(scores.shape[:-1])[..., None]
    # argmax takes ten times as long if classes come first in memory.
    return (scores >= scores.gather(-1, index)).sum(-1) == 1


class EpochTotals:
    """Loss and accuracy of an epoch, summed on the device and read once at its end.

    Parameters
    ----------
    device : torch.device
    shape : tuple of int
        () for one network, (S, K) for a stack.
    """

    def __init__(self, device, shape=()):
        sums = torch.zeros(3, *shape, dtype=torch.float32, device=device)
        self.loss, self.correct, self.mass = sums

    def clear(self):
        """Reset the sums for the next epoch."""
        for total in (self.loss, self.correct, self.mass):
            total.zero_()

    def add(self, loss, correct, weight=None):
        """Add a batch: its mean loss, which rows are correct, and their weights."""
        mass = correct.shape[-1] if weight is None else weight.sum(-1)
        hits = correct if weight is None else correct * weight
        self.loss.add_(loss * mass)
        self.correct.add_(hits.sum(-1))
        self.mass.add_(mass)

    def read(self):
        """The mean loss and the accuracy, as floats, or lists of them by network."""
        return (self.loss / self.mass).tolist(), (self.correct / self.mass).tolist()
