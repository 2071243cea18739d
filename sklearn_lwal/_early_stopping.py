"""Early stopping on the validation accuracy."""

import copy
import math

from skorch.callbacks import Callback


class StopOnAccuracy(Callback):
    """Stop when the model gets no better, and bring back the most accurate one.

    Training goes on while the validation accuracy rises or the loss falls by
    ``tol``: on few rows the accuracy moves in large steps, and a model can learn for
    many epochs between two of them. Of equally accurate models the one with the
    lowest loss is the best.

    Parameters
    ----------
    patience : int
        Epochs without improvement.
    tol : float
    """

    def __init__(self, patience, tol):
        self.patience = patience
        self.tol = tol

    def on_train_begin(self, net, **kwargs):
        # Accuracy and minus the loss: of the best model, and the best of each.
        self.best_ = self.highest_ = -math.inf, -math.inf
        self.state_ = None
        self.misses_ = 0

    def on_epoch_end(self, net, **kwargs):
        now = net.history[-1, "valid_acc"], -net.history[-1, "valid_loss"]
        if now > self.best_:
            self.best_ = now
            self.state_ = copy.deepcopy(net.module_.state_dict())
        pairs = list(zip(now, self.highest_, strict=True))
        if any(value > highest + self.tol for value, highest in pairs):
            self.highest_ = tuple(max(pair) for pair in pairs)
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
