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
