"""A search that trains all candidates together, beside GridSearchCV; writes JSON.

``python -m benchmarks search --data-root DIR`` measures, part by part, and keeps one
JSON file a part in ``--out`` (a part that is there is not repeated):

- ``digits``, ``banking77``, ``fashion_mnist``: seconds of a search by ``GridSearchCV``
  and by ``LabelSearchCV`` with ``--n-jobs`` processes each, and by the latter in one
  process, whether all choose the same parameters, and how far the scores of their cells
  (a candidate on a fold) are apart, also those of ``GridSearchCV`` in one process;
- ``20newsgroups``: the same with texts, and a Pipeline whose earlier steps are tuned;
- ``candidates``: seconds on digits over the number of candidates;
- ``memory``: how much memory grows in a search with 500 candidates on digits, by what
  ``max_memory`` allows, in one process and in ``--n-jobs``;
- ``gpu``, by default only where there is one: seconds of a search over 96 candidates on
  Banking77 with five folds, beside those of one fit.

All searches of a part take turns, once a round, and the result is the median over
``--repeats`` rounds with the range. The seconds are those of ``fit``, which in both
ends with a fit of the best candidate on all rows; processes are started beforehand. The
large sets are those of ``python -m benchmarks frozen_features``. ``python -m benchmarks
report search`` writes the pages.
"""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from joblib.externals.loky import get_reusable_executor
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.pipeline import make_pipeline

from benchmarks._shared.command import RESULTS, add_places, parser_of
from benchmarks._shared.datasets import load_texts
from benchmarks._shared.frozen_features import frozen_features
from benchmarks._shared.measuring import median_ratio, provenance, summary, timed_fit
from sklearn_lwal import LabelSearchCV, LwALClassifier

THEIRS, OURS, ALONE = "GridSearchCV", "LabelSearchCV", "LabelSearchCV, one process"
# Its scores are compared, not its seconds: alone it may round in another way.
THEIRS_ALONE = "GridSearchCV, one process"
RATES = [3e-4, 1e-3, 3e-3]
KNOBS = {
    "update_every": [1, 4],
    "warmup_steps": [0, 20],
    "repel_weight": [0.0, 10.0],
    "output_dim": [1.0, 2.0],
}


CLF = LwALClassifier(random_state=0)
OF_TEXTS = make_pipeline(
    TfidfVectorizer(min_df=2), TruncatedSVD(128, random_state=0), CLF
)


class Setting(NamedTuple):
    """The grid, the number of folds, and the estimator that has these parameters."""

    grid: dict
    n_folds: int
    estimator: BaseEstimator = CLF


SETTINGS = {
    "digits": Setting({**KNOBS, "lr": RATES}, 5),
    "banking77": Setting({**KNOBS, "warmup_steps": [0], "lr": RATES}, 3),
    "fashion_mnist": Setting({"output_dim": [1.0, 2.0], "lr": RATES}, 3),
    "20newsgroups": Setting(
        {
            "tfidfvectorizer__sublinear_tf": [False, True],
            "truncatedsvd__n_components": [64, 128],
            "lwalclassifier__lr": RATES,
        },
        3,
        OF_TEXTS,
    ),
}
COUNTS = (1, 4, 16, 64)
# A count takes the first so many candidates, in an order that is drawn once.
DRAWN = {**KNOBS, "lr": np.geomspace(3e-4, 1e-2, 8).tolist()}
N_FOLDS = 3
MEGABYTE = 1_000_000
BUDGETS = (64 * MEGABYTE, 256 * MEGABYTE, 1024 * MEGABYTE, None)
MANY = {
    "update_every": [1, 2, 4, 8, 16],
    "warmup_steps": [0, 5, 10, 20, 40],
    "repel_weight": [0.0, 0.1, 1.0, 10.0],
    "lr": np.geomspace(3e-4, 1e-2, 5).tolist(),
}
# 96 candidates with the knobs: a GPU should train them in the time of few fits.
ON_GPU = Setting({**KNOBS, "lr": np.geomspace(3e-4, 3e-3, 6).tolist()}, 5)


def searches(setting, n_jobs):
    """The three searches over the same grid and folds."""
    grid, n_folds, estimator = setting
    options = {"cv": n_folds, "error_score": "raise"}
    return {
        THEIRS: GridSearchCV(estimator, grid, n_jobs=n_jobs, **options),
        OURS: LabelSearchCV(estimator, grid, n_jobs=n_jobs, **options),
        ALONE: LabelSearchCV(estimator, grid, **options),
    }


def start(n_jobs):
    """Start the processes, and load what a first fit loads."""
    X, y = load_digits(return_X_y=True)
    for search in searches(Setting({"lr": RATES}, 2), n_jobs).values():
        search.fit(X[:300], y[:300])


def taking_turns(found, X, y, repeats):
    """Seconds of each search, a list by its key; every other round runs backwards."""
    seconds = {key: [] for key in found}
    for i in range(repeats):
        for key in [*found][:: (-1) ** i]:
            seconds[key].append(timed_fit(found[key], X, y))
    return seconds


def comparison(seconds):
    """Medians and ranges, and how many times as fast our searches are."""
    return {
        "seconds": {name: summary(values) for name, values in seconds.items()},
        "times_as_fast": {
            name: median_ratio(seconds[THEIRS], seconds[name]) for name in (OURS, ALONE)
        },
    }


def cells(search):
    """The test scores, (n_folds, n_candidates)."""
    names = [f"split{i}_test_score" for i in range(search.n_splits_)]
    return np.array([search.cv_results_[name] for name in names])


def agreement(theirs, ours):
    """How far two searches over the same grid agree."""
    differences = np.abs(cells(theirs) - cells(ours))
    chosen_by_ours = theirs.cv_results_["mean_test_score"][ours.best_index_]
    return {
        "cells": differences.size,
        "cells_that_differ": int(np.count_nonzero(differences)),
        "largest_difference": float(differences.max()),
        "best": {THEIRS: theirs.best_params_, OURS: ours.best_params_},
        "same_best": theirs.best_params_ == ours.best_params_,
        "best_score": float(theirs.best_score_),
        # By the other's scores; 0 where the choice is the same, or as good.
        "lost_by_our_choice": float(theirs.best_score_ - chosen_by_ours),
    }


def data_of(name, data_root):
    if name == "digits":
        return load_digits(return_X_y=True)
    if SETTINGS[name].estimator is OF_TEXTS:
        train, _ = load_texts(name, data_root)
        return train["text"], train["label"]
    return frozen_features(name, data_root)[:2]


def compare(name, args):
    """One data set: seconds, and whether the searches agree."""
    X, y = data_of(name, args.data_root)
    setting = SETTINGS[name]
    found = searches(setting, args.n_jobs)
    start(args.n_jobs)
    seconds = taking_turns(found, X, y, args.repeats)
    found[THEIRS_ALONE] = clone(found[THEIRS]).set_params(n_jobs=None).fit(X, y)
    return {
        "n_rows": len(X),
        "n_candidates": len(ParameterGrid(setting.grid)),
        "n_folds": setting.n_folds,
        "n_jobs": args.n_jobs,
        **comparison(seconds),
        "agreement": {
            name: agreement(found[THEIRS], found[name])
            for name in (OURS, ALONE, THEIRS_ALONE)
        },
        "provenance": provenance(found[OURS].best_estimator_),
    }


def first(n):
    """A grid of ``n`` candidates; a larger grid has all those of a smaller one."""
    drawn = [*ParameterGrid(DRAWN)]
    order = np.random.default_rng(0).permutation(len(drawn))
    return [{key: [drawn[i][key]] for key in drawn[i]} for i in order[:n]]


def candidates(args):
    """Seconds over the number of candidates; each round has all numbers."""
    X, y = load_digits(return_X_y=True)
    found = {
        (n, name): search
        for n in COUNTS
        for name, search in searches(Setting(first(n), N_FOLDS), args.n_jobs).items()
    }
    start(args.n_jobs)
    seconds = taking_turns(found, X, y, args.repeats)
    counts = {
        n: comparison({name: seconds[n, name] for name in (THEIRS, OURS, ALONE)})
        for n in COUNTS
    }
    return {
        "n_rows": len(X),
        "n_folds": N_FOLDS,
        "n_jobs": args.n_jobs,
        "counts": counts,
        "provenance": provenance(found[COUNTS[0], OURS].best_estimator_),
    }


def beside_one_fit(args):
    """Seconds of a search with many candidates, and of one fit, on the same device."""
    X, y = data_of("banking77", args.data_root)
    search = LabelSearchCV(CLF, ON_GPU.grid, cv=ON_GPU.n_folds, refit=False)
    found = {OURS: search, "one fit": clone(CLF)}
    # Loading and compiling happen once and count for neither search.
    for estimator in found.values():
        clone(estimator).fit(X, y)
    seconds = taking_turns(found, X, y, args.repeats)
    return {
        "n_candidates": len(ParameterGrid(ON_GPU.grid)),
        "n_folds": ON_GPU.n_folds,
        "seconds": {name: summary(values) for name, values in seconds.items()},
        "fits": median_ratio(seconds[OURS], seconds["one fit"]),
        "provenance": provenance(found["one fit"]),
    }


def memory(args):
    """The same search in a process of its own for each budget and round."""
    rows = []
    for n_jobs, budget in product(sorted({1, args.n_jobs}), BUDGETS):
        grown, seconds = [], []
        for _ in range(args.repeats):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found = pool.submit(grown_within, budget, n_jobs, MANY).result()
            grown.append(found[0])
            seconds.append(found[1])
        found = {"grown": summary(grown), "seconds": summary(seconds)}
        rows.append({"budget": budget, "n_jobs": n_jobs, **found})
    return {
        "n_candidates": len(ParameterGrid(MANY)),
        "n_folds": N_FOLDS,
        "rows": rows,
        "provenance": provenance(),
    }


def grown_within(budget, n_jobs, grid):
    """Bytes by which memory grows at most, and seconds.

    The bytes are those of this process and of those that it has started, each at its
    own peak.
    """
    X, y = load_digits(return_X_y=True)
    # Loading happens once and does not count. It takes all rows: with fewer the search
    # starts no processes.
    options = {"cv": N_FOLDS, "n_jobs": n_jobs}
    LabelSearchCV(CLF, first(16), **options).fit(X, y)
    search = LabelSearchCV(CLF, grid, max_memory=budget, **options)
    seconds, grown = grown_while(lambda: timed_fit(search, X, y), family(os.getpid()))
    # The processes would wait for more work, and this process for them.
    get_reusable_executor().shutdown()
    return grown, seconds


def grown_while(act, processes):
    """The result of ``act``, and the bytes by which the processes grow at most.

    Each process counts at its own peak. One that only shrinks has grown by nothing.
    """
    # From here on the peak is that of the act. (``ru_maxrss`` would begin with the peak
    # of the process that started this one.)
    for process in processes:
        Path(f"/proc/{process}/clear_refs").write_text("5")
    before = [resident("VmRSS", process) for process in processes]
    result = act()
    peaks = [resident("VmHWM", process) for process in processes]
    grown = (peak - first for peak, first in zip(peaks, before, strict=True))
    return result, sum(max(one, 0) for one in grown)


def family(process):
    """The process and all that it has started."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return [process, *(member for child in children for member in family(child))]


def resident(which, process):
    """Bytes in memory, as Linux counts them: ``VmRSS`` now, ``VmHWM`` at most."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return 1024 * int(fields[which].split()[0])


SPECIAL = {"candidates": candidates, "memory": memory, "gpu": beside_one_fit}
PARTS = (*SETTINGS, *SPECIAL)


def main(arguments=None):
    parser = parser_of("search", __doc__)
    usual = [part for part in PARTS if part != "gpu" or torch.cuda.is_available()]
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=usual)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=2, help="processes")
    add_places(parser, RESULTS / "search")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    for part in args.parts:
        path = args.out / f"{part}.json"
        if path.exists():
            continue
        result = SPECIAL[part](args) if part in SPECIAL else compare(part, args)
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(f"{part}: done", flush=True)
