"""The scikit-learn face shared by all classifiers: validate, encode, build, train."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike
from typing_extensions import Self

from .._training import auto_schedule, distributed
from .._training.batches import LabelledRows
from .._training.early_stopping import StopOnAccuracy
from .._training.history import RECENT
from .._training.initialization import prepare
from .._training.progress import EpochProgress
from .._utils import validation as check
from .._utils.class_labels import encode
from .._utils.errors import memory_errors, unchanged_on_error
from .._utils.precision import check_fits_float
from .._utils.rng import random_state, torch_seed
from .._utils.torch_state import in_known_state
from .._utils.typing import Column, Samples
from ..features._images import is_dataset
from ._begin_fit import begin_fit
from ._callback_parameters import CallbackParametersMixin
from ._checkpoint import open_checkpoint
from ._export import to_onnx, to_torch
from ._predict import LatentClassifierMixin
from ._save import save
from ._warm_start import built_from, check_same_classes, check_unchanged
from ._with_backbone import BackboneMixin


class LabelLearningClassifier(
    BackboneMixin,
    CallbackParametersMixin,
    LatentClassifierMixin,
):
    """Base of the classifiers; a subclass brings parameters and a head.

    A subclass, decorated by :func:`parameters`, names its own parameters, extends
    ``_parameter_constraints`` and defines :meth:`_make_head`.
    """

    @in_known_state
    def fit(
        self,
        X: Samples,
        y: Column | None = None,
        sample_weight: Column | None = None,
        *,
        eval_set: tuple[Samples, Column] | None = None,
        resume: bool = False,
    ) -> Self:
        """Train on features, or with a backbone on images, and class labels.

        Parameters
        ----------
        X : {array, DataFrame, sparse matrix, tensor} of shape (n_samples, n_features)
            Features of any real dtype. Sparse rows are made dense a batch at a time.
            With a backbone an array or tensor of images or a torch Dataset, see
            :class:`Backbone`.
        y : array-like of shape (n_samples,)
            Class labels of any kind that scikit-learn takes. A Dataset of pairs (image,
            label) brings its own where y is None.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples in the loss and in the class means.
        eval_set : tuple (X, y), default=None
            Measured after each epoch: ``valid_loss`` and ``valid_acc`` in
            ``history_``. With ``early_stopping`` it takes the place of the share
            that is held out of X.
        resume : bool, default=False
            Whether to go on from the last whole epoch of a fit that was broken off, as
            ``checkpoint_dir`` has it, with the same parameters and data. Where there is
            none the fit begins.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter or input is not valid; the message names it. Also if the
            checkpoint is of a fit with other parameters or data.
        TypeError
            If X, y or weights are of a kind that has no numbers, or no order.
        MemoryError
            If there is too little memory for the layers, or on the GPU for a batch;
            the model stays as it was.
        """
        self._validate_params()
        self._check_parameters()
        checkpoint = open_checkpoint(self, resume)
        saved = checkpoint and checkpoint.saved
        warm = self.warm_start and hasattr(self, "net_") and not saved
        with unchanged_on_error(self, warm), distributed.together(self.distributed):
            images = X
            X, y = self._begin(X, y, warm, saved)
            if checkpoint:
                checkpoint.note_begin(self, images, warm)
            self._set_classes(np.unique(y), warm)
            make_valid = partial(self._eval_rows, eval_set)
            state = begin_fit(
                self,
                X,
                y,
                sample_weight,
                partial(self._rows, X),
                make_valid=None if eval_set is None else make_valid,
                warm=warm,
                checkpoint=checkpoint,
            )
            self._train(state, checkpoint)
        return self

    @in_known_state
    def partial_fit(
        self,
        X: Samples,
        y: Column | None = None,
        classes: ArrayLike | None = None,
        sample_weight: Column | None = None,
    ) -> Self:
        """One pass over X and y, continuing from where the model is.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`. Not all classes need be present. Refined labels are
            the class means over all rows given so far; with hidden layers, which
            change what earlier rows would give, the labels stay as training left
            them.
        classes : array-like of shape (n_classes,), default=None
            All classes there will ever be; needed at the first call.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As in :meth:`fit`; also if y has a class that is not in ``classes``.
        TypeError, MemoryError
            As in :meth:`fit`.

        Notes
        -----
        The weights change in place. A thread that predicts meanwhile may see those of
        several steps at once: let it have a copy, ``copy.deepcopy(clf)``.
        """
        self._validate_params()
        self._check_parameters()
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all of y and is not supported for "
                "partial_fit. Pass the weights as a dict instead."
            )
        warm = hasattr(self, "net_")
        with unchanged_on_error(self, warm), distributed.together(self.distributed):
            X, y = self._begin(X, y, warm, digits="all")
            if not warm or classes is not None:
                self._set_classes(self._all_classes(classes, warm), warm)
            state = begin_fit(
                self,
                X,
                y,
                sample_weight,
                partial(self._rows, X),
                warm=warm,
                is_partial=True,
            )
            n_rows = len([*self.net_.history])
            self._train(state)
            self.net_.history.keep_last(max(n_rows, RECENT))
        return self

    def _check_parameters(self):
        self._check_backbone()
        check_fits_float("lr", self.lr)
        check_fits_float("max_grad_norm", self.max_grad_norm)
        check.check_hidden_layer_sizes(self.hidden_layer_sizes)
        check.resolve_device(self.device)
        check.resolve_optimizer(self.optimizer)
        check.check_net_params(self.net_params)
        check.check_callbacks(self.callbacks)

    def _begin(self, X, y, warm, saved=None, digits="needed"):
        """Seeds, and the checked input; a model that goes on keeps its own."""
        if warm:
            check_unchanged(self, self._built_from)
        else:
            self._begin_anew(saved)
        X, y = self._training_features(X, y, not warm)
        return self._check_input(X, y, not warm, digits)

    def _begin_anew(self, saved=None):
        """Draw the seeds, or take those of a checkpoint, and note the parameters."""
        self._draw_seeds()
        if saved:
            self._seed = saved["seed"]
            self._rng.set_state(saved["random"].get_state())
        self._built_from = built_from(self)

    def _draw_seeds(self):
        self._rng = random_state(self.random_state)
        self._seed = torch_seed(self.random_state, self._rng)
        if distributed.rank_and_size()[1] > 1:
            # random_state=None draws other seeds in each process.
            self._rng, self._seed = distributed.of_first((self._rng, self._seed))

    def _check_input(self, X, y, reset, digits):
        if not self._trains_backbone:
            # Only what is standardised can be brought into units that float32 holds.
            digits = digits if self.standardize else "float32"
            X = check.check_X(self, X, reset=reset, digits=digits)
        elif reset:
            self._count_features(X)
        y = check.check_y(self, y)
        check.check_rows(X, y)
        return X, y

    def _set_classes(self, classes, warm):
        """Take the classes of a first fit; a model that goes on must have them."""
        if warm:
            check_same_classes(classes, self.classes_)
        else:
            self.classes_ = classes

    def _all_classes(self, classes, warm):
        """The ``classes`` of partial_fit, checked and sorted in the first call."""
        if warm:
            return classes
        if classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return np.unique(check.check_y(self, classes))

    def _callbacks(self, validated):
        callbacks = list(self.callbacks or [])
        if self.verbose:
            callbacks.insert(0, ("lwal_progress", EpochProgress()))
        if self.early_stopping and validated:
            # Last, because it ends the epoch before any later callback runs.
            stopping = StopOnAccuracy(self.n_iter_no_change, self.tol)
            callbacks.append(("lwal_early_stopping", stopping))
        return callbacks

    def _rows(self, X, y, weight=None):
        device = self.net_.device
        n_workers = self._of_backbone("n_workers", 0)
        return LabelledRows(X, y, weight, None, device, n_workers).counted()

    def _eval_rows(self, eval_set, train):
        if self.backbone is not None and is_dataset(eval_set):
            eval_set = eval_set, None
        check.check_pair(eval_set)
        X, y = self._training_features(*eval_set, False)
        X, y = self._check_input(X, y, False, "all" if train.is_wide else "needed")
        return self._rows(X, encode(y, self.classes_, "The y of eval_set"))

    def _prepare(self, train, warm, is_partial=False):
        """Give the network its units, and the head its start or its class means."""
        with memory_errors("Pass fewer rows"):
            earlier = getattr(self, "_units", None) if is_partial and warm else None
            self._units = prepare(
                self.net_,
                train,
                first=not warm,
                earlier=self._earlier_sums(is_partial),
                units=earlier,
                # A model from a file of an earlier version does not know its own.
                learns_units=not is_partial or earlier is not None,
                closed_form=self._starts_closed_form,
                find_temperature=self._finds_temperature,
                seed=self._seed,
            )

    def _earlier_sums(self, is_partial):
        """Class sums of the features in earlier calls of ``partial_fit``, or None."""
        return getattr(self, "_feature_sums", None) if is_partial else None

    def _train(self, state, checkpoint=None):
        """Train the net and take the fitted attributes from it."""
        net, train, is_partial = self.net_, state.train, state.is_partial
        net.max_epochs = state.n_epochs
        rates = self.lr, self._of_backbone("lr")
        if rates != self._rates and not (checkpoint and checkpoint.saved):
            # Otherwise a callback's schedule may have changed the rates: keep those.
            net.set_rate(*rates)
        self._rates = rates
        net.callbacks = self._callbacks(state.valid is not None)
        net.initialize_callbacks()
        generator = torch.Generator()
        generator.set_state(self._generator_state)
        drops = self._drops(generator)
        net.module_.use_generator(drops)
        if checkpoint:
            checkpoint.generators = [generator, drops]
        try:
            with memory_errors(f"Lower batch_size (it is {net.batch_size})"):
                known = {"valid": state.valid, "generator": generator}
                net.partial_fit(train, checkpoint=checkpoint, **known)
                self._refine(train, is_partial)
                self._measure(train, is_partial)
                distributed.take_first(net.module_)
        finally:
            net.module_.use_generator(None)
            net.module_.eval()
            for _, callback in net.callbacks_:
                if isinstance(callback, EpochProgress):
                    callback.close()
        self._generator_state = generator.get_state()

    def _measure(self, train, is_partial):
        """Measure the finished model on the rows that it was trained on."""

    def _drops(self, generator):
        """The generator of the hidden layers' dropout.

        On the CPU it is that of the batches, as in a bare loop. Other devices and
        several processes need generators of their own.
        """
        device = torch.device(self.net_.device)
        rank, size = distributed.rank_and_size()
        if device.type == "cpu" and size == 1:
            return generator
        seed = self._seed + len(self.net_.history) + rank
        return torch.Generator(device).manual_seed(seed)

    def _refine(self, train, is_partial):
        """Take the labels from the class means of all rows given so far.

        Hidden layers change what earlier rows would give: labels stay as they are.
        """
        net = self.net_
        if not is_partial:
            net.recalibrate(train)
        if net.module_.trains_features:
            if net.refine_labels and not is_partial:
                net.refine(train)
            return
        known = net.refine if net.refine_labels else net.feature_sums
        if net.refine_labels or net.module_.head.follows_features:
            sums = known(train, self._earlier_sums(is_partial))
            # On the host, so that a model pickled on a GPU loads without one.
            self._feature_sums = tuple(part.cpu() for part in sums)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    save, to_torch, to_onnx = save, to_torch, to_onnx

    # A label learning method defines or overrides the following.

    def _make_head(self, in_features, n_classes):
        """The torch :class:`~sklearn_lwal.heads.Head` to train."""
        raise NotImplementedError

    def _batch_size(self, n_samples, n_classes):
        """Rows of a mini-batch; depends on the parameters and the arguments alone."""
        if self.batch_size != "auto":
            return self.batch_size
        return auto_schedule.batch_size(n_samples, n_classes, self._trains_backbone)

    def _n_epochs(self, n_samples, n_features, batch_size):
        """Passes over the rows; depends on the parameters and the arguments alone."""
        if self.max_epochs != "auto":
            return self.max_epochs
        return auto_schedule.n_epochs(n_samples, batch_size, self._trains_backbone)

    def _param_groups(self):
        """Parameters with a rate of their own, a multiple of lr."""
        return []

    # Whether the head starts in closed form, and with the temperature of that start.
    _starts_closed_form = _finds_temperature = False

    def _saved_params(self):
        """The parameters that ``save`` writes, by name."""
        return self.get_params(deep=False)

    def _params_as_fitted(self, stored):
        """A context in which the parameters build the saved network's structure.

        ``stored`` are the network's tensors in the file, which are not trusted.
        """
        return nullcontext()

    def _hidden_sizes(self):
        return check.check_hidden_layer_sizes(self.hidden_layer_sizes)

    @property
    def _trains_features(self):
        return self._trains_backbone or len(self._hidden_sizes()) > 0
