"""Fits that are made once: tests of one file repeat them."""

import functools
import pickle

import joblib

from sklearn_lwal.classifiers._base import LabelLearningClassifier


def remember_fits(monkeypatch, known):
    """Let ``fit`` take its result from ``known``, a dict, where it has been there.

    An int as random state decides all that a fit draws.
    """
    fit = LabelLearningClassifier.fit

    @functools.wraps(fit)
    def remembered(self, *args, **kwargs):
        before = {**vars(self)}
        try:
            key = joblib.hash((type(self), before, args, kwargs))
        except (pickle.PicklingError, AttributeError):
            key = None
        if key is None or type(self.random_state) is not int:
            return fit(self, *args, **kwargs)
        if key not in known:
            fit(self, *args, **kwargs)
            known[key] = {k: v for k, v in vars(self).items() if k not in before}
        vars(self).update(known[key])
        return self

    monkeypatch.setattr(LabelLearningClassifier, "fit", remembered)
