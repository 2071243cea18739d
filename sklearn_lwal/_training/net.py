"""The private skorch net: one training engine for every classifier.

It keeps skorch's interface (callbacks, history, optimizer parameters, Ctrl-C,
pickling) and replaces its inner loop: batches are slices of tensors on the
device, losses are summed there and read once in each epoch, and no code runs for
each batch unless a callback needs it.
"""

import contextlib
import copy
import math
import time

import torch
from skorch.callbacks import Callback

from .._utils.errors import memory_errors
from .._utils.rng import draw_seed, global_stream, own_stream, twin
from ..heads import functional as F
from . import distributed
from .batch_norm import recalibrate
from .batches import refine_head, sums_by_class
from .epoch_totals import EpochTotals, check_finite, is_correct
from .history import CountedHistory
from .skorch_interface import SkorchInterface
from .weight_average import WeightAverage

# Largest default learning rate of a backbone.
BACKBONE_RATE = 1e-3
# Number of training images from which a validation estimates batch-norm statistics and
# labels.
VALIDATION_SAMPLE = 1000
# Prefix of the names of the library's own callbacks.
OWN_PREFIX = "lwal_"
_BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class LabelNet(SkorchInterface):
    """A skorch classifier whose module computes its own loss.

    Parameters
    ----------
    module : Network
    refine_labels : bool
        Whether labels are set to the class means over the whole training set before
        each validation and when training ends.
    average : bool
        Whether the module predicts with an average of its weights over the steps.
    recalibrate_batch_norm : bool
        Whether batch-norm statistics of a trained backbone are estimated anew.
    max_grad_norm : float or None
        Norm that gradients are clipped to.
    compile_step : bool
        Whether the loss of a step goes through ``torch.compile``.
    kwargs
        As for :class:`skorch.NeuralNetClassifier`.
    """

    def __init__(
        self,
        module,
        *args,
        refine_labels=False,
        average=False,
        recalibrate_batch_norm=False,
        max_grad_norm=None,
        compile_step=False,
        **kwargs,
    ):
        super().__init__(module, *args, **kwargs)
        self.refine_labels = refine_labels
        self.average = average
        self.recalibrate_batch_norm = recalibrate_batch_norm
        self.max_grad_norm = max_grad_norm
        self.compile_step = compile_step

    # skorch pickles these so that they load without a GPU; the average shares tensors
    # with the module.
    cuda_dependent_attributes_ = [
        *SkorchInterface.cuda_dependent_attributes_,
        "average_",
    ]

    def __copy__(self):
        """A net that shares the module and optimizer; skorch would copy them."""
        found = type(self).__new__(type(self))
        vars(found).update(vars(self))
        return found

    def initialize_history(self):
        """Start an empty history."""
        self.best_values_ = {}
        self.average_ = None
        self.history = CountedHistory()

    @property
    def history(self):
        """Rows of epochs; see :class:`CountedHistory`."""
        return self.history_

    @history.setter
    def history(self, rows):
        # skorch's load_params sets a skorch History.
        counts = isinstance(rows, CountedHistory)
        self.history_ = rows if counts else CountedHistory(rows)

    def load_params(self, *args, **kwargs):
        """As in skorch; further training starts from the loaded weights."""
        super().load_params(*args, **kwargs)
        self.restart_average()

    def check_data(self, X, y=None):
        """Do nothing: the classifier that holds this net has checked the data."""

    def initialize_optimizer(self, *args, **kwargs):
        """As in skorch; a group's own rate is stored relative to ``lr``."""
        super().initialize_optimizer(*args, **kwargs)
        for group in self.optimizer_.param_groups:
            group.setdefault("rate", group["lr"] / self.lr)
        return self

    def set_rate(self, lr, backbone_lr=None):
        """Set the learning rates for the following steps."""
        self.set_params(lr=lr)
        for group in self.optimizer_.param_groups:
            if group.get("of_backbone"):
                group["rate"] = (backbone_lr or min(lr, BACKBONE_RATE)) / lr
            group["lr"] = lr * group["rate"]

    def fit_loop(
        self,
        X,
        y=None,
        epochs=None,
        *,
        valid=None,
        generator=None,
        checkpoint=None,
        **_,
    ):
        """Train on :class:`LabelledRows`, with callbacks as in skorch.

        Parameters
        ----------
        X : LabelledRows
            The training data; ``y`` is not used.
        epochs : int, optional
            ``max_epochs`` by default.
        valid : LabelledRows, optional
            Validation data, evaluated after each epoch.
        generator : torch.Generator
            Draws the order of the samples.
        checkpoint : Checkpoint, optional
            Written after each epoch; says how many epochs were done before.
        """
        watched = self._tells(*_BATCH_EVENTS)
        data = {"dataset_train": X, "dataset_valid": valid}
        n_epochs = self.max_epochs if epochs is None else epochs
        loss = distributed.shared(self.module_, self.device)
        loss = torch.compile(loss) if self.compile_step else loss
        with self._head_knows(len(X), n_epochs) as head:
            done = checkpoint.resume(self) if checkpoint else 0
            for _ in range(done, n_epochs):
                self.notify("on_epoch_begin", **data)
                start = time.perf_counter()
                head.start_epoch()
                with torch.enable_grad():
                    self._train_epoch(X, loss, generator, watched)
                self._end_epoch(X, valid, watched, start)
                if checkpoint:
                    checkpoint.write(self)
        return self

    def _end_epoch(self, train, valid, watched, start):
        """Validate the model as if training stopped now, and notify callbacks."""
        seen = valid is not None or self._tells("on_epoch_end")
        with self._refined(train) if seen else contextlib.nullcontext():
            if valid is not None:
                self._validate(valid, watched)
            self.history.record("dur", time.perf_counter() - start)
            data = {"dataset_train": train, "dataset_valid": valid}
            self.notify("on_epoch_end", **data)

    @contextlib.contextmanager
    def _head_knows(self, n_samples, n_epochs):
        """Notify the head of the start and the end of training; yields the head."""
        head = self.module_.head
        with memory_errors("Pass fewer rows"):
            head.start_training(n_samples, n_epochs)
        try:
            yield head
        finally:
            head.end_training()

    def _train_epoch(self, train, loss, generator, watched):
        self._set_training(True)
        total = EpochTotals(self.device)
        step = self._watched_step if watched else self._step
        averaging = self._weight_average()
        with contextlib.ExitStack() as stack:
            if averaging:
                stack.enter_context(averaging.iterating())
            if self.module_.backbone is not None:
                stack.enter_context(self._own_stream(generator))
            place = distributed.rank_and_size()
            for X, y, *known in train.shuffled(self.batch_size, generator, place):
                value, scores = step(loss, X, y, *known)
                total.add(value, is_correct(scores, y))
                if averaging:
                    averaging.update()
        distributed.take_first(self.module_)
        if not watched:
            # Some skorch callbacks read the last batch's entries, so add an empty one.
            self.history.new_batch()
        self._record("train", total)
        check_finite(self.history[-1, "train_loss"], len(self.history), self.lr)

    def _own_stream(self, generator):
        """Let the backbone's dropout draw from the generator of the batches.

        Several processes share the batches, but each draws its own dropout.
        """
        rank, size = distributed.rank_and_size()
        if size > 1:
            seed = draw_seed(twin(generator))
            generator = torch.Generator().manual_seed(seed + rank)
        # torch.compile does not work under a dispatch mode.
        stream = global_stream if self.compile_step else own_stream
        return stream(generator, self.device)

    def _weight_average(self):
        """The weight average of this net, or None; created at first use."""
        if self.average and self.average_ is None:
            module = self.module_
            tensors = [p for p in module.parameters() if p.requires_grad]
            # Average labels as well: they depend on the weights they were made with.
            self.average_ = WeightAverage([*tensors, *module.head.averaged_buffers()])
        return self.average_

    def restart_average(self):
        """Let further training start from the weights that the module predicts with."""
        self.average_ = None

    def _step(self, loss, X, y, weight, rows, watched=False):
        """Take one optimisation step; returns loss and scores from before it."""
        self.optimizer_.zero_grad()
        loss, scores = loss(X, "loss", y, weight, rows)
        loss.backward()
        if self.max_grad_norm is not None:
            parameters = self.module_.parameters()
            torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
        if watched:
            named = self.get_all_learnable_params()
            named = [(name, p) for name, p in named if p.requires_grad]
            self.notify(
                "on_grad_computed", named_parameters=named, batch=(X, y), training=True
            )
        self.optimizer_.step()
        return loss.detach(), scores.detach()

    def _watched_step(self, loss, X, y, *known):
        """A step that notifies callbacks about its batch, as in skorch."""
        return self._watch(
            X, y, True, lambda: self._step(loss, X, y, *known, watched=True)
        )

    def _watch(self, X, y, training, run):
        self.notify("on_batch_begin", batch=(X, y), training=training)
        loss, scores = run()
        prefix = "train" if training else "valid"
        self.history.record_batch(f"{prefix}_loss", loss.item())
        self.history.record_batch(f"{prefix}_batch_size", len(y))
        step = {"loss": loss, "y_pred": scores}
        self.notify("on_batch_end", batch=(X, y), training=training, **step)
        return loss, scores

    @torch.no_grad()
    def _validate(self, valid, watched):
        total = EpochTotals(self.device)
        self._set_training(False)
        for X, y, weight in valid.in_order():

            def run(X=X, y=y, weight=weight):
                scores = self.module_(X)
                return F.cross_entropy(scores, y, weight), scores

            loss, scores = self._watch(X, y, False, run) if watched else run()
            total.add(loss, is_correct(scores, y), weight)
        self._record("valid", total)

    @contextlib.contextmanager
    def _refined(self, train):
        """Finish the model as after training, and undo that at the end.

        With a backbone, statistics and labels come from a sample to save time.
        """
        module, changed = self.module_, self.module_.head
        if module.backbone is not None:
            train, changed = train.sample(VALIDATION_SAMPLE, torch.Generator()), module
        before = [buffer.clone() for buffer in changed.buffers()]
        self.recalibrate(train)
        if self.refine_labels:
            self.refine(train)
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, kept in zip(changed.buffers(), before, strict=True):
                    buffer.copy_(kept)

    def recalibrate(self, train):
        """Estimate the batch-norm statistics of a trained backbone over ``train``."""
        if self.recalibrate_batch_norm and self.module_.backbone is not None:
            # In random order, because a batch of one class underestimates the variance.
            counted = train.sample(len(train), torch.Generator())
            batches = counted.shuffled(self.batch_size, torch.Generator())
            recalibrate(self.module_, (X for X, *_ in batches))

    @torch.no_grad()
    def refine(self, train, earlier=None):
        """Set the labels by Eq. (1) over all of ``train``, in evaluation mode.

        Parameters
        ----------
        train : LabelledRows
        earlier : tuple of tensors, optional
            The result of this method for earlier rows, which are then included.

        Returns
        -------
        sums, masses : tensors of shape (n_classes, n_features) and (n_classes,)
            Weighted class sums of the head's input, and the class weights.
        """
        self._set_training(False)
        sums, masses = self.feature_sums(train, earlier)
        refine_head(self.module_.head, sums, masses)
        return sums, masses

    @torch.no_grad()
    def feature_sums(self, train, earlier=None, n_classes=None):
        """Weighted class sums of the head's input, and weights; see :meth:`refine`."""
        n_classes = n_classes or len(self.classes)
        if self.module_.trains_features:
            features = self.module_.features
            batches = ((features(X), y, weight) for X, y, weight in train.in_order())
            sums = sums_by_class(batches, n_classes)
        else:
            if "class_sums" not in train.known:
                train.known["class_sums"] = train.class_sums(n_classes)
            sums = train.known["class_sums"]
        if earlier is None:
            return sums
        return tuple(
            now + before.to(now) for now, before in zip(sums, earlier, strict=True)
        )

    def _record(self, prefix, total):
        loss, accuracy = distributed.of_first(total.read())
        for name, value, sign in (("loss", loss, -1), ("acc", accuracy, 1)):
            key = f"{prefix}_{name}"
            best = sign * value > self.best_values_.get(key, -math.inf)
            if best:
                self.best_values_[key] = sign * value
            self.history.record(key, value)
            self.history.record(f"{key}_best", best)

    def _tells(self, *events):
        """Whether one of the user's callbacks handles any of these events."""
        return any(
            getattr(type(callback), event) is not getattr(Callback, event)
            for name, callback in self.callbacks_
            for event in events
            if not name.startswith(OWN_PREFIX)
        )

    def snapshot(self):
        """A copy of everything that training changes, for :meth:`restore`."""
        state = self.module_.state_dict(), self.optimizer_.state_dict()
        average = self.average_ and self.average_.state()
        return copy.deepcopy((*state, average, self.best_values_)), len(self.history)

    def restore(self, snapshot):
        """Undo the training since ``snapshot``."""
        (module, optimizer, average, self.best_values_), n_rows = snapshot
        self.module_.load_state_dict(module)
        self.optimizer_.load_state_dict(optimizer)
        self.average_ = None
        if average is not None:
            self._weight_average().load(average)
        self.history.undo_since(n_rows)
