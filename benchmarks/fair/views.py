"""The runs of the three views: every setting is tried, and the best one tested."""

import functools
from dataclasses import replace

from benchmarks._shared.runs import kept, run_all
from benchmarks._shared.scope import SEEDS
from benchmarks.fair.training import GRIDS, UNTOUCHED, FairRun, execute, methods

DATASETS_BY_SCALE = {
    "smoke": ("digits",),
    "frozen": ("fashion_mnist", "cifar100", "banking77"),
}
RATES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
N_EPOCHS = 20
# On few rows an epoch is a few steps, or one.
N_EPOCHS_FEW = 100
# Numbers of training rows of each class; another run has all rows.
PER_CLASS = {
    "fashion_mnist": (5, 20, 50, 500),
    "cifar100": (5, 20, 50),
    "banking77": (5, 20, 50),
    "digits": (5, 20, 50),
}
DETERMINISTIC = ("LogisticRegression", "LDA", "NearestCentroid")
# Methods that are tried on few rows: LwAL in three ways, and the usual ones.
ON_FEW_ROWS = (UNTOUCHED, "LwAL", "LwAL10", "STD", "LDA", "NearestCentroid")
ON_FEW_ROWS += ("LogisticRegression",)


def measure(scope, out, data_root, device="auto", get=run_all):
    """All that the page shows, made or read: {view: {run: result}}."""
    datasets = scope.datasets or DATASETS_BY_SCALE[scope.scale]
    names = scope.methods or (*methods(),)
    n_epochs = scope.max_epochs or (5 if scope.scale == "smoke" else N_EPOCHS)
    n_epochs_few = scope.max_epochs or N_EPOCHS_FEW
    seeds = scope.seeds
    make = functools.partial(execute, data_root=data_root, device=device)
    backbone = scope.backbones[0] if scope.backbones else None
    rates = get(sweep(datasets, names, n_epochs, backbone=backbone), make, out)
    few_names = [name for name in ON_FEW_ROWS if name in names]
    tries = [
        run
        for dataset in datasets
        for n in PER_CLASS.get(dataset, ())
        for run in sweep(
            [dataset], few_names, n_epochs_few, per_class=n, backbone=backbone
        )
    ]
    tried = get(tries, make, out)
    few_tested = get(tests(tried, seeds), make, out)
    # Last, so that these alone can be repeated on a machine that does nothing else.
    tested = get(tests(rates, seeds), make, out)
    return {"rates": rates, "tested": tested, "few": few_tested}


def read(scope, out):
    """The kept results of all that the page shows."""
    return measure(scope, out, None, get=lambda runs, _, out: kept(runs, out))


def sweep(datasets, names, n_epochs, **options):
    """Every setting of every method, to be measured on validation rows."""
    return [
        FairRun(dataset, name, value, SEEDS[0], n_epochs, **options)
        for dataset in datasets
        for value in sorted({*RATES, *(v for n in names for v in settings(n))})
        for name in names
        if value in settings(name)
    ]


def settings(method):
    """The values among which one is chosen."""
    if method in (UNTOUCHED, "LDA", "NearestCentroid"):
        return (0.0,)
    return GRIDS[method][1] if method in GRIDS else RATES


def tests(found, seeds):
    """The chosen runs, to be measured on the test rows with each seed."""
    return [
        replace(run, seed=seed, tested=True, timed=times(run, seed, seeds))
        for seed in seeds
        for run in chosen(found).values()
        if seed == seeds[0] or run.per_class or run.method not in DETERMINISTIC
    ]


def times(run, seed, seeds):
    """Whether the seconds of the run are shown."""
    return run.per_class == 0 and seed == seeds[0]


def chosen(found):
    """The best run of each data set, method and number of rows: {...: FairRun}.

    It stops after the epoch with the best accuracy, the first one if several are best.
    """
    best = {}
    for run, result in found.items():
        key = run.dataset, run.method, run.per_class
        accuracy, n_epochs = best_epoch(run, result)
        if key not in best or accuracy > best[key][0]:
            best[key] = accuracy, replace(run, max_epochs=n_epochs)
    return {key: run for key, (_, run) in best.items()}


def best_epoch(run, result):
    """The accuracy on validation rows, and after how many epochs."""
    curve = result.get("curves", {}).get("test_accuracy")
    if curve is None or run.method == UNTOUCHED:
        return result["accuracy"], run.max_epochs
    return max(curve), curve.index(max(curve)) + 1
