"""Searches over parameters whose candidates are trained together."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
)
from sklearn.utils._param_validation import Interval

from ._base import JointSearchMixin

MAX_MEMORY = {"max_memory": [Interval(Integral, 1, None, closed="left"), None]}


class LabelSearchCV(JointSearchMixin, GridSearchCV):
    """Grid search with cross-validation that trains its candidates together.

    It has the interface and the results of
    :class:`sklearn.model_selection.GridSearchCV`. Candidates that differ in numbers
    alone, such as the learning rate, are trained in one program on all folds, each of
    them as its own ``fit`` would have trained it, and their predictions are made
    together. The others are fitted one at a time, as in GridSearchCV.

    Together are trained the classifiers of this library on features; with a frozen
    backbone, whose features are computed once; and as the last step of a
    :class:`~sklearn.pipeline.Pipeline`, whose earlier steps are fitted once for each
    fold and each setting of their own parameters.

    Parameters
    ----------
    estimator : estimator
        A classifier of this library, a Pipeline that ends with one, or any other,
        for which this is GridSearchCV.
    param_grid : dict or list of dicts
        Lists of values by names of parameters.
    scoring : str, callable, list, tuple or dict, default=None
        One or more metrics; None is the estimator's ``score``.
    n_jobs : int, default=None
        Processes, or what joblib's backend has, among which the candidates are shared
        out. None is 1, this process. A GPU is used by this process alone.
    refit : bool, str or callable, default=True
        Whether the best candidate is fitted on all of X and y; with several metrics
        the name of the one that decides. A callable finds ``best_index_`` in
        ``cv_results_``.
    cv : int, splitter or iterable, default=None
        Folds; None is 5, an int a number of stratified ones.
    verbose : int, default=0
        1 shows what is trained together and a bar with the time left, larger
        numbers each candidate.
    pre_dispatch : int or str, default="2*n_jobs"
        How many of the fits of ``n_jobs`` are prepared ahead.
    error_score : "raise" or float, default=nan
        The score of a fit that fails.
    return_train_score : bool, default=False
        Whether candidates are scored on the rows they were trained on, too.
    max_memory : int, default=None
        Bytes that training together may take, by all processes; more candidates than
        that are trained in turns. None is a quarter of what is free on the device.

    Attributes
    ----------
    cv_results_ : dict of arrays
        As GridSearchCV has it, with the same keys. The times of what was trained
        together are a fit's share of it.
    best_estimator_ : estimator
        The best candidate, fitted on all of X and y by itself. With ``refit``.
    best_score_ : float
        Its mean score on the test rows.
    best_params_ : dict
    best_index_ : int
        Its place in ``cv_results_``.
    scorer_ : callable or dict of callables
        What has scored.
    n_splits_ : int
    refit_time_ : float
        Seconds of the last fit.
    multimetric_ : bool
        Whether there are several metrics.
    classes_ : array of shape (n_classes,)
        With ``refit``, like the next two.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (n_features,)
        If X has names of columns.

    See Also
    --------
    LabelRandomizedSearchCV : The same for candidates that are drawn.

    Notes
    -----
    Functions in ``scoring`` that take an estimator, X and y are given real ones; what
    :func:`sklearn.metrics.make_scorer` makes, and names, are served from the common
    predictions, which is faster and what several processes need. With ``verbose=1`` it
    says how many candidates are trained together, and why the others are not.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_lwal import LabelSearchCV, LwALClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = LwALClassifier(max_epochs=10, random_state=0)
    >>> search = LabelSearchCV(classifier, {"lr": [1e-3, 1e-2], "l2": [1e-4, 1e-2]})
    >>> print(f"{search.fit(X, y).best_score_:.1f}")
    1.0
    >>> search.predict(X[:2])
    array([0, 0])
    """

    _parameter_constraints: dict = {
        **GridSearchCV._parameter_constraints,
        **MAX_MEMORY,
    }

    def __init__(
        self,
        estimator: Any,
        param_grid: dict | list[dict],
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        max_memory: int | None = None,
    ):
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_memory = max_memory

    def _draw(self):
        return [*ParameterGrid(self.param_grid)]


class LabelRandomizedSearchCV(JointSearchMixin, RandomizedSearchCV):
    """Search among drawn candidates that trains them together.

    It has the interface and the results of
    :class:`sklearn.model_selection.RandomizedSearchCV`; see :class:`LabelSearchCV` for
    what is trained together.

    Parameters
    ----------
    estimator : estimator
        As in :class:`LabelSearchCV`.
    param_distributions : dict or list of dicts
        Lists of values, or distributions with a method ``rvs``, by names of
        parameters.
    n_iter : int, default=10
        Candidates to draw.
    scoring : str, callable, list, tuple or dict, default=None
        One or more metrics; None is the estimator's ``score``.
    n_jobs : int, default=None
        Processes, or what joblib's backend has, among which the candidates are shared
        out. None is 1, this process. A GPU is used by this process alone.
    refit : bool, str or callable, default=True
        Whether the best candidate is fitted on all of X and y; with several metrics
        the name of the one that decides. A callable finds ``best_index_`` in
        ``cv_results_``.
    cv : int, splitter or iterable, default=None
        Folds; None is 5, an int a number of stratified ones.
    verbose : int, default=0
        1 shows what is trained together and a bar with the time left, larger
        numbers each candidate.
    pre_dispatch : int or str, default="2*n_jobs"
        How many of the fits of ``n_jobs`` are prepared ahead.
    random_state : int, RandomState instance or None, default=None
        Draws the candidates.
    error_score : "raise" or float, default=nan
        The score of a fit that fails.
    return_train_score : bool, default=False
        Whether candidates are scored on the rows they were trained on, too.
    max_memory : int, default=None
        Bytes that training together may take, by all processes; more candidates than
        that are trained in turns. None is a quarter of what is free on the device.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_
        As in :class:`LabelSearchCV`.
    scorer_, n_splits_, refit_time_, multimetric_
        As in :class:`LabelSearchCV`.
    classes_, n_features_in_, feature_names_in_
        As in :class:`LabelSearchCV`.

    See Also
    --------
    LabelSearchCV : The same for all candidates of a grid.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_lwal import LabelRandomizedSearchCV, LwALClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = LwALClassifier(max_epochs=10, random_state=0)
    >>> rates = {"lr": loguniform(1e-4, 1e-1)}
    >>> search = LabelRandomizedSearchCV(classifier, rates, n_iter=4, random_state=0)
    >>> print(f"{search.fit(X, y).best_score_:.1f}")
    1.0
    """

    _parameter_constraints: dict = {
        **RandomizedSearchCV._parameter_constraints,
        **MAX_MEMORY,
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: dict | list[dict],
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        max_memory: int | None = None,
    ):
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_memory = max_memory

    def _draw(self):
        sampler = ParameterSampler(
            self.param_distributions, self.n_iter, random_state=self.random_state
        )
        return [*sampler]
