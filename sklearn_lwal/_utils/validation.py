"""Validation of the classifiers' inputs: parameters, features, labels, weights."""

import contextlib
from collections.abc import Hashable
from numbers import Number

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._missing import is_pandas_na
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names,
    check_consistent_length,
    validate_data,
)
from skorch.callbacks import Callback

from .class_labels import plain
from .compat import check_sample_weight
from .precision import converted, fits_float32

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

UNFIT_OPTIMIZERS = (torch.optim.LBFGS, torch.optim.SparseAdam)

# Parameters of the skorch net that the classifier sets itself.
OWN_NET_PARAMS = frozenset(
    [
        "module",
        "criterion",
        "lr",
        "max_epochs",
        "batch_size",
        "device",
        "classes",
        "train_split",
        "callbacks",
        "verbose",
        "warm_start",
        "refine_labels",
        "average",
        "recalibrate_batch_norm",
        "max_grad_norm",
        "compile_step",
        "iterator_train",
        "iterator_valid",
        "dataset",
        "compile",
    ]
)

# scikit-learn's message.
TOO_LARGE = "Input X contains infinity or a value too large for dtype('float32')."

# Optimizers with a fused implementation on CPU and CUDA.
FUSED_OPTIMIZERS = ("adam", "adamw", "sgd")


def check_hidden_layer_sizes(sizes):
    """The widths of the hidden layers as a tuple of ints."""
    with reading("The 'hidden_layer_sizes' parameter"):
        sizes = np.atleast_1d(np.asarray(sizes))
    ints = sizes.size == 0 or (sizes.dtype.kind in "iu" and sizes.min() >= 1)
    if sizes.ndim != 1 or not ints:
        raise ValueError(
            "The 'hidden_layer_sizes' parameter must be a flat list of ints of at "
            f"least 1. Got {sizes.tolist()} instead."
        )
    return tuple(int(size) for size in sizes)


def resolve_device(device):
    """A usable torch.device; "auto" is CUDA, else MPS, else the CPU."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    takes = "'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'"
    try:
        resolved = torch.device(device)
        if resolved.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError("not a device to train on")
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"The 'device' parameter must be {takes}, and the device must be there. "
            f"Got {device!r} instead: {reason}"
        ) from error
    return resolved


def resolve_optimizer(optimizer):
    """A torch.optim.Optimizer class."""
    resolved = OPTIMIZERS.get(optimizer, optimizer) if optimizer else optimizer
    fits = isinstance(resolved, type) and issubclass(resolved, torch.optim.Optimizer)
    if not fits or issubclass(resolved, UNFIT_OPTIMIZERS):
        raise ValueError(
            f"The 'optimizer' parameter must be one of {sorted(OPTIMIZERS)} or a class "
            "of torch.optim that takes one dense gradient a step (so neither LBFGS nor "
            f"SparseAdam). Got {optimizer!r} instead."
        )
    return resolved


def check_callbacks(callbacks):
    """Accept skorch callbacks and pairs (name, callback or None), nothing else."""
    for item in callbacks or []:
        named = isinstance(item, tuple) and len(item) == 2
        callback = item[1] if named else item
        if named and callback is None:
            continue
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, Callback):
            raise ValueError(
                "The 'callbacks' parameter must hold skorch callbacks or pairs "
                f"(name, callback). Got {item!r} instead."
            )


def check_net_params(net_params):
    """Extra arguments of the skorch net, without those that the classifier sets."""
    net_params = dict(net_params or {})
    owned = [key for key in net_params if str(key).split("__")[0] in OWN_NET_PARAMS]
    owned += [key for key in net_params if key in ("optimizer", "optimizer__lr")]
    if owned:
        raise ValueError(
            f"The 'net_params' parameter can not set {owned}: the classifier does, by "
            "parameters of its own (lr, max_epochs, batch_size, callbacks ...) or by "
            "design."
        )
    return net_params


@contextlib.contextmanager
def reading(name):
    """Raise a ValueError if values cannot be read; overflows are checked later."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (RuntimeError, ArithmeticError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{name} can not be read as an array: {reason}") from error


def check_X(estimator, X, *, reset, digits=None):
    """Features as a 2-D array, CSR matrix or tensor without NaN or infinity.

    Sets or checks ``n_features_in_`` and ``feature_names_in_``. ``digits`` chooses the
    precision for training: "float32", "needed" (float64 if float32 is insufficient for
    dense features, see :func:`fits_float32`) or "all" (float64 stays float64). None
    keeps the values as they are.
    """
    if hasattr(X, "__array__") and not hasattr(X, "shape"):
        # scikit-learn cannot count the features without a shape.
        with reading("X"):
            X = np.asarray(X)
    if isinstance(X, torch.Tensor) and X.device.type != "cpu":
        with reading("X"):
            X = _check_device_tensor(estimator, X.detach(), reset)
            return X if digits is None else _for_training(X, digits)
    if isinstance(X, torch.Tensor):
        X = X.detach().resolve_neg()
        X = (X.float() if X.dtype == torch.bfloat16 else X).numpy()
    try:
        with reading("X"):
            found = validate_data(
                estimator,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype="numeric" if digits is None else _dtypes(X, digits),
                order=None if digits is None else "C",
            )
            if found.dtype == object:
                # scikit-learn leaves a polars frame of objects as it is.
                found = check_array(found, dtype=np.float64, input_name="X")
            return found if digits is None else _for_training(found, digits)
    except ValueError as error:
        place = _first_not_finite(X) if "Input X contains" in str(error) else None
        if place is None:
            raise
        raise ValueError(f"{error}\nThe first is in {place}.") from error


def _dtypes(X, digits):
    """Dtypes that scikit-learn keeps; it converts others to the first."""
    dtype = getattr(X, "dtype", None)
    small = isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype.itemsize <= 2
    # Most values of a sparse column are 0, so it cannot lie far from zero.
    if digits == "float32" or small or sp.issparse(X):
        return np.float32
    return [np.float64, np.float32]


def _for_training(X, digits):
    if sp.issparse(X):
        # A DataFrame with sparse columns keeps their precision up to here.
        X = X.astype(np.float32, copy=False)
        if not np.isfinite(X.data).all():
            raise ValueError(TOO_LARGE)
        return X
    wide = X.dtype in (np.float64, torch.float64)
    if digits == "float32":
        wide = False
    elif not (wide and digits == "all"):
        wide = not fits_float32(X)
    if wide and bool((abs(X) > np.finfo(np.float32).max).any()):
        raise ValueError(TOO_LARGE)
    X = converted(X, "float64" if wide else "float32")
    if isinstance(X, np.ndarray):
        # NumPy allows any stride along a dimension of size 1, but torch chooses
        # kernels by strides.
        X = X.reshape(-1).reshape(X.shape)
    return X


def _first_not_finite(X):
    """Describe the position of the first value that is not a finite float32."""
    names = getattr(X, "columns", None)
    X = X.tocsr().toarray() if sp.issparse(X) else np.asarray(X)
    with np.errstate(all="ignore"):
        try:
            bad = np.argwhere(~np.isfinite(X.astype(np.float32)))
        except (TypeError, ValueError):
            return None
    if len(bad) == 0:
        return None
    row, column = bad[0]
    name = "" if names is None else f" ({names[column]!r})"
    return f"row {row}, column {column}{name}"


def _check_device_tensor(estimator, X, reset):
    """scikit-learn's checks of an array, without copying X to the host."""
    name = type(estimator).__name__
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D tensor instead.")
    if 0 in X.shape:
        what = "sample" if X.shape[0] == 0 else "feature"
        raise ValueError(
            f"Found array with 0 {what}(s) (shape={tuple(X.shape)}) while a minimum of "
            f"1 is required by {name}."
        )
    X = X if X.dtype == torch.float64 else X.float()
    if not torch.isfinite(X.float()).all():
        raise ValueError(f"Input X contains NaN or infinity. {name} takes neither.")
    _check_feature_names(estimator, X, reset=reset)
    if reset:
        estimator.n_features_in_ = X.shape[1]
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {name} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    return X


def check_y(estimator, y):
    """Class labels as a 1-D array."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )
    with reading("y"):
        y = y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else y
        check_no_missing(y)
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity.")
        check_classification_targets(y)
    return y


def check_no_missing(y, name="y"):
    """Raise scikit-learn's error where a label is None, NaN, NaT or pandas.NA."""
    if not isinstance(y, (list, tuple)):
        y = np.asarray(y)
        if y.dtype.kind in "mM":
            y = y[np.isnat(y)]
        elif y.dtype.kind != "O":
            return
    # NumPy would convert a NaN in a list of strings to the string "nan".
    if any(_is_missing(label) for label in y if not isinstance(label, (str, int))):
        raise ValueError(f"Input {name} contains NaN.")


def _is_missing(label):
    if label is None or is_pandas_na(label):
        return True
    return isinstance(label, Hashable) and bool(label != label)


def check_class_weight(class_weight, classes, y):
    """The weight of each class, (n_classes,), or None."""
    if class_weight is None:
        return None
    with reading("The 'class_weight' parameter"):
        if isinstance(class_weight, dict):
            weights = _given_weights(class_weight, plain(classes))
        else:
            weights = compute_class_weight(class_weight, classes=classes, y=y)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(
            "The 'class_weight' parameter must hold finite weights of at least 0, not "
            f"all 0. Got {class_weight!r} instead."
        )
    return weights


def _given_weights(class_weight, classes):
    """Weights from a dict, as in scikit-learn, which would convert digits to ints."""
    weights = np.ones(len(classes))
    missing = [name for name in classes if name not in class_weight]
    if missing and len(missing) + len(class_weight) > len(classes):
        raise ValueError(
            f"The 'class_weight' parameter has no weight for the classes {missing}, "
            f"but for others. Got {class_weight!r}."
        )
    for i, name in enumerate(classes):
        weights[i] = class_weight.get(name, 1)
    return weights


def check_weights(sample_weight, class_weights, X, index):
    """Products of sample and class weights, (n,) float32, or None without either.

    ``index`` holds the class indices of the rows.
    """
    if sample_weight is None and class_weights is None:
        return None
    if isinstance(sample_weight, Number):
        # scikit-learn does not check the value of a scalar.
        sample_weight = np.full(len(index), sample_weight)
    with reading("sample_weight"):
        weight = check_sample_weight(sample_weight, X, np.float32)
    if class_weights is not None:
        with np.errstate(over="ignore"):
            weight = weight * class_weights[index].astype(np.float32)
        if not np.isfinite(weight).all():
            raise ValueError(
                "Sample weights times class_weight are too large for float32. Only "
                "their ratios count: divide them by a constant."
            )
    if not weight.any():
        raise ValueError(
            "Sample weights must contain at least one non-zero number, and so must "
            "their products with class_weight."
        )
    return weight


def check_pair(eval_set):
    """Accept one pair (X, y), not a list of pairs as in XGBoost or LightGBM."""
    parts = eval_set if isinstance(eval_set, (tuple, list)) else ()
    pairs = [part for part in parts if _is_pair(part)]
    if len(parts) == 2 and len(pairs) < 2:
        return
    many = f" of {len(pairs)} pairs" if pairs else ""
    raise ValueError(
        f"eval_set must be one pair (X, y). Got {type(eval_set).__name__}{many}."
    )


def _is_pair(part):
    """Whether ``part`` is a pair of rows and labels, not two rows or two labels."""
    two = isinstance(part, (tuple, list)) and len(part) == 2
    return two and len(getattr(part[0], "shape", ())) > 1


def check_rows(X, y, sample_weight=None):
    """Check that each row has one label and one weight."""
    check_consistent_length(X, y, sample_weight)


def check_two_classes(estimator, classes):
    """Check for at least two classes, even if samples have no weight."""
    if len(classes) < 2:
        raise ValueError(
            f"{type(estimator).__name__} needs samples of at least 2 classes. "
            f"Got {len(classes)} class: {classes.tolist()}."
        )


def is_float32(X):
    """Whether outputs for X should be float32 (else float64)."""
    return str(getattr(X, "dtype", "")).endswith("float32")
