"""Early stopping on the validation accuracy."""

import copy
import math

from skorch.callbacks import Callback


class Improvement:
    """Which epoch was the best, and when there have been enough after it.

    Training goes on while the validation accuracy rises or the loss falls by
    ``tol``: on few rows the accuracy moves in large steps, and a model can learn for
    many epochs between two of them. Of the models whose accuracy is within ``tol``
    of the highest the one with the lowest loss is the best.

    Parameters
    ----------
    patience : int
        Epochs without improvement.
    tol : float
    """

    def __init__(self, patience, tol):
        self.patience = patience
        self.tol = tol
        self.begin()

    def begin(self):
        """Forget all epochs."""
        self.highest_accuracy_ = -math.inf
        self.lowest_loss_ = self.best_loss_ = math.inf
        self.misses_ = 0

    def is_best(self, accuracy, loss):
        """Count an epoch; whether its model is the best so far."""
        higher = accuracy > self.highest_accuracy_ + self.tol
        as_high = accuracy >= self.highest_accuracy_ - self.tol
        best = higher or (as_high and loss < self.best_loss_)
        if best:
            self.best_loss_ = loss
        if higher or loss < self.lowest_loss_ - self.tol:
            self.highest_accuracy_ = max(accuracy, self.highest_accuracy_)
            self.lowest_loss_ = min(loss, self.lowest_loss_)
            self.misses_ = 0
        else:
            self.misses_ += 1
        return best

    @property
    def is_over(self):
        """Whether there have been enough epochs without improvement."""
        return self.misses_ >= self.patience


class StopOnAccuracy(Improvement, Callback):
    """Stop when the model gets no better, and bring back the most accurate one."""

    def state_dict(self):
        """What :meth:`load_state_dict` brings back."""
        options = "patience", "tol"
        return {k: v for k, v in vars(self).items() if k not in options}

    def load_state_dict(self, state):
        """Go on from what :meth:`state_dict` gave."""
        vars(self).update(state)

    def on_train_begin(self, net, **kwargs):
        self.begin()
        self.state_ = None

    def on_epoch_end(self, net, **kwargs):
        keys = "valid_acc", "valid_loss"
        if self.is_best(*(net.history[-1, key] for key in keys)):
            self.state_ = copy.deepcopy(net.module_.state_dict())
        if self.is_over:
            # What skorch takes as the end of training.
            raise KeyboardInterrupt

    def on_train_end(self, net, **kwargs):
        if self.state_ is not None:
            net.module_.load_state_dict(self.state_)
            self.state_ = None
            net.restart_average()
