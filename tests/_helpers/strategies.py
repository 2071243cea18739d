"""Hypothesis strategies: data sets, their containers, names of classes."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import torch
from _helpers.rivals import CLASSIFIERS
from hypothesis import strategies as st

from sklearn_lwal import LwALClassifier, STDClassifier

classifiers = st.sampled_from(CLASSIFIERS)


@dataclass
class Problem:
    """Rows, the indices of their classes, and how the classes are named.

    The values of X are small multiples of 1/4, which every floating dtype holds.
    """

    X: np.ndarray
    index: np.ndarray
    classes: np.ndarray
    rng: np.random.RandomState = field(repr=False)

    @property
    def y(self):
        return self.classes[self.index]


def _names(numbers):
    return [f"class {i:02d}" for i in numbers]


# Sorted, as they are in ``classes_``.
LABEL_KINDS = {
    "int": lambda k: np.arange(k) * 3 - 4,
    "uint8": lambda k: np.arange(250, 250 + k).astype(np.uint8),
    "float": lambda k: np.arange(k) - 2.0,
    "string": lambda k: np.array(_names(range(k))),
    "object": lambda k: np.array(_names(range(k)), dtype=object),
    "huge int": lambda k: 2**53 + np.arange(k),
    "bool": lambda k: np.arange(k) % 2 == 1,
}


@st.composite
def problems(draw, kinds=tuple(LABEL_KINDS), rows_per_class=None):
    """Blobs, with columns that are often 0; each class has two rows or more."""
    kind = draw(st.sampled_from(kinds))
    k = 2 if kind == "bool" else draw(st.integers(2, 5))
    n = rows_per_class * k if rows_per_class else draw(st.integers(2 * k, 24))
    d = draw(st.integers(1, 6))
    rng = np.random.RandomState(draw(st.integers(0, 2**16)))
    index = rng.permutation(np.arange(n) % k)
    X = rng.normal(size=(n, d)) + 2 * rng.normal(size=(k, d))[index]
    often_zero = draw(st.integers(0, d - 1))
    X[:, :often_zero] *= rng.rand(n, often_zero) < 0.5
    X = np.round(4 * X).astype(np.float32) / 4
    return Problem(X, index, LABEL_KINDS[kind](k), rng)


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _named(X):
    return {f"column {j}": X[:, j] for j in range(X.shape[1])}


# In another order than rows follow each other, or not side by side.
ORDERS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, 0), 3, 1)[::2, ::3],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": _read_only,
    "unaligned": lambda X: _unaligned(X),
}


def _unaligned(X):
    room = np.zeros(X.nbytes + 1, np.uint8)[1:].view(X.dtype).reshape(X.shape)
    room[...] = X
    return room


FORMATS = ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"]
SPARSE = {
    **{f"{name}_array": getattr(sp, f"{name}_array") for name in FORMATS},
    **{f"{name}_matrix": getattr(sp, f"{name}_matrix") for name in FORMATS},
    "pandas": lambda X: pd.DataFrame(X).astype(pd.SparseDtype(X.dtype, 0)),
}
DTYPES = ["f2", "f4", "f8", "g", ">f4", ">f8", "i1", "i4", "i8", ">i2", "u1", "u8", "?"]
# Dense ones of float32 values; some change the dtype.
CONTAINERS = {
    "list": lambda X: X.tolist(),
    "object array": lambda X: X.astype(object),
    "masked array": np.ma.masked_array,
    "pandas": lambda X: pd.DataFrame(_named(X)),
    "pandas, nullable": lambda X: pd.DataFrame(_named(X)).astype("Float64"),
    "pandas, other index": lambda X: pd.DataFrame(X, index=range(7, 7 + len(X))),
    "polars": lambda X: pl.DataFrame(_named(X)),
    "polars, float64": lambda X: pl.DataFrame(_named(X.astype("f8"))),
    "tensor": torch.tensor,
    "float64 tensor": lambda X: torch.tensor(X, dtype=torch.float64),
    "half tensor": lambda X: torch.tensor(X, dtype=torch.float16),
    "bfloat16 tensor": lambda X: torch.tensor(X, dtype=torch.bfloat16),
    "transposed tensor": lambda X: torch.tensor(X.T.copy()).T,
    "tensor with gradient": lambda X: torch.tensor(X, requires_grad=True),
}


def as_dtype(X, dtype):
    """Rows of that dtype, as much like X as it allows."""
    kind = np.dtype(dtype).kind
    change = {"i": np.trunc, "u": lambda X: np.abs(np.trunc(X)), "b": lambda X: X > 0}
    return change.get(kind, np.asarray)(X).astype(dtype)


TARGETS = {
    "array": np.asarray,
    "list": lambda y: y.tolist(),
    "tuple": lambda y: tuple(y.tolist()),
    "series": lambda y: pd.Series(y, index=range(7, 7 + len(y))),
    "categorical": lambda y: pd.Series(pd.Categorical(y)),
    "polars": pl.Series,
    "strided": lambda y: np.repeat(y, 2)[::2],
}


@st.composite
def classifiers_with_options(draw, of=CLASSIFIERS, **fixed):
    """A classifier that is soon fitted, of any start, depth and optimizer."""
    Classifier = draw(st.sampled_from(of))
    found = {
        "max_epochs": draw(st.integers(1, 3)),
        "batch_size": draw(st.sampled_from([1, 3, 8, "auto"])),
        "hidden_layer_sizes": draw(st.sampled_from([(), (), (4,), (5, 3)])),
        "dropout": draw(st.sampled_from([0.0, 0.5])),
        "standardize": draw(st.booleans()),
        "average": draw(st.booleans()),
        "optimizer": draw(st.sampled_from(["adam", "sgd", "rmsprop"])),
        "random_state": draw(st.integers(0, 2**32 - 1)),
    }
    if Classifier is LwALClassifier:
        found["init"] = draw(st.sampled_from(["discriminant", "random"]))
        found["label_update"] = draw(st.sampled_from(["features", "batch"]))
        found["temperature"] = draw(st.sampled_from(["learned", 1.0]))
        found["output_dim"] = draw(st.sampled_from(["auto", 1, 2.0, 7]))
        found["refine_labels"] = draw(st.booleans())
    if Classifier is STDClassifier:
        found["scores"] = draw(st.sampled_from(["linear", "cosine", "etf"]))
    found.update(fixed)
    if found["hidden_layer_sizes"] and found["batch_size"] == 1:
        # Single rows go by the running statistics of the hidden layers. Where a unit
        # has hardly any variance in them, training may diverge, and says so.
        found["batch_size"] = 4
    names = Classifier().get_params()
    return Classifier(**{k: v for k, v in found.items() if k in names})
