"""scikit-learn's own search, on estimators that stand for those trained together."""

from __future__ import annotations

import copy
from contextlib import ExitStack
from typing import Any

import joblib
from sklearn.base import BaseEstimator, is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils import get_tags, indexable
from typing_extensions import Self

from ._cells import Cells
from ._plan import Plan
from ._stand_in import NUMBER, Numbered, StandIn
from ._typing import Column, Samples
from ._views import OfRealObjects, Splits, View, seeing_real_objects


class TogetherMixin(BaseEstimator):
    """Lets scikit-learn's own search run on stand-ins, which are trained together."""

    # Of the copy that searches: what is evaluated, by which cells; what ends with that.
    _candidates = _cells = _until_run = None

    def fit(self, X: Samples, y: Column | None = None, **params: Any) -> Self:
        """Fit all candidates on all folds, and the best of them on X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What ``estimator`` takes: features, or images for a backbone.
        y : array-like of shape (n_samples,)
            Classes.
        **params : dict
            For ``fit`` of the estimator, the scorers and the splitter, as in
            :meth:`sklearn.model_selection.GridSearchCV.fit`: ``sample_weight``,
            ``groups``, and what metadata routing asks for.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter, the grid or an input is not valid, or if no fit succeeded.
        Exception
            With ``error_score="raise"`` that of the first fit that failed.
        """
        self._validate_params()
        candidates, plan = None, None
        try:
            candidates = self._draw()
            plan = Plan(self, candidates, params, self._why_alone(y))
        except (AttributeError, TypeError, ValueError):
            # scikit-learn finds the same, and tells in its own words.
            pass
        if plan is not None and self.verbose:
            print(plan.report())
        search = copy.copy(self)
        if plan is None or not plan.classifiers:
            search._candidates = candidates
            super(TogetherMixin, search).fit(X, y, **params)
        else:
            self._fit_together(search, plan, X, y, params)
        fitted = {k: v for k, v in vars(search).items() if k.endswith("_")}
        self.__dict__.update(fitted)
        return self

    def _fit_together(self, search, plan, X, y, params):
        X, y = indexable(X, y)
        splits = Splits(self.cv, is_classifier(self.estimator))
        search._cells = Cells(plan, self, X, y, splits)
        shown = self.verbose > 1
        search._candidates = [
            # What scikit-learn prints, if anything, and what it is to fit.
            Numbered({**(plan.candidates[number] if shown else {}), NUMBER: number})
            for number in plan.order
        ]
        search.estimator = StandIn(self.estimator, search._cells)
        search.scoring = seeing_real_objects(self.scoring)
        search.cv = splits
        search.n_jobs = 1
        try:
            with ExitStack() as search._until_run:
                # Else a backend that is not of this process might get the stand-ins.
                config = joblib.parallel_config(backend="sequential")
                search._until_run.enter_context(config)
                super(TogetherMixin, search).fit(View(X), y, **params)
        finally:
            search._cells.release()
        search.scorer_ = self._real_scorers(search.scorer_)
        if self.refit:
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
            candidate_params, out = self._cells.in_order(
                candidate_params, n_splits, out
            )
        return super()._format_results(candidate_params, n_splits, out, more_results)

    def _why_alone(self, y):
        """Why none of the candidates is trained together with others, or None."""
        if y is None:
            return "y is None; a Dataset has its own labels, and one row at a time"
        if type(self)._run_search is not TogetherMixin._run_search:
            return f"{type(self).__name__} runs the search in its own way"
        return None

    def _draw(self):
        """The candidates, a list of dict."""
        raise NotImplementedError

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # GridSearchCV forgets that what predicts may transform, too.
        tags.transformer_tags = get_tags(self.estimator).transformer_tags
        return tags
