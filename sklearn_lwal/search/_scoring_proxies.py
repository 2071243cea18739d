"""Stand-ins between scikit-learn's search and the user's data, splitter and scorers."""

from functools import cached_property, partial, update_wrapper, wraps

import numpy as np
from sklearn.base import clone
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import _num_samples

from ..classifiers._predict import RESPONSES
from ..classifiers._with_backbone import host_labels

# The class of scorers that make_scorer and names of metrics give.
SCORER = type(make_scorer(accuracy_score))


class RealRows:
    """X, and the numbers of its rows that scikit-learn gets in place of X.

    An array of numbers passes all of scikit-learn's checks in any configuration, and
    no row of X is copied before it is needed.

    Parameters
    ----------
    X : array-like of n rows
    """

    def __init__(self, X):
        self.X, self.numbers = X, np.arange(_num_samples(X))

    def __call__(self, numbers):
        """The rows with these numbers; X itself for ``self.numbers``."""
        return self.X if numbers is self.numbers else _safe_indexing(self.X, numbers)


class RecordingSplitter:
    """A splitter that splits the real X once, so that all candidates have its folds.

    Parameters
    ----------
    cv : int, splitter, iterable or None
    classifier : bool
    X : array-like of n rows
    """

    def __init__(self, cv, classifier, X):
        self.cv, self.classifier, self.X = cv, classifier, X
        self.checked = None

    def _splitter(self, y):
        if self.checked is None:
            self.checked = check_cv(self.cv, y, classifier=self.classifier)
        return self.checked

    def get_n_splits(self, X=None, y=None, groups=None, **given):
        return self._splitter(y).get_n_splits(self.X, y, **_named(groups), **given)

    def split(self, X, y=None, groups=None, **given):
        n = np.arange(len(X))
        drawn = self._splitter(y).split(self.X, y, **_named(groups), **given)
        self.pairs = [
            tuple(_safe_indexing(n, np.asarray(rows)) for rows in (train, test))
            for train, test in drawn
        ]
        return self.pairs

    def fold(self, numbers, last):
        """The next fold after ``last`` that is trained on the rows with these numbers.

        Several folds may be trained on the same rows.
        """
        n_folds = len(self.pairs)
        in_turn = ((last + i) % n_folds for i in range(1, n_folds + 1))
        return next(f for f in in_turn if np.array_equal(self.pairs[f][0], numbers))

    def __getattr__(self, name):
        # Metadata routing reads attributes of the splitter.
        if name.startswith("__") or "cv" not in vars(self):
            raise AttributeError(name)
        return getattr(self.cv, name)

    def __repr__(self):
        return repr(self.cv)


def _named(groups):
    return {} if groups is None else {"groups": groups}


class ScorerAdapter:
    """A user's scorer, which gets the real rows and the real estimator."""

    def __init__(self, function, rows):
        update_wrapper(self, function)
        self.function, self.rows = function, rows

    def __call__(self, estimator, X, *args, **kwargs):
        return self.function(estimator.real, self.rows(X), *args, **kwargs)

    def __getattr__(self, name):
        if name.startswith("__") or "function" not in vars(self):
            raise AttributeError(name)
        return getattr(self.function, name)

    def __repr__(self):
        return repr(self.function)


def scoring_on_rows(scoring, rows):
    """The same ``scoring`` with a :class:`ScorerAdapter` for each callable."""
    if isinstance(scoring, dict):
        return {name: scoring_on_rows(s, rows) for name, s in scoring.items()}
    return ScorerAdapter(scoring, rows) if asks_estimators(scoring) else scoring


def asks_estimators(scoring):
    """Whether ``scoring`` has callables that need real estimators."""
    if isinstance(scoring, dict):
        return any(map(asks_estimators, scoring.values()))
    return callable(scoring) and type(scoring) is not SCORER


class RealContext:
    """A callback context whose hooks get the user's search and the real rows.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
    search : callable
        Returns the search that the user fits, with its results so far.
    rows : RealRows

    Attributes
    ----------
    task_ids : sequence of int or None
        For each number that scikit-learn gives a subtask the one that users expect.
    """

    task_ids = None

    def __init__(self, context, search, rows):
        self.context, self.search, self.rows = context, search, rows

    def subcontext(self, task_id=None, **task):
        if self.task_ids is not None:
            task_id = self.task_ids[task_id]
        context = self.context.subcontext(task_id=task_id, **task)
        return RealContext(context, self.search, self.rows)

    def call_on_fit_task_begin(self, **given):
        self.context.call_on_fit_task_begin(**self._real(**given))
        return self

    def call_on_fit_task_end(self, **given):
        return self.context.call_on_fit_task_end(**self._real(**given))

    def _real(self, estimator, X=None, **given):
        if X is not None:
            # scikit-learn calls it when a hook asks for X.
            given["X"] = partial(self.rows, X)
        return {"estimator": self.search(), **given}

    def propagate_callback_context(self, sub_estimator):
        return self.context.propagate_callback_context(sub_estimator.real)


# The key of a candidate's number among its parameters; no parameter has this name.
NUMBER = "#"


class TaggedParams(dict):
    """Parameters of a candidate, with its number, which messages do not show."""

    def __iter__(self):
        # scikit-learn prints by iteration; ``**`` calls keys().
        return (name for name in self.keys() if name != NUMBER)

    def __deepcopy__(self, memo):
        # Nothing changes it, and only its number is read.
        return self


class FittedCandidate:
    """A candidate, fitted on a fold.

    Parameters
    ----------
    make : callable
        Makes the fitted estimator, which few searches need.
    classes : array of shape (n_classes,), default=None
    scores : callable, default=None
        From numbers of rows to their class scores, (n, n_classes), or to None where
        the estimator itself must predict.
    """

    def __init__(self, make, classes=None, scores=lambda X: None):
        self.make, self.classes, self.scores = make, classes, scores

    @cached_property
    def estimator(self):
        return self.make()


class CandidateProxy:
    """The estimator that scikit-learn sees; ``fit`` fetches a fitted candidate.

    Parameters
    ----------
    estimator : estimator
        The candidate that this stands for, not fitted.
    scheduler : Scheduler
    rows : RealRows
    """

    def __init__(self, estimator, scheduler, rows):
        self.estimator, self.scheduler, self.rows = estimator, scheduler, rows
        self.number = self.cell = None

    @property  # type: ignore[misc]
    def __class__(self):
        # Messages name the class.
        return type(self.estimator)

    def __repr__(self):
        return repr(self.estimator)

    @property
    def real(self):
        """The estimator that this stands for, fitted if this is."""
        return self.estimator if self.cell is None else self.cell.estimator

    def __sklearn_clone__(self):
        return CandidateProxy(self.estimator, self.scheduler, self.rows)

    def get_params(self, deep=True):
        return self.estimator.get_params(deep)

    def set_params(self, **parameters):
        self.number = parameters.get(NUMBER)
        if self.number is None:
            # The best candidate, which is refitted alone.
            self.estimator = clone(self.estimator).set_params(**parameters)
        return self

    def fit(self, X, y=None, **fit_params):
        if self.number is None:
            fitted = self.estimator.fit(self.rows(X), y, **fit_params)
            self.cell = FittedCandidate(lambda: fitted)
        else:
            self.cell = self.scheduler.cell(self.number, X)
        return self

    def score(self, X, y=None, sample_weight=None, **params):
        if self.cell.scores(X) is not None:
            y, predicted = np.asarray(host_labels(y)), self.predict(X)
            if sample_weight is None and self.scheduler.labels_are_plain:
                # accuracy_score would check y again for each candidate.
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
            # scikit-learn 1.6 reads the metadata request of the estimator.
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
        """The method, taking numbers of rows in place of rows."""
        if not callable(method):
            return method

        @wraps(method)
        def ask(X, *args, **kwargs):
            return method(self.rows(X), *args, **kwargs)

        return ask
