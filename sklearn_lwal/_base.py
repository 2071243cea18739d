"""The scikit-learn face shared by all classifiers: validate, encode, build, predict."""

import contextlib

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted
from torch import nn

from . import _validation as check
from ._batches import LabelledRows, inference_batches, n_batches
from ._compat import OutOfMemoryError
from ._early_stopping import StopOnAccuracy
from ._net import LabelNet
from ._network import Network, construct_seeded, hidden_layers
from ._progress import EpochProgress
from ._random import random_state, stratified_split, torch_seed

# "auto": enough steps to train a model on few rows, no fewer epochs on many.
AUTO_EPOCHS, AUTO_STEPS = 20, 1000
# "auto": the paper's 50 rows a class, but at least this many rows in a batch and,
# where there are enough rows, this many batches in an epoch.
ROWS_PER_CLASS, AUTO_MIN_BATCH, AUTO_MIN_BATCHES = 50, 32, 20


class LabelLearningClassifier(
    ClassifierMixin,
    TransformerMixin,
    ClassNamePrefixFeaturesOutMixin,
    BaseEstimator,
):
    """Base of the classifiers; a subclass brings parameters and a head.

    A subclass assigns its parameters in ``__init__``, extends
    ``_parameter_constraints`` and defines :meth:`_make_head`.
    """

    _parameter_constraints = check.SHARED_CONSTRAINTS

    def _make_head(self, in_features, n_classes):
        """The torch :class:`~sklearn_lwal.heads._head.Head` to train."""
        raise NotImplementedError

    def fit(self, X, y, sample_weight=None, *, eval_set=None):
        """Train on features X and class labels y.

        Parameters
        ----------
        X : {array, DataFrame, sparse matrix, tensor} of shape (n_samples, n_features)
            Features of any real dtype. Sparse rows are made dense a batch at a time.
        y : array-like of shape (n_samples,)
            Class labels of any kind that scikit-learn takes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples in the loss and in the class means.
        eval_set : tuple (X, y), default=None
            Measured after each epoch: ``valid_loss`` and ``valid_acc`` in
            ``history_``. With ``early_stopping`` it takes the place of the share
            that is held out of X.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter or input is not valid; the message names it.
        MemoryError
            If the GPU has too little memory for a batch; the model stays as it was.
        """
        self._validate_params()
        self._check_parameters()
        resume = self.warm_start and hasattr(self, "net_")
        with self._unchanged_on_error(resume):
            X, y, weight = self._check_training_input(X, y, sample_weight, not resume)
            check.check_two_classes(self, y, weight)
            if resume:
                self._check_same_classes(y)
            else:
                self._rng = random_state(self.random_state)
                self.classes_ = np.unique(y)
                self._class_mass = np.zeros(len(self.classes_))
                self._build_net(X, self._batch_size(len(y)))
            y = check.encode(y, self.classes_)
            self._count_classes(y, weight, first=not resume)
            train, valid = self._split(X, y, weight, eval_set)
            self._train(train, valid, self._n_epochs(len(train)))
        return self

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """One pass over X and y, continuing from where the model is.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`. Not all classes need be present. Refined labels are
            those of the rows given here.
        classes : array-like of shape (n_classes,), default=None
            All classes there will ever be; needed at the first call.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            As in :meth:`fit`; also if y has a class that is not in ``classes``.
        """
        self._validate_params()
        self._check_parameters()
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all of y and is not supported for "
                "partial_fit. Pass the weights as a dict instead."
            )
        resume = hasattr(self, "net_")
        with self._unchanged_on_error(resume):
            X, y, weight = self._check_training_input(X, y, sample_weight, not resume)
            if resume:
                self._check_same_classes(classes)
            else:
                self._rng = random_state(self.random_state)
                self.classes_ = self._first_classes(classes)
                self._class_mass = np.zeros(len(self.classes_))
                self._build_net(X, self._batch_size(len(y)))
            y = check.encode(y, self.classes_)
            self._count_classes(y, weight, first=not resume)
            train = LabelledRows(X, y, weight, device=self.net_.device)
            self._train(train, None, 1)
        return self

    def predict(self, X):
        """The class of each row, (n_samples,)."""
        scores = self._infer(X, "scores")
        return self.classes_[scores.argmax(axis=1)]

    def predict_proba(self, X):
        """Probabilities, (n_samples, n_classes), in the order of ``classes_``."""
        return softmax(self._infer(X, "scores"), axis=1)

    def predict_log_proba(self, X):
        """Logarithms of the probabilities, (n_samples, n_classes)."""
        return log_softmax(self._infer(X, "scores"), axis=1)

    def decision_function(self, X):
        """Class scores, (n_samples, n_classes); the largest is the prediction.

        For two classes, as in scikit-learn, one column: the score of
        ``classes_[1]`` minus that of ``classes_[0]``, (n_samples,).
        """
        scores = self._infer(X, "scores")
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def transform(self, X):
        """The latent z of each row, (n_samples, output_dim)."""
        return self._infer(X, "latent")

    @property
    def _n_features_out(self):
        return self.labels_.shape[1]

    def _infer(self, X, output):
        """The network's output, computed in float64 where the device has it.

        In double precision a row's result does not depend on the rows that share
        its batch, and distances far from the origin keep their digits.
        """
        check_is_fitted(self)
        X = check.check_X(self, X, reset=False, dtype="numeric")
        device = torch.device(self.net_.device)
        dtype = torch.float32 if device.type == "mps" else torch.float64
        module = self.net_.module_
        state = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in [*module.named_parameters(), *module.named_buffers()]
        }
        dtype_out = np.float32 if check.is_float32(X) else np.float64
        result, start = None, 0
        with torch.inference_mode():
            for rows in inference_batches(X, device, dtype):
                part = torch.func.functional_call(module, state, (rows, output))
                if result is None:
                    result = np.empty((X.shape[0], part.shape[1]), dtype_out)
                result[start : start + len(part)] = part.cpu().numpy()
                start += len(part)
        return result

    def _check_parameters(self):
        if self.backbone is not None:
            raise ValueError(
                f"backbone={self.backbone!r} is not supported yet. Pass features as X "
                "and leave backbone=None."
            )
        check.check_hidden_layer_sizes(self.hidden_layer_sizes)
        check.resolve_device(self.device)

    def _check_training_input(self, X, y, sample_weight, reset):
        X = check.check_X(self, X, reset=reset, dtype=np.float32)
        y = check.check_y(self, y)
        check.check_rows(X, y, sample_weight)
        return X, y, check.check_weights(sample_weight, self.class_weight, X, y)

    def _first_classes(self, classes):
        if classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        classes = np.unique(check.check_y(self, classes))
        check.check_two_classes(self, classes)
        return classes

    def _check_same_classes(self, labels):
        """A model that goes on training keeps its classes."""
        if labels is None:
            return
        labels = np.unique(labels)
        if not np.array_equal(labels, self.classes_):
            raise ValueError(
                "A fitted model can only go on training with the classes it has, "
                f"{self.classes_.tolist()}. Got {labels.tolist()}. Set "
                "warm_start=False and call fit to start anew."
            )

    def _batch_size(self, n_samples):
        if self.batch_size != "auto":
            return self.batch_size
        most = max(AUTO_MIN_BATCH, n_samples // AUTO_MIN_BATCHES)
        return min(ROWS_PER_CLASS * len(self.classes_), most)

    def _n_epochs(self, n_samples):
        if self.max_epochs != "auto":
            return self.max_epochs
        steps_per_epoch = n_batches(n_samples, self.net_.batch_size)
        return max(AUTO_EPOCHS, -(-AUTO_STEPS // steps_per_epoch))

    def _build_net(self, X, batch_size):
        sizes = check.check_hidden_layer_sizes(self.hidden_layer_sizes)

        def construct():
            hidden = hidden_layers(X.shape[1], sizes, self.dropout)
            head = self._make_head(
                sizes[-1] if sizes else X.shape[1], len(self.classes_)
            )
            return Network(hidden, head, self.precision)

        # One stream of random numbers for the weights and then the batches: an int
        # seed gives what a bare torch loop draws after torch.manual_seed(seed).
        self._seed = torch_seed(self.random_state, self._rng)
        module, self._generator_state = construct_seeded(self._seed, construct)
        device = check.resolve_device(self.device)
        optimizer = check.OPTIMIZERS.get(self.optimizer, self.optimizer)
        options = {
            # The loss is the head's; skorch only wants a module in this place.
            "criterion": nn.Identity,
            "optimizer": optimizer,
            "lr": self.lr,
            "batch_size": batch_size,
            "device": str(device),
            "refine_labels": getattr(self, "refine_labels", False),
            "classes": np.arange(len(self.classes_)),
            "train_split": None,
            "verbose": 0,
        }
        if device.type in ("cpu", "cuda") and self.optimizer in check.FUSED_OPTIMIZERS:
            options["optimizer__fused"] = True
        self.net_ = LabelNet(module, **options | (self.net_params or {})).initialize()

    def _count_classes(self, y, weight, first):
        """Class weights set the share of each class in the decision, too."""
        if self.class_weight is not None:
            self._class_mass += np.bincount(y, weight, len(self.classes_))
            shares = torch.tensor(self._class_mass / self._class_mass.sum())
            self.net_.module_.head.set_class_shares(shares, first)

    def _callbacks(self, validated):
        callbacks = list(self.callbacks or [])
        if self.verbose:
            callbacks.insert(0, ("progress", EpochProgress()))
        if self.early_stopping and validated:
            # Last, because it ends the epoch for all that come after it.
            stopping = StopOnAccuracy(self.n_iter_no_change, self.tol)
            callbacks.append(("early_stopping", stopping))
        return callbacks

    def _split(self, X, y, weight, eval_set):
        """The training rows and the rows measured after each epoch (or None)."""
        device = self.net_.device
        if eval_set is not None:
            return LabelledRows(X, y, weight, device=device), self._eval_rows(eval_set)
        if not self.early_stopping:
            return LabelledRows(X, y, weight, device=device), None
        train, valid = stratified_split(y, self.validation_fraction, self._rng)
        return (
            LabelledRows(X, y, weight, subset=train, device=device),
            LabelledRows(X, y, weight, subset=valid, device=device),
        )

    def _eval_rows(self, eval_set):
        if not isinstance(eval_set, (tuple, list)) or len(eval_set) != 2:
            raise ValueError(
                f"eval_set must be a pair (X, y). Got {type(eval_set).__name__}."
            )
        X, y = eval_set
        X = check.check_X(self, X, reset=False, dtype=np.float32)
        y = check.check_y(self, y)
        check.check_rows(X, y)
        y = check.encode(y, self.classes_, "The y of eval_set")
        return LabelledRows(X, y, device=self.net_.device)

    def _train(self, train, valid, n_epochs):
        """Train the net and take the fitted attributes from it."""
        net = self.net_
        net.max_epochs = n_epochs
        net.set_params(lr=self.lr)
        net.callbacks = self._callbacks(valid is not None)
        net.initialize_callbacks()
        generator = torch.Generator()
        generator.set_state(self._generator_state)
        on_cpu = torch.device(net.device).type == "cpu"
        net.module_.use_generator(
            generator
            if on_cpu
            else torch.Generator(net.device).manual_seed(self._seed + len(net.history))
        )
        n_rows = len(net.history) if net.history else 0
        try:
            net.partial_fit(train, valid=valid, generator=generator)
            if net.refine_labels:
                net.refine(train)
        except OutOfMemoryError as error:
            raise MemoryError(
                f"{net.device} ran out of memory. Lower batch_size (it is "
                f"{net.batch_size}) or use device='cpu'."
            ) from error
        finally:
            net.module_.use_generator(None)
            net.module_.eval()
        self._generator_state = generator.get_state()
        self.labels_ = net.module_.head.labels.detach().cpu().numpy().copy()
        # An interrupted epoch has no loss.
        complete = [row for row in net.history[n_rows:] if "train_loss" in row]
        self.history_ = getattr(self, "history_", [])[:] if n_rows else []
        for row in complete:
            self.history_.append({k: v for k, v in row.items() if k != "batches"})
        self.n_iter_ = len(self.history_)

    @contextlib.contextmanager
    def _unchanged_on_error(self, resume):
        """Leave the estimator as it was when training fails."""
        before = vars(self).copy()
        if resume:
            snapshot, drawn = self.net_.snapshot(), self._rng.get_state()
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            if resume:
                self.net_.restore(snapshot)
                self._rng.set_state(drawn)
            raise

    def __sklearn_is_fitted__(self):
        return hasattr(self, "labels_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
