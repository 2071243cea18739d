"""The progress bar of ``verbose=1``."""

from skorch.callbacks import Callback


class EpochProgress(Callback):
    """One bar over the epochs with loss, accuracy and time left."""

    def on_train_begin(self, net, **kwargs):
        from tqdm.auto import tqdm

        self.bar_ = tqdm(total=net.max_epochs, unit="epoch")

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
            from tqdm.auto import tqdm

            self.bar = tqdm(total=self.n_candidates * n_folds, unit="fit")
        self.bar.update(n_fits)

    def close(self):
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
