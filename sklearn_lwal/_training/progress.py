"""The progress bars of ``verbose=1``."""

import sys

from skorch.callbacks import Callback


def progress_bar(total, unit, shown=True):
    """A bar on stderr; it is disabled if stderr is missing or closed."""
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
        """Release the bar, which cannot be pickled."""
        if hasattr(self, "bar_"):
            self.bar_.close()
            del self.bar_
