"""The progress bars of ``verbose=1``."""

import sys

from skorch.callbacks import Callback


def progress_bar(total, unit, shown=True):
    """A bar on the error stream, or none where that is missing or closed."""
    from tqdm.auto import tqdm

    stream = sys.stderr
    can_show = stream is not None and not getattr(stream, "closed", False)
    return tqdm(total=total, unit=unit, disable=not (shown and can_show))


class EpochProgress(Callback):
    """One bar over the epochs with loss, accuracy and time left."""

    def on_train_begin(self, net, **kwargs):
        self.bar_ = progress_bar(net.max_epochs, "epoch")

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        accuracy = "valid_acc" if "valid_acc" in row else "train_acc"
        shown = {"loss": f"{row['train_loss']:.4f}", accuracy: f"{row[accuracy]:.4f}"}
        self.bar_.set_postfix(shown, refresh=False)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        self.close()

    def close(self):
        """Release the bar, which can not be pickled."""
        if hasattr(self, "bar_"):
            self.bar_.close()
            del self.bar_


class FitsProgress:
    """One bar over the fits of a search; without ``verbose`` there is none.

    Parameters
    ----------
    n_candidates : int
    verbose : int
    """

    def __init__(self, n_candidates, verbose):
        self.n_candidates, self.verbose, self.bar = n_candidates, verbose, None

    def update(self, n_fits, n_folds):
        """Fits that are done."""
        if not self.verbose:
            return
        if self.bar is None:
            self.bar = progress_bar(self.n_candidates * n_folds, "fit")
        self.bar.update(n_fits)

    def close(self):
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
