"""Trains the candidates of a search on its folds when they are asked for."""

import contextlib
import itertools
import time
import warnings
from functools import cached_property

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from .._training.progress import progress_bar
from .._utils.validation import resolve_device
from ..classifiers._with_backbone import host_labels
from ._cost_model import Need, free_bytes, needs, shares
from ._joint_fit import JointFit, JointScores
from ._preprocessing import TEST, TRAIN, Data
from ._scoring_proxies import NUMBER, FittedCandidate

# Share of the free memory that a search may take.
SHARE = 0.25


class Scheduler:
    """Trains the candidates of a plan and gives each of them, fitted on each fold.

    scikit-learn asks for them in the order of the plan. Each joint fit is dropped
    before the next one is trained.

    Parameters
    ----------
    plan : Plan
    search : LabelSearchCV
        Its options count.
    X, y : array-likes of n rows
    splits : RecordingSplitter
    """

    def __init__(self, plan, search, X, y, splits):
        self.plan, self.search = plan, search
        self.X, self.y, self.splits = X, y, splits
        self.parts = (TRAIN, TEST) if search.return_train_score else (TEST,)
        # Seconds of training and of scoring, by candidate and fold.
        self.seconds = {}
        self.bar = None
        self.release()

    def release(self):
        """Forget what was trained."""
        self.joint_fit = self.fits_alone = None
        self.joint_fits = self._joint_fits()
        # The last fold that each candidate was asked for, by its number.
        self.errors, self.last = {}, {}
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    @cached_property
    def labels_are_plain(self):
        """Whether y has one class for each row, so that its checks can be skipped."""
        with warnings.catch_warnings(), contextlib.suppress(ValueError, TypeError):
            # The splitter warns of many classes already.
            warnings.simplefilter("ignore")
            y = np.asarray(host_labels(self.y))
            return y.ndim == 1 and type_of_target(y) in ("binary", "multiclass")
        return False

    def cell(self, number, rows):
        """The candidate, fitted on the fold whose training rows these are."""
        fold = self.splits.fold(rows, self.last.get(number, -1))
        self.last[number] = fold
        of = self._fitted_alone if number in self.plan.alone else self._jointly_fitted
        cell = of(number, fold)
        if isinstance(cell, FittedCandidate):
            return cell
        # Candidates share errors, whose tracebacks grow each time they are raised.
        _, traceback = self.errors.setdefault(id(cell), (cell, cell.__traceback__))
        raise cell.with_traceback(traceback)

    def _jointly_fitted(self, number, fold):
        while self.joint_fit is None or number not in self.joint_fit.columns:
            # Free its memory before the next is trained.
            self.joint_fit = None
            self.joint_fit = next(self.joint_fits)
        return self.joint_fit.cell(number, fold)

    def _joint_fits(self):
        """All joint fits, in the order of the plan."""
        before, keys = None, [group.key for group in self.plan.groups]
        has_others = self.plan.n_processes > 1
        for place, group in enumerate(self.plan.groups):
            estimator = self.plan.estimator(group.lists[0][0])
            data = Data(self.X, self.y, self.splits.pairs, group.weights, self.parts)
            later, jobs = keys[place + 1 :], self._jobs if has_others else None
            before = group.make(estimator, data, group.key, before, later, jobs)
            together = self._in_processes if has_others else self._here
            share = before.seconds / sum(map(len, group.lists))
            # Nothing here keeps a joint fit while the next is trained.
            for joint_fit in together(group, before):
                self._note_seconds(joint_fit, share)
                found = [joint_fit]
                del joint_fit
                yield found.pop()

    def _joint_fit(self, numbers, before):
        return JointFit(numbers, self.plan, before, self.splits, self.parts)

    def _here(self, group, before):
        """Joint fits that this process trains, one after the other."""
        for numbers in group.lists:
            yield from self._one_after_other(numbers, before)

    def _one_after_other(self, numbers, before):
        for part in self._that_fit(numbers, before):
            while part:
                found = [self._trained(part, before)]
                part = part[len(found[0].numbers) :]
                yield found.pop()

    def _trained(self, numbers, before):
        """A joint fit of these candidates, or of fewer where memory is short."""
        joint_fit = self._joint_fit(numbers, before)
        try:
            joint_fit.train()
            return joint_fit
        except MemoryError as error:
            if len(numbers) == 1:
                joint_fit.take(error)
                return joint_fit
        except Exception as error:
            joint_fit.take(error)
            return joint_fit
        # The estimate was too low, or another program has taken memory since.
        return self._trained(numbers[: len(numbers) // 2], before)

    def _in_processes(self, group, before):
        """Joint fits that the user's jobs train side by side."""
        parts, n = [*self._shares(group, before)], self.plan.n_processes
        if len(parts) == 1:
            # A process of its own would not pay.
            yield from self._one_after_other(*parts, before)
            return
        lists = [one for part in parts for one in self._that_fit(part, before, n)]
        for some in self._that_can_wait(lists, before):
            yield from self._side_by_side(some, before)

    def _side_by_side(self, lists, before):
        joint_fits = [self._joint_fit(numbers, before) for numbers in lists]
        calls = [delayed(_answers)(*joint_fit.task()) for joint_fit in joint_fits]
        results = self._jobs(calls, batch_size=1)
        try:
            for _ in range(len(joint_fits)):
                answers = _next(results)
                if isinstance(answers, MemoryError):
                    yield from self._one_after_other(joint_fits.pop(0).numbers, before)
                else:
                    joint_fits[0].take(answers)
                    yield joint_fits.pop(0)
        finally:
            with warnings.catch_warnings():
                # joblib warns of results that nobody has read.
                warnings.simplefilter("ignore")
                getattr(results, "close", bool)()

    def _that_can_wait(self, lists, before):
        """Groups of lists whose scores fit into the memory of this process.

        joblib keeps each result that is done while the scorers here are still busy.
        """
        n, some, used = self.plan.n_processes, [], 0.0
        for numbers in lists:
            size = sum(need.n_sent for need in self._needs(numbers, before))
            if len(some) >= n and used + size > self._room(numbers, n):
                yield some
                some, used = [], 0.0
            some, used = [*some, numbers], used + size
        yield some

    def _shares(self, group, before):
        """The group's lists, cut so that the last process ends as early as possible."""
        found = [self._needs(numbers, before) for numbers in group.lists]
        lengths = shares(found, self.plan.n_processes)
        for numbers, parts in zip(group.lists, lengths, strict=True):
            left = iter(numbers)
            yield from ([*itertools.islice(left, length)] for length in parts)

    def _note_seconds(self, joint_fit, before):
        n_folds = len(self.splits.pairs)
        n_cells = len(joint_fit.numbers) * n_folds
        training, scoring = (seconds / n_cells for seconds in joint_fit.seconds)
        for fold in range(n_folds):
            for number in joint_fit.numbers:
                self.seconds[number, fold] = training + before[fold], scoring
        self._show_progress(n_cells)

    def _show_progress(self, n_fits):
        if self.bar is None:
            n_all = len(self.plan.candidates) * len(self.splits.pairs)
            self.bar = progress_bar(n_all, "fit", self.search.verbose)
        self.bar.update(n_fits)

    def _room(self, numbers, n_processes):
        """Bytes for each process; one more share holds the scores that they send."""
        room = self.search.max_memory
        if room is None:
            device = self.plan.classifiers[numbers[0]].device
            room = SHARE * free_bytes(resolve_device(device))
        return room / (n_processes + (n_processes > 1))

    def _that_fit(self, numbers, before, n_processes=1):
        """Lists of at least one candidate that fit into memory together."""
        room, part, used = self._room(numbers, n_processes), [], 0.0
        found = self._needs(numbers, before, are_sent=n_processes > 1)
        for number, need in zip(numbers, found, strict=True):
            if part and used + need.n_bytes > room:
                yield part
                # The free memory may have changed.
                room, part, used = self._room(numbers, n_processes), [], 0.0
            part, used = [*part, number], used + need.n_bytes
        yield part

    def _needs(self, numbers, before, are_sent=False):
        """Memory and time that each candidate needs."""
        classifiers = [self.plan.classifiers[number] for number in numbers]
        folds = [fold for fold in before.folds if not isinstance(fold, Exception)]
        n_rows = max(
            sum(len(pair[part]) for part in self.parts) for pair in self.splits.pairs
        )
        try:
            if folds:
                return needs(classifiers, folds, n_rows, are_sent)
        except (ValueError, TypeError, IndexError, RuntimeError, OverflowError):
            # X or y is not valid; training raises the better error.
            pass
        return [Need()] * len(numbers)

    def _fitted_alone(self, number, fold):
        if self.fits_alone is None:
            self.fits_alone = self._fit_alone()
        fitted, seconds = self._fit_of(number, fold)
        self.seconds[number, fold] = seconds, 0.0
        self._show_progress(1)
        return (
            fitted if isinstance(fitted, Exception) else FittedCandidate(lambda: fitted)
        )

    def _fit_of(self, number, fold):
        # scikit-learn skips a fit where a callback raises an error.
        return next(fit for place, fit in self.fits_alone if place == (number, fold))

    def _fit_alone(self):
        """Pairs (candidate, fold) and their fits, of candidates fitted alone."""
        folds = range(len(self.splits.pairs))
        places = [*itertools.product(self.plan.alone, folds)]
        fits = self._jobs(
            delayed(_fit_alone)(
                self.plan.estimator(number),
                self.X,
                self.y,
                self.splits.pairs[fold][0],
                self.plan.fit_params,
            )
            for number, fold in places
        )
        return zip(places, fits, strict=True)

    def _jobs(self, calls, **options):
        """Results of the calls in their order, computed by the user's jobs."""
        options |= {
            "n_jobs": self.search.n_jobs,
            "pre_dispatch": self.search.pre_dispatch,
        }
        try:
            parallel = Parallel(**options, return_as="generator")
        except ValueError:
            # Some backends can only return all results at once.
            parallel = Parallel(**options)
        return iter(parallel(calls))

    def task_ids(self, n_splits):
        """Numbers of the fits, by candidate and fold, in the order that was given."""
        order, folds = self.plan.order, range(n_splits)
        return [number * n_splits + fold for number in order for fold in folds]

    def in_order(self, evaluated, n_splits, out):
        """The candidates as the user gave them, and the result of each fit."""
        found = {}
        for place, parameters in enumerate(evaluated):
            number = parameters[NUMBER]
            for fold in range(n_splits):
                result = out[place * n_splits + fold]
                if (number, fold) in self.seconds:
                    training, scoring = self.seconds[number, fold]
                    result["fit_time"] = training
                    result["score_time"] += scoring
                found[number, fold] = result
        return self.plan.candidates, [found[place] for place in sorted(found)]


def _fit_alone(estimator, X, y, rows, fit_params):
    """The fitted estimator or the error that fitting raised, and the seconds."""
    begin = time.perf_counter()
    given = _check_method_params(X, fit_params, rows)
    X, y = _safe_indexing(X, rows), _safe_indexing(y, rows)
    try:
        fitted = estimator.fit(X, y, **given)
    except Exception as error:
        fitted = error
    return fitted, time.perf_counter() - begin


def _next(results):
    """The next result, or the error where a process has died."""
    try:
        return next(results)
    except StopIteration:
        return RuntimeError("A process that trained other candidates has failed.")
    except Exception as error:
        return error


def _answers(*task):
    """The scores of a joint fit's candidates, or the error that prevented them."""
    try:
        return JointScores(*task)
    except Exception as error:
        return error
