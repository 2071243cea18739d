"""scikit-learn's own search, on estimators that stand for those trained together."""

from __future__ import annotations

import copy
from contextlib import ExitStack
from typing import Any

import joblib
from sklearn.base import BaseEstimator, _fit_context, clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags, indexable
from typing_extensions import Self

from .._utils.typing import Column, Samples
from ..classifiers._base import LabelLearningClassifier
from ._plan import Plan
from ._scheduler import Scheduler
from ._scoring_proxies import (
    NUMBER,
    CandidateProxy,
    RealContext,
    RealRows,
    RecordingSplitter,
    ScorerAdapter,
    TaggedParams,
    scoring_on_rows,
)


class JointSearchMixin(BaseEstimator):
    """Runs scikit-learn's own search on proxies of candidates trained together."""

    # The candidates, once they are drawn.
    _candidates = None
    # The copy that runs the search also holds the user's search, the rows of X, the
    # Scheduler, and a stack of contexts that ends when all candidates are evaluated.
    _asked = _rows = _scheduler = _until_run = None

    def fit(self, X: Samples, y: Column | None = None, **params: Any) -> Self:
        """Fit all candidates on all folds, and the best of them on X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Features, or images where ``estimator`` has a backbone.
        y : array-like of shape (n_samples,)
            Classes.
        **params : dict
            For ``fit`` of the estimator, the scorers and the splitter, as in
            :meth:`sklearn.model_selection.GridSearchCV.fit`: ``sample_weight``,
            ``groups``, and requested metadata.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter, the grid or an input is not valid, or if no fit succeeded.
        Exception
            With ``error_score="raise"`` the error of the first fit that failed.
        """
        return self._fit(X, y, params)

    # The context also ends the callbacks.
    @_fit_context(prefer_skip_nested_validation=False)
    def _fit(self, X, y, params):
        try:
            plan = self._plan(y, params)
            if plan is not None and plan.classifiers:
                self._fit_together(plan, X, y, params)
            else:
                super().fit(X, y, **params)
        finally:
            vars(self).pop("_candidates", None)
        return self

    def _plan(self, y, params):
        """A :class:`Plan`, or None where something is wrong with the parameters."""
        try:
            self._get_scorers()
            self._candidates = self._draw()
            plan = Plan(self, self._candidates, params, self._why_alone(y))
        except (AttributeError, TypeError, ValueError):
            # scikit-learn's own fit raises the same error.
            return None
        if self.verbose:
            print(plan.report())
        return plan

    def _fit_together(self, plan, X, y, params):
        X, y = indexable(X, y)
        search, rows = copy.copy(self), RealRows(X)
        splits = RecordingSplitter(self.cv, is_classifier(self.estimator), X)
        search._asked, search._rows = self, rows
        search._scheduler = Scheduler(plan, self, X, y, splits)
        shown = self.verbose > 1
        search._candidates = [
            # scikit-learn prints the parameters and fits the number.
            TaggedParams({**(plan.candidates[number] if shown else {}), NUMBER: number})
            for number in plan.order
        ]
        search.estimator = CandidateProxy(
            clone(self.estimator), search._scheduler, rows
        )
        search.scoring = scoring_on_rows(self.scoring, rows)
        search.cv = splits
        search.n_jobs = 1
        try:
            with ExitStack() as search._until_run:
                # Another backend might send the proxies to another process.
                config = joblib.parallel_config(backend="sequential")
                search._until_run.enter_context(config)
                super(JointSearchMixin, search).fit(rows.numbers, y, **params)
        finally:
            search._scheduler.release()
        search._hand_over()

    def _hand_over(self):
        """Give the user's search the results so far, and return it."""
        found = {name: v for name, v in vars(self).items() if name.endswith("_")}
        if "scorer_" in found:
            found["scorer_"] = self._asked._real_scorers(found["scorer_"])
        if type(best := found.get("best_estimator_")) is CandidateProxy:
            found["best_estimator_"] = best.real
        vars(self._asked).update(found)
        return self._asked

    def get_params(self, deep: bool = True) -> dict:
        """The parameters, by name; with ``deep`` those of the estimator, too."""
        if self._asked is not None:
            # Messages show the user's search.
            return self._asked.get_params(deep)
        return super().get_params(deep)

    def _init_callback_context(self, *args, **kwargs):
        if self._asked is None:
            return super()._init_callback_context(*args, **kwargs)
        context = self._asked._init_callback_context(*args, **kwargs)
        return RealContext(context, self._hand_over, self._rows)

    def _real_scorers(self, scorer):
        if isinstance(scorer, dict):
            return {name: self._real_scorers(value) for name, value in scorer.items()}
        if self.scoring is None:
            return check_scoring(self.estimator)
        return scorer.function if isinstance(scorer, ScorerAdapter) else scorer

    def _run_search(self, evaluate_candidates, callback_ctx=None):
        if self._until_run is not None:
            # Single fits use the user's backend again.
            self._until_run.close()
        if self._candidates is None:
            evaluate = evaluate_candidates
        else:

            def evaluate(_, **context):
                if self._scheduler is not None and context:
                    # The candidates are trained in an order of their own.
                    ids = self._scheduler.task_ids(self.n_splits_)
                    context["callback_ctx"].task_ids = ids
                return evaluate_candidates(self._candidates, **context)

        context = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(evaluate, **context)

    def _format_results(self, candidate_params, n_splits, out, more_results=None):
        if self._scheduler is not None:
            self._scheduler.release()
            candidate_params, out = self._scheduler.in_order(
                candidate_params, n_splits, out
            )
        return super()._format_results(candidate_params, n_splits, out, more_results)

    def _why_alone(self, y):
        """Why none of the candidates is trained together with others, or None."""
        if y is None:
            return "y is None; a Dataset has its own labels, and one row at a time"
        for method in ("_run_search", "_format_results"):
            if getattr(type(self), method) is not getattr(JointSearchMixin, method):
                return f"{type(self).__name__} has a {method} of its own"
        if not isinstance(self.estimator, (Pipeline, LabelLearningClassifier)):
            return f"{type(self.estimator).__name__} is not of this library"
        if self._has_callbacks():
            return "its callbacks follow each fit"
        return None

    def _has_callbacks(self):
        """Whether callbacks follow the fits of candidates."""
        if not hasattr(self.estimator, "set_callbacks"):
            return False
        to_fits = [c for c in _callbacks(self) if hasattr(c, "max_propagation_depth")]
        return bool(to_fits or _callbacks(self.estimator))

    def _draw(self):
        """The candidates, a list of dict."""
        raise NotImplementedError

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # GridSearchCV drops the tags of transformers.
        tags.transformer_tags = get_tags(self.estimator).transformer_tags
        return tags


def _callbacks(estimator):
    """The callbacks that scikit-learn 1.9 lets the user set."""
    return getattr(estimator, "_skl_callbacks", [])
