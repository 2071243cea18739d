"""Early stopping on the validation accuracy."""

import copy
import math

from skorch.callbacks import Callback


class Improvement:
    """Tracks the best epoch, and when to stop.

    Training continues while the validation accuracy rises or the loss falls by more
    than ``tol``. The loss counts, too, because the accuracy on few rows moves in large
    steps, many epochs apart. The best model is the one with the lowest loss among
    those whose accuracy is within ``tol`` of the highest.

    Parameters
    ----------
    patience : int
        Number of epochs without improvement before training stops.
    tol : float
        Smallest change that counts as an improvement.
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
        """Record an epoch; returns whether its model is the best so far."""
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
        """Whether ``patience`` epochs have passed without improvement."""
        return self.misses_ >= self.patience


class StopOnAccuracy(Improvement, Callback):
    """Stop when the model does not improve any more, and restore the best one."""

    def state_dict(self):
        """The state for :meth:`load_state_dict`."""
        options = "patience", "tol"
        return {k: v for k, v in vars(self).items() if k not in options}

    def load_state_dict(self, state):
        """Restore a result of :meth:`state_dict`."""
        vars(self).update(state)

    def on_train_begin(self, net, **kwargs):
        self.begin()
        self.state_ = None

    def on_epoch_end(self, net, **kwargs):
        keys = "valid_acc", "valid_loss"
        if self.is_best(*(net.history[-1, key] for key in keys)):
            self.state_ = copy.deepcopy(net.module_.state_dict())
        if self.is_over:
            # skorch ends training on this exception.
            raise KeyboardInterrupt

    def on_train_end(self, net, **kwargs):
        if self.state_ is not None:
            net.module_.load_state_dict(self.state_)
            self.state_ = None
            net.restart_average()
