"""Loss and accuracy of an epoch."""

import math

import torch


def check_finite(loss, epoch, lr):
    """Raise an error where training has come to nothing."""
    if not math.isfinite(loss):
        raise ValueError(
            f"The training loss became {loss} in epoch {epoch}. Lower lr (it is "
            f"{lr!r}; backbone_lr, where one is trained) or scale the features, for "
            "example with StandardScaler."
        )


class EpochTotals:
    """Sums over an epoch, kept on the device and read once at its end."""

    def __init__(self, device):
        self.loss = torch.zeros((), dtype=torch.float32, device=device)
        self.correct = self.loss.clone()
        self.mass = 0

    def add(self, loss, hits, weight=None):
        if weight is None:
            mass, correct = len(hits), hits.sum()
        else:
            mass, correct = weight.sum(), (hits * weight).sum()
        self.loss.add_(loss * mass)
        self.correct.add_(correct)
        self.mass += mass

    def read(self):
        """The mean loss and the accuracy, as floats."""
        return (self.loss / self.mass).item(), (self.correct / self.mass).item()
