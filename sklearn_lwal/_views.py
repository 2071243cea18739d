"""What scikit-learn's search is given instead of X, the splitter and the scorers."""

from functools import update_wrapper

import numpy as np
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

# What names of metrics stand for, and make_scorer makes: they ask for predictions.
SCORER = type(make_scorer(accuracy_score))


class View:
    """Rows of X by their numbers; they are copied when somebody wants to see them.

    Parameters
    ----------
    X : array-like of n rows
    rows : int array, default=None
        None is all of X.
    """

    def __init__(self, X, rows=None):
        self.X, self.rows = X, rows

    def __len__(self):
        return _num_samples(self.X if self.rows is None else self.rows)

    @property
    def shape(self):
        return len(self), *getattr(self.X, "shape", (0,))[1:]

    def __getitem__(self, key):
        # scikit-learn indexes arrays as X[rows, ...].
        rows = key[0] if isinstance(key, tuple) else key
        return View(self.X, rows if self.rows is None else self.rows[rows])

    def real(self):
        """The rows themselves."""
        return _safe_indexing(self.X, self.rows)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.real(), dtype)

    def __reduce__(self):
        # Elsewhere nobody knows of views.
        return _same, (self.real(),)


def _same(X):
    return X


def real(X):
    """The rows that a view shows; else X."""
    return X.real() if isinstance(X, View) else X


class Splits:
    """A splitter that sees the real X, once: the splits of all candidates are alike.

    Parameters
    ----------
    cv : int, splitter, iterable or None
    classifier : bool
    """

    def __init__(self, cv, classifier):
        self.cv, self.classifier, self.checked = cv, classifier, None

    def _splitter(self, y):
        if self.checked is None:
            self.checked = check_cv(self.cv, y, classifier=self.classifier)
        return self.checked

    def get_n_splits(self, X=None, y=None, groups=None, **given):
        return self._splitter(y).get_n_splits(real(X), y, **_named(groups), **given)

    def split(self, X, y=None, groups=None, **given):
        n = np.arange(len(X))
        drawn = self._splitter(y).split(real(X), y, **_named(groups), **given)
        self.pairs = [
            tuple(_safe_indexing(n, np.asarray(rows)) for rows in (train, test))
            for train, test in drawn
        ]
        # Where a view's rows lie: which fold, and 0 to train on or 1 to test on.
        self.places = {
            id(rows): (fold, part)
            for fold, pair in enumerate(self.pairs)
            for part, rows in enumerate(pair)
        }
        return self.pairs

    def place(self, X):
        """Fold and part of a view, or None."""
        return self.places.get(id(X.rows)) if isinstance(X, View) else None

    def __getattr__(self, name):
        # Metadata routing asks the splitter itself.
        if name.startswith("__") or "cv" not in vars(self):
            raise AttributeError(name)
        return getattr(self.cv, name)

    def __repr__(self):
        return repr(self.cv)


def _named(groups):
    return {} if groups is None else {"groups": groups}


class OfRealObjects:
    """A callable of the user's that scores: it is given real rows and estimators."""

    def __init__(self, function):
        update_wrapper(self, function)
        self.function = function

    def __call__(self, estimator, X, *args, **kwargs):
        return self.function(real_estimator(estimator), real(X), *args, **kwargs)

    def __getattr__(self, name):
        if name.startswith("__") or "function" not in vars(self):
            raise AttributeError(name)
        return getattr(self.function, name)

    def __repr__(self):
        return repr(self.function)


def real_estimator(estimator):
    """The fitted estimator that a stand-in speaks for; else the estimator."""
    cell = vars(estimator).get("cell")
    return estimator if cell is None else cell.estimator


def seeing_real_objects(scoring):
    """The same ``scoring``, in which callables are :class:`OfRealObjects`."""
    if isinstance(scoring, dict):
        return {name: seeing_real_objects(value) for name, value in scoring.items()}
    return OfRealObjects(scoring) if asks_estimators(scoring) else scoring


def asks_estimators(scoring):
    """Whether ``scoring`` has callables that want real estimators."""
    if isinstance(scoring, dict):
        return any(map(asks_estimators, scoring.values()))
    return callable(scoring) and type(scoring) is not SCORER
