"""A grammar of bad inputs: what to pass in the place of each argument.

A drawn input is a pair (words, value): hypothesis prints the words, and a few of the
values turn out to be good.
"""

import datetime
import decimal
import fractions

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import torch
from hypothesis import strategies as st
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler

N, D = 9, 3
X = (np.random.RandomState(0).randint(-8, 9, (N, D)) / 4).astype(np.float32)
Y = np.arange(N) % 3


class Thing:
    """Nothing that anyone knows."""


class Refuses:
    """An array that cannot be had."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("this is no array")


def pick(*values):
    """One of values that need not be comparable, hashable or short to print."""
    return st.integers(0, len(values) - 1).map(values.__getitem__)


ODD = [
    None,
    ...,
    NotImplemented,
    Thing(),
    Thing,
    Refuses(),
    len,
    range(N),
    range(0),
    slice(3),
    memoryview(b"123456789"),
    datetime.date(2020, 1, 1),
    datetime.timedelta(1),
    decimal.Decimal("NaN"),
    fractions.Fraction(1, 3),
    np.float32("nan"),
    np.datetime64("NaT"),
    np.str_("a"),
    np.array(3),
    np.array(None),
    np.array([], dtype=object),
    np.zeros(N, [("a", "f4"), ("b", "f4")]),
    pd.NA,
    pd.NaT,
    pd.DataFrame(),
    pd.Series([], dtype=object),
    pl.DataFrame(),
    pl.DataFrame({"a": [1.0, 2.0, 3.0]}).lazy(),
    pl.Series([]),
    sp.csr_array((0, 0)),
    sp.coo_array(np.ones(N)),
    torch.tensor(1.0),
    torch.empty(0),
    torch.empty(N, D, device="meta"),
    torch.empty(N, device="meta"),
    torch.eye(N).to_sparse(),
    torch.zeros(N, D).to(torch.float8_e4m3fn),
    torch.zeros(N, D, dtype=torch.complex64).conj(),
    torch.nn.Linear(2, 2),
    torch.device("cpu"),
    torch.float32,
]
numbers = st.one_of(
    st.booleans(),
    st.integers(-50, 50),
    pick(10**400, 2**31, 2**63, 2**64, -(2**63), 10**30),
    st.floats(),
    st.complex_numbers(),
)
scalars = st.one_of(
    st.none(), numbers, st.text(max_size=5), st.binary(max_size=4), pick(*ODD)
)
hashable = st.one_of(st.none(), numbers, st.text(max_size=5))
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=N),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(hashable, inner, max_size=3),
        st.sets(hashable, max_size=3),
        st.lists(inner, max_size=4).map(iter),
    ),
    max_leaves=12,
)
# The right length, so that inputs pass the first checks.
columns = st.lists(scalars, min_size=N, max_size=N)


def _with(array, value, place):
    """The array with a value that may ask for another dtype."""
    fits = isinstance(value, (float, complex)) and array.dtype.kind in "if"
    array = array.astype(np.result_type(array, type(value)) if fits else object)
    array.flat[place] = value
    return array


def _if_possible(convert, array):
    """The converted array, or the array itself if the conversion fails."""
    try:
        return convert(array)
    except Exception:
        return array


def _shapes(array):
    """Wrong shapes of a good array."""
    return [
        array[:0],
        array[:1],
        array[:-1],
        array[:, :0] if array.ndim == 2 else array[0],
        array[None],
        array[..., None],
        array.ravel(),
        array[0],
        np.concatenate([array, array]),
        np.concatenate([array.T, array.T]).T,
        np.repeat(array[..., None], 2, -1),
        np.broadcast_to(array, (2, 2, *array.shape)),
    ]


SPOILED_BY = pick(
    *[
        *(np.nan, np.inf, -np.inf, 1e39, -1e300, 1j, complex(np.nan, 1)),
        *(
            None,
            "word",
            "",
            "nan",
            b"1",
            pd.NA,
            pd.NaT,
            10**30,
            [1.0, 2.0],
            {},
            Thing(),
        ),
        *(datetime.date(2020, 1, 1), decimal.Decimal("1.5"), True, 3, -1, 7.5, np.nan),
    ]
)
DTYPES = ["S3", "U5", "M8[D]", "m8[s]", "c8", "O", "?", "V4"]


@st.composite
def spoiled(draw, array):
    """A good array with one value, its shape or its dtype changed."""
    how = draw(st.sampled_from(["value", "value", "shape", "dtype", "ragged"]))
    if how == "shape":
        return draw(pick(*_shapes(array)))
    if how == "dtype":
        dtype = draw(st.sampled_from(DTYPES))
        return _if_possible(lambda a: np.trunc(a).astype(int).astype(dtype), array)
    if how == "ragged":
        rows = array.tolist()
        rows[draw(st.integers(0, len(rows) - 1))] = draw(anything)
        return rows
    return _with(array, draw(SPOILED_BY), draw(st.integers(0, array.size - 1)))


def _frame(array, library=pd):
    if array.ndim == 1:
        return library.Series(array)
    return library.DataFrame({f"c{j}": array[:, j] for j in range(array.shape[1])})


HOLDERS = {
    "list": lambda a: a.tolist(),
    "matrix": lambda a: a.view(np.matrix),
    "masked array": lambda a: np.ma.masked_array(a, a == a[0]),
    "csr": sp.csr_array,
    "csc": sp.csc_matrix,
    "coo": sp.coo_matrix,
    "pandas": _frame,
    "pandas, categories": lambda a: _frame(a).astype("category"),
    "pandas, mixed names": lambda a: _frame(a).rename(columns={"c0": 0}),
    "polars": lambda a: _frame(a, pl),
    "tensor": torch.tensor,
    "iterator": iter,
    "nested": lambda a: [a, a],
    "dict": lambda a: {"data": a},
}


@st.composite
def held(draw, arrays):
    """An array in some container, or itself where that does not take it."""
    array = draw(arrays)
    name = draw(st.sampled_from(["plain", *HOLDERS]))
    if name == "plain" or not isinstance(array, np.ndarray):
        return array
    return _if_possible(HOLDERS[name], array)


wrong_columns = pick(
    X[:, :1], X[:, :2], np.hstack([X, X]), X.T, X[:, :0], X[:0], X[:1], X[0]
)
bad_features = st.one_of(
    held(spoiled(X)),
    held(spoiled(X.astype(np.float64))),
    held(wrong_columns),
    anything,
    st.lists(st.lists(scalars, min_size=D, max_size=D), min_size=N, max_size=N),
)
NAMES = np.array(["a", "b", "c"])[Y]


def _objects(values):
    array = np.empty(len(values), object)
    for i, value in enumerate(values):
        array[i] = value
    return array


bad_targets = st.one_of(
    held(pick(Y, NAMES, Y.astype(float)).flatmap(spoiled)),
    columns,
    columns.map(_objects),
    st.lists(hashable, min_size=N, max_size=N),
    st.lists(pick("a", 1, None, 2.5, b"a", np.nan), min_size=N, max_size=N),
    pick(
        np.zeros(N, int),
        np.linspace(0, 1, N),
        np.eye(N)[:, :3],
        sp.csr_array(np.eye(N)),
        pd.Series(Y, dtype="Int64").where(Y > 0),
        pd.Series(NAMES, dtype="string").where(Y > 0),
        pd.Series(pd.Categorical(NAMES)).where(Y > 0),
        pd.Series(pd.date_range("2020", periods=N)),
        pd.DataFrame({"y": Y, "z": Y}),
        pl.Series(["a", None, "b"] * 3),
        pl.Series([1, None, 2] * 3),
        pl.Series([[1], [2], [3]] * 3),
        torch.tensor(Y).to(torch.complex64),
        torch.tensor(Y).bfloat16(),
        torch.tensor(Y + 0.5),
    ),
    anything,
)
ONES = np.ones(N)
bad_weights = st.one_of(
    held(spoiled(ONES)),
    columns,
    numbers,
    st.lists(st.floats(), min_size=N, max_size=N),
    pick(-ONES, 0 * ONES, ONES * 1e300, ONES * 1e-300, Y == 1, NAMES),
    anything,
)
bad_eval_sets = st.one_of(
    st.tuples(bad_features, st.just(Y)),
    st.tuples(st.just(X), bad_targets),
    st.tuples(bad_features, bad_targets),
    pick((X,), (X, Y, Y), [X, Y + 1], X, (X[:, :2], Y), (X, None), "XY"),
    anything,
)
bad_classes = st.one_of(
    bad_targets,
    st.lists(hashable, max_size=4),
    pick([0, 1], [0, 1, 2, 2], [1, 2, 3], [0], [], [0, 1, "2"], [0, 1, None]),
)

callbacks = pick(
    Callback,
    Callback(),
    ("name", Callback()),
    ("name", Callback),
    (1, Callback()),
    ("name",),
    ("lwal_progress", Callback()),
    EpochScoring,
    EpochScoring("no_such_score"),
    EpochScoring("accuracy", use_caching=False),
    EarlyStopping(monitor="no_such_column"),
    EarlyStopping(patience="long"),
    LRScheduler(policy="NoSuchPolicy"),
    LRScheduler(policy="StepLR"),
    LRScheduler(monitor="no_such_column", policy="ReduceLROnPlateau"),
)
NET_PARAMS = [
    "no_such_parameter",
    "optimizer",
    "optimizer__betas",
    "optimizer__eps",
    "optimizer__weight_decay",
    "optimizer__param_groups",
    "optimizer__no_such_option",
    "optimizer__foreach",
    "optimizer__capturable",
    "optimizer__fused",
    "module__in_features",
    "callbacks__name",
    "predict_nonlinearity",
    "warm_start",
    "torch_load_kwargs",
    "",
    "__",
    3,
    None,
]
OPTIMIZERS = [
    kind
    for kind in vars(torch.optim).values()
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
]
OF_THEIR_OWN = {
    "callbacks": st.lists(callbacks | scalars, max_size=3),
    "net_params": st.dictionaries(
        st.sampled_from(NET_PARAMS),
        anything | pick(True, (), (0.9,), (0.9, "b"), [{}], [("*", 3)], 1e300),
        max_size=2,
    ),
    "class_weight": st.dictionaries(
        st.sampled_from([0, 1, 2, 5, "a", None]), scalars, max_size=3
    ),
    "optimizer": pick(*OPTIMIZERS, dict, len),
    "hidden_layer_sizes": st.lists(numbers, max_size=3) | st.just((2**62,)),
    "output_dim": pick(2**62, 2**70, 1e300, 1.1, 0.99),
    "device": pick("", "cpu:7", "cuda", "cuda:99", "meta", "mps", "xla"),
    "label_embeddings": st.one_of(
        held(spoiled(np.eye(3))),
        st.dictionaries(st.sampled_from([0, 1, 2, "a"]), anything, max_size=3),
        pick({0: [1], 1: [2], 2: [3]}, {0: [1], 1: [2, 3], 2: [4]}),
        anything.map(lambda value: lambda names: value),
    ),
    "backbone": pick(
        "no_such_model", "nn", "", dict, torch.nn.Linear(D, 2), torch.nn.Identity()
    )
    | anything.map(lambda value: lambda: value),
    "random_state": pick(-1, 2**32, 2**31 + 0.5, np.random.default_rng(0), np.random),
}
# Not bad, but slow: True asks for a C++ compiler, and an epoch takes its time.
SLOW = {
    "compile": lambda value: isinstance(value, (bool, np.bool_)),
    "max_epochs": lambda value: isinstance(value, int) and value > 50,
}


@st.composite
def bad_parameters(draw, Classifier):
    """One to two parameters of the classifier by name."""
    names = st.sampled_from(sorted(Classifier().get_params()))
    names |= st.sampled_from(sorted(OF_THEIR_OWN.keys() & Classifier().get_params()))
    found = {}
    for name in draw(st.lists(names, min_size=1, max_size=2, unique=True)):
        values = OF_THEIR_OWN.get(name, st.nothing()) | anything
        found[name] = draw(
            values.filter(lambda v, n=name: not (n in SLOW and SLOW[n](v)))
        )
    return found
