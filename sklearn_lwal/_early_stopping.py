"""Early stopping on the validation accuracy."""

import copy
import math

from skorch.callbacks import Callback


class StopOnAccuracy(Callback):
    """Stop when the model gets no better, and bring back the most accurate one.

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

    def state_dict(self):
        """What :meth:`load_state_dict` brings back."""
        options = "patience", "tol"
        return {k: v for k, v in vars(self).items() if k not in options}

    def load_state_dict(self, state):
        """Go on from what :meth:`state_dict` gave."""
        vars(self).update(state)

    def on_train_begin(self, net, **kwargs):
        self.highest_accuracy_ = -math.inf
        self.lowest_loss_ = self.best_loss_ = math.inf
        self.state_ = None
        self.misses_ = 0

    def on_epoch_end(self, net, **kwargs):
        accuracy, loss = (net.history[-1, key] for key in ("valid_acc", "valid_loss"))
        higher = accuracy > self.highest_accuracy_ + self.tol
        as_high = accuracy >= self.highest_accuracy_ - self.tol
        if higher or (as_high and loss < self.best_loss_):
            self.best_loss_ = loss
            self.state_ = copy.deepcopy(net.module_.state_dict())
        lower = loss < self.lowest_loss_ - self.tol
        if higher or lower:
            self.highest_accuracy_ = max(accuracy, self.highest_accuracy_)
            self.lowest_loss_ = min(loss, self.lowest_loss_)
            self.misses_ = 0
            return
        self.misses_ += 1
        if self.misses_ >= self.patience:
            # What skorch takes as the end of training.
            raise KeyboardInterrupt

    def on_train_end(self, net, **kwargs):
        if self.state_ is not None:
            net.module_.load_state_dict(self.state_)
            self.state_ = None
            net.restart_average()
