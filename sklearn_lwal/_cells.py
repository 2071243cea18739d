"""The cells of a search, candidates times folds, trained when they are asked for."""

import time

from joblib import Parallel, delayed
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_method_params

from ._before import TEST, TRAIN
from ._chunk import Chunk, Untrained
from ._free_memory import free_bytes
from ._progress import FitsProgress
from ._stand_in import NUMBER, Cell
from ._together import bytes_needed
from ._validation import resolve_device

# Of the memory that is free.
SHARE = 0.25


class Cells:
    """Trains the candidates of a plan and answers for each of them on each fold.

    They are asked for in the order of the plan, and kept no longer than that takes.

    Parameters
    ----------
    plan : Plan
    search : LabelSearchCV
        With the options.
    X, y : of n rows
    splits : Splits
    """

    def __init__(self, plan, search, X, y, splits):
        self.plan, self.search = plan, search
        self.X, self.y, self.splits = X, y, splits
        self.parts = (TRAIN, TEST) if search.return_train_score else (TEST,)
        # Seconds of training, and of scores that came with it, by candidate and fold.
        self.seconds = {}
        self.bar = FitsProgress(len(plan.candidates), search.verbose)
        self.release()

    def release(self):
        """Forget what was trained."""
        self.chunk = self.before = self.group = self.fits_alone = None
        self.errors = {}
        self.bar.close()

    def cell(self, number, X):
        """The cell of a candidate and the fold whose training rows X shows."""
        fold, _ = self.splits.place(X)
        of = self._cell_alone if number in self.plan.alone else self._cell_of_chunk
        cell = of(number, fold)
        if isinstance(cell, Cell):
            return cell
        # Candidates share errors, whose tracebacks grow each time they are raised.
        _, traceback = self.errors.setdefault(id(cell), (cell, cell.__traceback__))
        raise cell.with_traceback(traceback)

    def _cell_of_chunk(self, number, fold):
        if self.chunk is None or number not in self.chunk.columns:
            # Before the next takes memory, too.
            self.chunk = None
            self._train(number)
        return self.chunk.cell(number, fold)

    def _train(self, number):
        """Train a candidate and as many of its program as there is room for."""
        group, numbers = next(
            (group, numbers[numbers.index(number) :])
            for group in self.plan.groups
            for numbers in group.lists
            if number in numbers
        )
        self._prepare(group)
        numbers = self._that_fit(numbers)
        self.chunk = self._chunk(numbers)
        numbers = [*self.chunk.columns]
        n_folds = len(self.splits.pairs)
        n_cells = len(numbers) * n_folds
        for fold in range(n_folds):
            before = self.before.seconds[fold] / sum(map(len, group.lists))
            training = self.chunk.seconds / n_cells + before
            scoring = self.chunk.score_seconds / n_cells
            for number in numbers:
                self.seconds[number, fold] = training, scoring
        self.bar.update(n_cells, n_folds)

    def _prepare(self, group):
        """What comes before the classifiers, unless it is there already."""
        if self.group is not group:
            self.before = None
            estimator = self.plan.estimator(group.lists[0][0])
            pairs = self.splits.pairs
            self.before = group.make(estimator, self.X, self.y, pairs, group.weights)
            self.group = group

    def _chunk(self, numbers):
        try:
            numbers = self._that_fit(numbers)
            return Chunk(numbers, self.plan, self.before, self.splits, self.parts)
        except MemoryError as error:
            if len(numbers) == 1:
                return Untrained(numbers, error)
        except Exception as error:
            return Untrained(numbers, error)
        # The estimate was too low, or somebody else has taken memory since.
        return self._chunk(numbers[: len(numbers) // 2])

    def _that_fit(self, numbers):
        """As many of the candidates as memory has room for, at least one."""
        folds = [fold for fold in self.before.folds if not isinstance(fold, Exception)]
        classifiers = [self.plan.classifiers[number] for number in numbers]
        n_rows = max(
            sum(len(pair[part]) for part in self.parts) for pair in self.splits.pairs
        )
        room = self.search.max_memory
        if room is None:
            room = SHARE * free_bytes(resolve_device(classifiers[0].device))

        def fit(n):
            return bytes_needed(classifiers[:n], folds, n_rows) <= room

        least, most = 1, len(numbers)
        try:
            # Mostly there is room for all.
            if not folds or fit(most):
                return numbers
            while least < most:
                middle = (least + most + 1) // 2
                least, most = (middle, most) if fit(middle) else (least, middle - 1)
        except Exception:
            # X or y is not what it should be, which training tells better.
            return numbers
        return numbers[:most]

    def _cell_alone(self, number, fold):
        if self.fits_alone is None:
            self.fits_alone = self._fit_alone()
        fitted, seconds = next(self.fits_alone)
        self.seconds[number, fold] = seconds, 0.0
        self.bar.update(1, len(self.splits.pairs))
        return fitted if isinstance(fitted, Exception) else Cell(lambda: fitted)

    def _fit_alone(self):
        """The other candidates on each fold in turn, by the user's jobs."""
        options = {
            "n_jobs": self.search.n_jobs,
            "pre_dispatch": self.search.pre_dispatch,
        }
        try:
            parallel = Parallel(**options, return_as="generator")
        except ValueError:
            # Some backends only give all results at once.
            parallel = Parallel(**options)
        calls = (
            delayed(_fit_alone)(
                self.plan.estimator(number), self.X, self.y, train, self.plan.fit_params
            )
            for number in self.plan.alone
            for train, _ in self.splits.pairs
        )
        return iter(parallel(calls))

    def in_order(self, evaluated, n_splits, out):
        """Candidates as they were given and what scikit-learn found for each cell."""
        found = {}
        for place, parameters in enumerate(evaluated):
            number = parameters[NUMBER]
            for fold in range(n_splits):
                result = out[place * n_splits + fold]
                training, scoring = self.seconds[number, fold]
                result["fit_time"] = training
                result["score_time"] += scoring
                found[number, fold] = result
        return self.plan.candidates, [found[place] for place in sorted(found)]


def _fit_alone(estimator, X, y, rows, fit_params):
    """A fitted estimator, or the error, and the seconds that it took."""
    begin = time.perf_counter()
    given = _check_method_params(X, fit_params, rows)
    X, y = _safe_indexing(X, rows), _safe_indexing(y, rows)
    try:
        fitted = estimator.fit(X, y, **given)
    except Exception as error:
        fitted = error
    return fitted, time.perf_counter() - begin
