"""The plan of a search: groups of candidates trained together, and single ones."""

from collections import Counter
from itertools import chain
from typing import Any, NamedTuple

from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import process_routing

from .._utils.validation import resolve_device
from ._preprocessing import NotStackable, split_pipeline
from ._scoring_proxies import asks_estimators
from ._stacked_fits import groups_of, reason_not_stackable


class Group(NamedTuple):
    """Candidates that share the preprocessing before their classifiers."""

    # Preprocessing or a class derived from it.
    make: Any
    # Keys with the same first steps begin alike.
    key: tuple
    # Holds sample_weight, or nothing.
    weights: dict
    # Lists of candidates' numbers; one JointTrainer can train each list.
    lists: list


class Plan:
    """The candidates in the order in which they are trained.

    Parameters
    ----------
    search : estimator
        The LabelSearchCV.
    candidates : list of dict
        Parameters.
    params : dict
        Arguments of its ``fit`` besides X and y.
    why_alone : str, optional
        A reason to train all of them one at a time.

    Attributes
    ----------
    n_processes : int
        Processes that train joint fits side by side; 1 is this one.
    """

    def __init__(self, search, candidates, params, why_alone=None):
        self.base, self.candidates = search.estimator, candidates
        # By number: the reasons to train candidates alone, the others' classifiers.
        self.alone, self.classifiers = {}, {}
        self.groups = []
        if why_alone is not None:
            self._let_alone(why_alone)
            return
        self.fit_params, routing = _of_fit(search, params)
        alike = {}
        for number, parameters in enumerate(candidates):
            estimator = self.estimator(number)
            if type(estimator) is Pipeline and get_tags(estimator).input_tags.pairwise:
                self._let_alone("X has a column for each row")
                return
            try:
                key, before, classifier, weights = split_pipeline(
                    estimator, self.base, parameters, self.fit_params, routing
                )
                reason = reason_not_stackable(classifier)
                if reason:
                    raise NotStackable(reason)
            except NotStackable as error:
                self.alone[number] = str(error)
                continue
            self.classifiers[number] = classifier
            alike.setdefault(key, (before, weights, []))[2].append(number)
        self.n_processes = self._processes(search)
        for key in _side_by_side(alike):
            before, weights, numbers = alike[key]
            classifiers = [self.classifiers[number] for number in numbers]
            lists = [[numbers[i] for i in group] for group in groups_of(classifiers)]
            self.groups.append(Group(before, key, weights, lists))

    def _let_alone(self, reason):
        self.alone = dict.fromkeys(range(len(self.candidates)), reason)
        self.classifiers = {}

    def _processes(self, search):
        # One process has a GPU to itself. Scorers that want estimators need them here.
        devices = {resolve_device(c.device).type for c in self.classifiers.values()}
        if devices != {"cpu"} or asks_estimators(search.scoring):
            return 1
        backend, _ = get_active_backend()
        # Threads would wait for each other at each of many small operations.
        threads = getattr(backend, "supports_sharedmem", False)
        return 1 if threads else effective_n_jobs(search.n_jobs)

    def estimator(self, number):
        """The candidate with this number, not fitted."""
        parameters = clone(self.candidates[number], safe=False)
        return clone(self.base).set_params(**parameters)

    @property
    def order(self):
        """Numbers of the candidates in the order in which they are trained."""
        lists = [numbers for group in self.groups for numbers in group.lists]
        return [*chain.from_iterable(lists), *self.alone]

    def report(self):
        """A text that says how many are trained together, and why others are not."""
        together = f"{len(self.classifiers)} candidates are trained together"
        if self.classifiers:
            n_programs = sum(len(group.lists) for group in self.groups)
            together += f", in {n_programs} program{'s' if n_programs > 1 else ''}"
            if self.n_processes > 1:
                together += f" on up to {self.n_processes} processes"
        lines = [f"{together}; {len(self.alone)} one at a time."]
        for reason, count in Counter(self.alone.values()).items():
            lines.append(f"  {count} one at a time: {reason}")
        return "\n".join(lines)


def _side_by_side(keys):
    """The keys in an order that puts those that begin alike next to each other."""
    first = {}
    for place, key in enumerate(keys):
        for n in range(1, len(key) + 1):
            first.setdefault(key[:n], place)
    return sorted(keys, key=lambda k: [first[k[:n]] for n in range(1, len(k) + 1)])


def _of_fit(search, params):
    """Arguments of the candidates' fits, for all rows, and whether they were routed."""
    if get_config()["enable_metadata_routing"]:
        return process_routing(search, "fit", **params).estimator.fit, True
    return {k: v for k, v in params.items() if k != "groups"}, False
