"""Estimates of memory and time, and the distribution of candidates to processes."""

import itertools

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal.search._cost_model import Need, needs, shares
from sklearn_lwal.search._plan import Plan
from sklearn_lwal.search._scheduler import Scheduler
from sklearn_lwal.search._stacked_fits import Fold

CLF = LwALClassifier(max_epochs=2, lr=5e-3, random_state=0)


def folds(n_rows=600, n_features=5, n_folds=2):
    fold = Fold(np.zeros((n_rows, n_features)), np.arange(n_rows) % 4, None, {})
    return [fold] * n_folds


class TestNeeds:
    def test_more_folds_and_rows_need_more(self):
        (few,), (more,) = (needs([CLF], folds(n_folds=n), 10) for n in (2, 4))
        assert more.n_bytes == 2 * few.n_bytes
        assert (more.work, more.start) == (2 * few.work, 2 * few.start)
        # A step of many networks launches its operations once.
        assert more.shared == few.shared
        (longer,) = needs([CLF], folds(6000), 10)
        assert longer.n_steps > few.n_steps

    @pytest.mark.parametrize(
        "options", [{"output_dim": 40}, {"hidden_layer_sizes": (50,)}]
    )
    def test_more_weights_need_more(self, options):
        usual, large = (
            needs([clone(CLF).set_params(batch_size=32, **given)], folds(), 10)[0]
            for given in ({}, options)
        )
        assert large.n_bytes > usual.n_bytes
        assert large.work > usual.work
        assert large.shared == usual.shared

    def test_floats_are_dimensions_of_each_class(self):
        for dims in ((4, 4.0), (4.0, 4)):
            candidates = [clone(CLF).set_params(output_dim=dim) for dim in dims]
            found = dict(
                zip(map(type, dims), needs(candidates, folds(), 10), strict=True)
            )
            # There are four classes.
            assert found[float].n_bytes > 2 * found[int].n_bytes

    def test_the_largest_fold_decides(self):
        whole = folds()
        few = whole[0]._replace(rows=np.arange(100))
        assert needs([CLF], [few, whole[0]], 10) == needs([CLF], whole, 10)

    @pytest.mark.parametrize("shape", [(600, 0), (600,)])
    def test_rows_and_widths_that_cannot_be_trained(self, shape):
        fold = folds()[0]._replace(X=np.zeros(shape))
        with pytest.raises((ValueError, IndexError)):
            needs([CLF], [fold], 10)
        with pytest.raises(RuntimeError):
            needs([clone(CLF).set_params(output_dim=2**62)], folds(), 10)

    def test_smaller_batches_need_more_time(self):
        sizes = (16, 64, 256)
        found = needs(
            [clone(CLF).set_params(batch_size=size) for size in sizes], folds(), 10
        )
        assert [need.n_steps for need in found] == [2 * 38, 2 * 10, 2 * 3]
        assert sorted(found, key=lambda need: -need.shared) == found

    def test_class_means_need_more_time(self):
        alike = {"batch_size": 32, "max_epochs": 2}
        ours = LwALClassifier(**alike, output_dim=1.0)
        (ours,), (one_hot,) = (
            needs([clf], folds(), 10) for clf in (ours, STDClassifier(**alike))
        )
        assert ours.work > one_hot.work


def alone(part):
    """The time of a process that takes these candidates."""
    shared = {need.n_steps: need.shared for need in part}
    return part[0].start + sum(shared.values()) + sum(need.work for need in part)


def time_until_done(needs, lengths, n_processes):
    busy, ends = [0.0] * n_processes, itertools.accumulate(lengths)
    for end, length in zip(ends, lengths, strict=True):
        busy[busy.index(min(busy))] += alone(needs[end - length : end])
    return max(busy)


def drawn(seed, n):
    """Needs of candidates of some programs, one program after the other."""
    rng = np.random.default_rng(seed)
    n_steps = np.sort(rng.choice([20, 60, 500], n))
    start = rng.choice([0.0, 3e3])
    return [
        Need(1.0, 1.0, k * rng.uniform(1, 5), int(k), k * shared, start)
        for shared in [rng.choice([0.0, 10.0])]
        for k in n_steps
    ]


class TestShares:
    @pytest.mark.parametrize("seed", range(10))
    def test_nearly_as_good_as_the_best_cuts(self, seed):
        found = drawn(seed, 9)
        (lengths,) = shares([found], 3)
        assert sum(lengths) == 9
        cuts = itertools.chain.from_iterable(
            itertools.combinations(range(1, 9), k) for k in range(3)
        )
        best = min(
            time_until_done(found, np.diff([0, *cut, 9]).tolist(), 3) for cut in cuts
        )
        assert time_until_done(found, lengths, 3) < 1.25 * best

    def test_a_program_is_not_torn_for_nothing(self):
        # The programs take about as long; the middle of the work is in the first.
        first, second = Need(0, 0, 2.1, 30, 30.0), Need(0, 0, 4.0, 10, 10.0)
        assert shares([[first] * 6 + [second] * 8], 2) == [[6, 8]]

    def test_one_process_takes_all(self):
        assert shares([drawn(0, 5), drawn(1, 4)], 1) == [[5], [4]]

    def test_there_are_no_more_shares_than_candidates(self):
        assert shares([[Need(work=1.0)] * 2], 4) == [[1, 1]]

    def test_a_long_start_is_made_once(self):
        candidates = [Need(0, 0, 1.0, 5, 1.0, start=100.0)] * 3
        assert shares([candidates, candidates], 2) == [[3], [3]]

    def test_the_long_one_of_several_lists_is_cut(self):
        long, short = [Need(work=10.0)] * 8, [Need(work=1.0)]
        assert shares([long, short, short], 2) == [[4, 4], [1], [1]]

    def test_unknown_needs_are_shared_out_too(self):
        assert sum(shares([[Need()] * 7], 3)[0]) == 7


class Search:
    """The part of a search that the plan and the scheduler read."""

    estimator, scoring, n_jobs, max_memory = CLF, None, 3, None
    return_train_score, verbose = False, 0


class Before:
    """The folds that the scheduler reads."""

    folds = folds()
    pairs = [(np.arange(600), np.arange(10))]


def test_candidates_of_a_search_are_shared_out():
    grid = {
        "lr": np.geomspace(1e-4, 1e-2, 10),
        "repel_weight": [0, 1],
        "l2": [0.0, 0.1],
    }
    candidates = [*ParameterGrid(grid)]
    plan = Plan(Search(), candidates, {})
    scheduler = Scheduler(plan, Search(), None, None, Before())
    (group,) = plan.groups
    found = [*scheduler._shares(group, Before())]
    assert len(found) == 3
    assert sorted(itertools.chain(*found)) == [*range(40)]
    rates = [candidates[number]["lr"] for part in found for number in part]
    # Candidates with batches of one size follow each other.
    assert rates == sorted(rates)
    works = [alone([_need(plan, number) for number in part]) for part in found]
    assert max(works) < 1.25 * min(works)


def _need(plan, number):
    return needs([plan.classifiers[number]], Before.folds, 10)[0]
