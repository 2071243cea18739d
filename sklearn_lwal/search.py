"""Searches over parameters whose candidates are trained together."""

from __future__ import annotations

import copy
from contextlib import ExitStack
from numbers import Integral
from typing import Any

import joblib
import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
)
from sklearn.utils import indexable
from sklearn.utils._param_validation import Interval
from typing_extensions import Self

from ._cells import Cells
from ._plan import Plan
from ._stand_in import NUMBER, StandIn
from ._typing import Column, Samples
from ._views import OfRealObjects, Splits, View, seeing_real_objects

MAX_MEMORY = {"max_memory": [Interval(Integral, 1, None, closed="left"), None]}


class _TogetherMixin:
    """Lets scikit-learn's own search run on stand-ins, which are trained together."""

    # Of the copy that searches: what is evaluated, by which cells; what ends with that.
    _candidates = _cells = _until_run = None

    def fit(self, X: Samples, y: Column | None = None, **params: Any) -> Self:
        self._validate_params()
        candidates, plan = None, None
        try:
            candidates = self._draw()
            # A Dataset has its own labels, and one row at a time.
            if y is not None:
                plan = Plan(self, candidates, params)
        except (AttributeError, TypeError, ValueError):
            # scikit-learn finds the same, and tells in its own words.
            pass
        search = copy.copy(self)
        if plan is None or not plan.classifiers:
            search._candidates = candidates
            super(_TogetherMixin, search).fit(X, y, **params)
        else:
            self._fit_together(search, plan, X, y, params)
        fitted = {k: v for k, v in vars(search).items() if k.endswith("_")}
        vars(self).update(fitted)
        return self

    def _fit_together(self, search, plan, X, y, params):
        X, y = indexable(X, y)
        splits = Splits(self.cv, is_classifier(self.estimator))
        search._cells = Cells(plan, self, X, y, splits)
        search._candidates = [
            # What scikit-learn prints, if anything, and what it is to fit.
            {**(plan.candidates[number] if self.verbose > 1 else {}), NUMBER: number}
            for number in plan.order
        ]
        search.estimator = StandIn(self.estimator, search._cells)
        search.scoring = seeing_real_objects(self.scoring)
        search.cv = splits
        search.n_jobs = 1
        if self.verbose:
            print(plan.report())
        try:
            with ExitStack() as search._until_run:
                # Else a backend that is not of this process might get the stand-ins.
                config = joblib.parallel_config(backend="sequential")
                search._until_run.enter_context(config)
                super(_TogetherMixin, search).fit(View(X), y, **params)
        finally:
            search._cells.release()
        search.scorer_ = self._real_scorers(search.scorer_)
        if hasattr(search, "best_estimator_"):
            search.best_estimator_ = search.best_estimator_.cell.estimator

    def _real_scorers(self, scorer):
        if isinstance(scorer, dict):
            return {name: self._real_scorers(value) for name, value in scorer.items()}
        if self.scoring is None:
            return check_scoring(self.estimator)
        return scorer.function if isinstance(scorer, OfRealObjects) else scorer

    def _run_search(self, evaluate_candidates, callback_ctx=None):
        if self._until_run is not None:
            # What is fitted now, one at a time, is fitted as the user wants it.
            self._until_run.close()
        if self._candidates is None:
            evaluate = evaluate_candidates
        else:

            def evaluate(_, **context):
                return evaluate_candidates(self._candidates, **context)

        context = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(evaluate, **context)

    def _format_results(self, candidate_params, n_splits, out, more_results=None):
        if self._cells is not None:
            self._cells.release()
            candidate_params, out = self._cells.in_order(candidate_params, n_splits, out)
        return super()._format_results(candidate_params, n_splits, out, more_results)


class LabelSearchCV(_TogetherMixin, GridSearchCV):
    """GridSearchCV whose candidates are trained together."""

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


class LabelRandomizedSearchCV(_TogetherMixin, RandomizedSearchCV):
    """RandomizedSearchCV whose candidates are trained together."""

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
