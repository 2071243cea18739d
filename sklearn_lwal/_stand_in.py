"""What a search takes for a fitted estimator, and asks for predictions."""

from functools import cached_property, wraps

import numpy as np
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.utils import get_tags

from ._backbone import host_labels
from ._inference import RESPONSES

# Names a candidate among the parameters that are set; no parameter is called so.
NUMBER = "#"


class Numbered(dict):
    """Parameters of a candidate and its number, which is set but not shown."""

    def __iter__(self):
        # Of what scikit-learn prints; ``**`` asks for keys().
        return (name for name in self.keys() if name != NUMBER)

    def __deepcopy__(self, memo):
        # Nobody changes it, and only the number is looked at.
        return self


class Cell:
    """A candidate trained on a fold.

    Parameters
    ----------
    make : callable
        Makes the fitted estimator, which few ask for.
    classes : array of shape (n_classes,), default=None
    scores : callable, default=None
        From numbers of rows to their class scores, (n, n_classes), or None where the
        estimator has to be asked.
    """

    def __init__(self, make, classes=None, scores=lambda X: None):
        self.make, self.classes, self.scores = make, classes, scores

    @cached_property
    def estimator(self):
        return self.make()


class StandIn:
    """An estimator to scikit-learn; its cell was trained together with others.

    Parameters
    ----------
    estimator : estimator
        Not fitted; set to the parameters of a candidate it is what this stands for.
    cells : Cells
    rows : RealRows
    """

    def __init__(self, estimator, cells, rows):
        self.estimator, self.cells, self.rows = estimator, cells, rows
        self.number = self.cell = None

    @property  # type: ignore[misc]
    def __class__(self):
        # Messages name it.
        return type(self.estimator)

    def __repr__(self):
        return repr(self.estimator)

    @property
    def real(self):
        """The estimator itself, fitted if this is."""
        return self.estimator if self.cell is None else self.cell.estimator

    def __sklearn_clone__(self):
        return StandIn(self.estimator, self.cells, self.rows)

    def get_params(self, deep=True):
        return self.estimator.get_params(deep)

    def set_params(self, **parameters):
        self.number = parameters.get(NUMBER)
        if self.number is None:
            # The best candidate, which is fitted by itself.
            self.estimator = clone(self.estimator).set_params(**parameters)
        return self

    def fit(self, X, y=None, **fit_params):
        if self.number is None:
            fitted = self.estimator.fit(self.rows(X), y, **fit_params)
            self.cell = Cell(lambda: fitted)
        else:
            self.cell = self.cells.cell(self.number, X)
        return self

    def score(self, X, y=None, sample_weight=None, **params):
        if self.cell.scores(X) is not None:
            y, predicted = np.asarray(host_labels(y)), self.predict(X)
            if sample_weight is None and self.cells.labels_are_plain:
                # accuracy_score would look at y anew for each candidate.
                return float(np.mean(y == predicted))
            return accuracy_score(y, predicted, sample_weight=sample_weight)
        if sample_weight is not None:
            params["sample_weight"] = sample_weight
        return self.cell.estimator.score(self.rows(X), y, **params)

    def get_metadata_routing(self):
        return self.estimator.get_metadata_routing()

    def __sklearn_tags__(self):
        return get_tags(self.estimator)

    def __sklearn_is_fitted__(self):
        return self.cell is not None

    def __getattr__(self, name):
        if name.startswith("__") or "cell" not in vars(self):
            raise AttributeError(name)
        if self.cell is None or name.startswith("_"):
            # scikit-learn 1.6 asks for the metadata request itself.
            return getattr(self.estimator, name)
        if name == "classes_" and self.cell.classes is not None:
            return self.cell.classes
        if name in RESPONSES:
            return self._response(name)
        return self._of_rows(getattr(self.cell.estimator, name))

    def _response(self, name):
        cell = self.cell
        if cell.classes is None:
            return self._of_rows(getattr(cell.estimator, name))

        def method(X, **params):
            scores = None if params else cell.scores(X)
            if scores is None:
                return getattr(cell.estimator, name)(self.rows(X), **params)
            return RESPONSES[name](scores, cell.classes)

        method.__name__ = name
        return method

    def _of_rows(self, method):
        """A method that is asked about numbers of rows."""
        if not callable(method):
            return method

        @wraps(method)
        def ask(X, *args, **kwargs):
            return method(self.rows(X), *args, **kwargs)

        return ask
