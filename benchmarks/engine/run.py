"""The cost of the library beside a bare torch loop; prints JSON.

``python -m benchmarks engine`` measures, each with interleaved runs and medians:

- ``epoch``: seconds of a training epoch on 60,000 x 1280 float32 features, batch
  500, 10 classes, for one thread and two, against a bare loop with the same
  arithmetic (index_select, fused Adam) and against stock skorch;
- ``rivals``: an epoch of each rival beside STD's, on the same data;
- ``small``: a whole fit on digits, construction and validation included;
- ``memory``: how much the peak memory of a fit grows, in sizes of X;
- ``import``: seconds that importing the library adds to torch, skorch and
  scikit-learn;
- ``predict``: a million rows, and one row.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from benchmarks._shared.command import parser_of
from benchmarks._shared.measuring import hardware, median_ratio, summary, timed
from benchmarks._shared.methods import lwal, rivals, std
from sklearn_lwal import LwALClassifier

ROWS, FEATURES, CLASSES, BATCH = 60_000, 1280, 10, 500
ESTIMATORS = {
    "STD": std(),
    "LwAL p=10": lwal(output_dim=10),
    "LwAL p=10 +rpl": lwal(output_dim=10, repel_weight=10.0),
    "LwAL p=100": lwal(output_dim=100),
    "LwAL p=1000": lwal(output_dim=1000),
}


class BareLoop:
    """A loop as a person would write it in torch, without a library around it."""

    def __init__(self, X, y, n_classes, batch_size, output_dim=None):
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        self.n_classes, self.batch_size = n_classes, batch_size
        self.adaptive = output_dim is not None
        self.layer = nn.Linear(X.shape[1], output_dim or n_classes)
        self.optimizer = torch.optim.Adam(self.layer.parameters(), 1e-3, fused=True)

    def loss(self, x, y):
        z = self.layer(x)
        if not self.adaptive:
            return F.cross_entropy(z, y)
        member = F.one_hot(y, self.n_classes).to(z.dtype)
        labels = (member.T @ z) / member.sum(0)[:, None]
        return F.cross_entropy(-torch.cdist(z, labels), y)

    def epoch(self):
        total = 0.0
        for index in torch.randperm(len(self.X)).split(self.batch_size):
            x, y = self.X.index_select(0, index), self.y.index_select(0, index)
            self.optimizer.zero_grad()
            loss = self.loss(x, y)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return float(total)


class SkorchLoop:
    """Stock skorch with its default DataLoader."""

    def __init__(self, X, y, n_classes, batch_size):
        from skorch import NeuralNetClassifier

        self.X, self.y = X, y
        self.net = NeuralNetClassifier(
            nn.Linear(X.shape[1], n_classes),
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=1e-3,
            batch_size=batch_size,
            train_split=None,
            verbose=0,
        ).initialize()

    def epoch(self):
        self.net.partial_fit(self.X, self.y, epochs=1)


def make_data(n=ROWS):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, FEATURES), dtype=np.float32)
    return X, rng.integers(CLASSES, size=n)


def measure_epoch(rounds):
    """Seconds an epoch; in each round every contestant has one."""
    X, y = make_data()
    fitted = {
        name: estimator.set_params(
            max_epochs=1, batch_size=BATCH, warm_start=True, random_state=0
        ).fit(X, y)
        for name, estimator in ESTIMATORS.items()
    }
    bare = {"STD": BareLoop(X, y, CLASSES, BATCH)}
    for dim in (10, 100, 1000):
        bare[f"LwAL p={dim}"] = BareLoop(X, y, CLASSES, BATCH, dim)
    stock = SkorchLoop(X, y, CLASSES, BATCH)
    seconds = {name: [] for name in fitted}
    bare_seconds = {name: [] for name in bare}
    stock_seconds = []
    for _ in range(rounds):
        for name, estimator in fitted.items():
            seconds[name].append(estimator.fit(X, y).history_[-1]["dur"])
            if name in bare:
                bare_seconds[name].append(timed(bare[name].epoch))
        stock_seconds.append(timed(stock.epoch))
    return {
        "threads": torch.get_num_threads(),
        "seconds": {name: summary(s) for name, s in seconds.items()},
        "bare_seconds": {name: summary(s) for name, s in bare_seconds.items()},
        "stock_skorch_seconds": summary(stock_seconds),
        "ratio_to_bare_loop": {
            name: median_ratio(seconds[name], s) for name, s in bare_seconds.items()
        },
        "stock_skorch_to_STD": median_ratio(stock_seconds, seconds["STD"]),
        "LwAL_to_STD": median_ratio(seconds["LwAL p=10"], seconds["STD"]),
        "repel_loss_adds": median_ratio(
            seconds["LwAL p=10 +rpl"], seconds["LwAL p=10"]
        ),
    }


def measure_rivals(rounds):
    """Seconds of the fourth epoch, in which LWR reads its table and writes it."""
    X, y = make_data()
    options = {"max_epochs": 4, "batch_size": BATCH, "random_state": 0}
    contestants = rivals(**options)
    contestants["LwAL"] = lwal(output_dim=CLASSES, **options)
    seconds = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, estimator in contestants.items():
            seconds[name].append(estimator.fit(X, y).history_[-1]["dur"])
    return {
        "threads": torch.get_num_threads(),
        "seconds": {name: summary(s) for name, s in seconds.items()},
        "ratio_to_STD": {
            name: median_ratio(s, seconds["STD"]) for name, s in seconds.items()
        },
    }


def measure_small(rounds):
    """A whole fit of 20 epochs on digits against the bare loop's 20 epochs."""
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    result = {"threads": torch.get_num_threads()}
    for name, dim in (("STD", None), ("LwAL p=10", 10)):
        estimator = ESTIMATORS[name].set_params(
            max_epochs=20, batch_size="auto", warm_start=False
        )
        size = estimator.fit(X, y).net_.batch_size
        ours, bare = [], []
        for _ in range(rounds):
            ours.append(timed(lambda e=estimator: e.fit(X, y)))
            loop = BareLoop(X, y, CLASSES, size, dim)
            bare.append(timed(lambda loop=loop: [loop.epoch() for _ in range(20)]))
        result[name] = {
            "fit_seconds": summary(ours),
            "bare_seconds": summary(bare),
            "ratio": median_ratio(ours, bare),
        }
    return result


def memory_growth(function):
    """Bytes by which the resident memory rises at most while ``function`` runs."""

    def resident():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def watch():
        while not done.wait(0.002):
            seen.append(resident())

    done, before = threading.Event(), resident()
    seen = [before]
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        done.set()
        watcher.join()
    return max(seen) - before


def measure_memory():
    """Growth of the memory in a fit, in sizes of a float32 X."""

    def fit(X):
        LwALClassifier(max_epochs=2, batch_size=BATCH).fit(X, y)

    X, y = make_data()
    size = X.nbytes
    fit(X)
    float32 = memory_growth(lambda: fit(X)) / size
    X = X.astype(np.float64)
    float64 = memory_growth(lambda: fit(X)) / size
    return {
        "X_megabytes": round(size / 1e6),
        "float32_grows_by": round(float32, 3),
        "float64_grows_by": round(float64, 3),
    }


def measure_import(rounds):
    """Seconds that ``import sklearn_lwal`` adds, each in a process of its own."""
    code = (
        "import time, sys, torch, skorch, sklearn.model_selection\n"
        "start = time.perf_counter()\n"
        "import sklearn_lwal\n"
        "unwanted = {'torchvision', 'matplotlib', 'transformers'} & set(sys.modules)\n"
        "print(time.perf_counter() - start, sorted(unwanted))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split(maxsplit=1)
        for _ in range(rounds)
    ]
    return {
        "seconds": summary([float(seconds) for seconds, _ in outputs]),
        "also_loads": outputs[0][1].strip(),
    }


def measure_predict(rounds):
    """Seconds of predicting a million rows at once, and one row."""
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    clf = LwALClassifier(max_epochs=5, random_state=0).fit(X, y)
    many = np.resize(X, (1_000_000, 64))
    large = [timed(lambda: clf.predict(many)) for _ in range(rounds)]
    grown = memory_growth(lambda: clf.predict(many))
    single = [timed(lambda: clf.predict(X[:1])) for _ in range(200)]
    return {
        "threads": torch.get_num_threads(),
        "million_rows_seconds": summary(large),
        "memory_grows_by_megabytes": round(grown / 1e6),
        "X_megabytes": round(many.nbytes / 1e6),
        "one_row_milliseconds": round(1000 * statistics.median(single), 3),
    }


PARTS = {
    "epoch": measure_epoch,
    "rivals": measure_rivals,
    "small": measure_small,
    "memory": lambda rounds: measure_memory(),
    "import": measure_import,
    "predict": measure_predict,
}


def run_part(part, threads, rounds):
    """One measurement in a process of its own with that many threads."""
    command = [sys.executable, "-m", "benchmarks", "engine", "--part", part]
    command += ["--rounds", str(rounds)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def main(arguments=None):
    parser = parser_of("engine", __doc__)
    parser.add_argument("--part", choices=PARTS, help="one measurement, in-process")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    args = parser.parse_args(arguments)
    if args.part:
        print(json.dumps(PARTS[args.part](args.rounds)))
        return
    report = {"hardware": hardware()}
    for part in PARTS:
        trains = part in ("epoch", "rivals", "small")
        for threads in (1, 2) if trains else (2,):
            print(f"{part}, {threads} thread(s) ...", file=sys.stderr)
            key = f"{part}_{threads}_threads" if trains else part
            report[key] = run_part(part, threads, args.rounds)
    text = json.dumps(report, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")
