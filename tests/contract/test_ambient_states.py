"""The library in a process whose state is not that of a fresh one.

What it computes is what it computes without, bit for bit, and the state is what it was.
"""

import contextlib
import functools
import io
import pickle
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from torch import nn

import sklearn_lwal
from sklearn_lwal import (
    AdaptiveLabels,
    Backbone,
    ImageFeatures,
    LabelEmbedClassifier,
    LabelSearchCV,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

X, y = load_iris(return_X_y=True)
IMAGES = np.random.default_rng(0).integers(256, size=(24, 3, 8, 8)).astype(np.uint8)
OF_IMAGES = np.arange(24) % 3


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
        assert torch.get_default_dtype() is dtype
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
        assert torch.empty(0).device.type == device
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextlib.contextmanager
def another_thread_draws():
    """A thread draws from torch all the time, and gets what it would get alone."""
    drawn, stop = [], threading.Event()

    def draw():
        while not stop.is_set():
            drawn.append(torch.rand(()).item())
            # Else it would hardly ever be the others' turn.
            time.sleep(1e-5)

    torch.manual_seed(7)
    thread = threading.Thread(target=draw)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    torch.manual_seed(7)
    assert drawn == [torch.rand(()).item() for _ in drawn]


@contextlib.contextmanager
def no_stderr(stream):
    before, sys.stderr = sys.stderr, stream
    try:
        yield
    finally:
        sys.stderr = before


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STATES = {
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "cpu by function": lambda: default_device("cpu"),
    "meta by function": lambda: default_device("meta"),
    "cpu by context": lambda: torch.device("cpu"),
    "meta by context": lambda: torch.device("meta"),
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": deterministic,
    "anomaly detection": lambda: torch.autograd.detect_anomaly(check_nan=True),
    "another thread draws": another_thread_draws,
    "no stderr": lambda: no_stderr(None),
    "closed stderr": lambda: no_stderr(closed()),
    "NumPy raises": lambda: np.errstate(all="raise"),
}
# Several at once, of those that can not make up for each other.
TOGETHER = [
    ("float64", "closed stderr"),
    ("no_grad", "another thread draws"),
    ("float16", "cpu by function", "deterministic"),
    ("bfloat16", "inference_mode", "no stderr"),
    ("meta by function", "anomaly detection", "NumPy raises"),
    ("cpu by context", "autocast"),
    ("meta by context",),
]
assert sorted(sum(TOGETHER, ())) == sorted(STATES)
if torch.cuda.is_available():
    STATES["cuda by function"] = lambda: default_device("cuda")
    STATES["cuda by context"] = lambda: torch.device("cuda")
    TOGETHER += [("cuda by function",), ("cuda by context",)]


class Drawing(nn.Module):
    """A backbone with what depends on torch's state: weights, dropout, constants."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 5)
        self.shift = nn.Parameter(torch.zeros(5))

    def forward(self, x):
        z = self.layer(x.flatten(1)) + self.shift + torch.linspace(0, 1, 5)
        return nn.functional.dropout(z.relu(), 0.3, self.training)


def new(Classifier=LwALClassifier, **options):
    options = {"random_state": 0, "device": "cpu", "max_epochs": 2} | options
    return Classifier(**options)


def answers(clf, rows):
    found = [clf.predict_proba(rows), clf.decision_function(rows), clf.transform(rows)]
    return [*found, clf.labels_, clf.predict(rows)]


def trained(Classifier, **options):
    clf = new(Classifier, verbose=1, **options).fit(X, y)
    found = answers(clf, X)
    clf.partial_fit(X[:40], y[:40])
    return found + answers(clf, X)


def stream():
    clf = new().partial_fit(X[:1], y[:1], classes=[0, 1, 2])
    for start in range(0, 150, 50):
        rows = np.arange(150).reshape(3, 50).T.ravel()[start : start + 50]
        clf.partial_fit(X[rows], y[rows])
    return answers(clf, X)


def early_stopping():
    clf = new(early_stopping=True, hidden_layer_sizes=(4,), max_epochs=4)
    return answers(clf.fit(X, y, sample_weight=np.arange(150) % 3), X)


def files(folder):
    clf = new(STDClassifier, hidden_layer_sizes=(4,)).fit(X, y)
    clf.save(folder / "model")
    again = sklearn_lwal.load(folder / "model")
    found = answers(again, X)
    return found + answers(again.partial_fit(X, y), X)


def checkpoints(folder):
    clf = new(checkpoint_dir=folder, max_epochs=3).fit(X, y)
    again = new(checkpoint_dir=folder, max_epochs=3)
    return answers(clf, X) + answers(again.fit(X, y, resume=True), X)


def pickled():
    clf = pickle.loads(pickle.dumps(new(hidden_layer_sizes=(4,)).fit(X, y)))
    return answers(clf.partial_fit(X, y), X)


def search():
    grid = {"lr": [1e-3, 1e-2], "repel_weight": [0.0, 1.0]}
    found = LabelSearchCV(new(), grid, cv=2, error_score="raise", verbose=0)
    found.fit(X, y)
    return [found.cv_results_["mean_test_score"], *answers(found.best_estimator_, X)]


def backbone(freeze, make=Drawing):
    clf = new(backbone=Backbone(make, trainable=not freeze), verbose=1)
    found = answers(clf.fit(IMAGES, OF_IMAGES), IMAGES)
    return found + answers(clf.partial_fit(IMAGES, OF_IMAGES), IMAGES)


def torchvision_backbone():
    return answers(
        new(backbone=Backbone("mobilenet_v3_small", weights=None)).fit(
            IMAGES, OF_IMAGES
        ),
        IMAGES,
    )


def image_features():
    return [ImageFeatures(Drawing, device="cpu", verbose=1).transform(IMAGES)]


def export():
    module = new().fit(X, y).to_torch()
    with torch.inference_mode(False):
        return [module(torch.from_numpy(X)).detach().numpy()]


def open_set():
    clf = new().fit(X[:100], y[:100])
    clf.add_classes(X[100:], y[100:])
    return [*answers(clf, X), clf.novelty_score(X)]


def loss(temperature=1.0):
    """A torch loop of the user's own, whose latents are float32."""
    labels = AdaptiveLabels(3, 4, repel_weight=1.0, temperature=temperature)
    found = []
    for rows in (X[:100], X):
        z = torch.tensor(rows, dtype=torch.float32, device="cpu")
        classes = torch.tensor(y[: len(rows)], device="cpu")
        found += [labels(z, classes), labels.labels.clone(), labels.scores(z)]
    return [part.detach().float().numpy() for part in found]


CORE = {
    **{
        f"{C.__name__}{sizes}": functools.partial(trained, C, hidden_layer_sizes=sizes)
        for C in (LwALClassifier, STDClassifier, LWRClassifier, LabelEmbedClassifier)
        for sizes in ((), (4,))
    },
    "StaticLabel": functools.partial(trained, StaticLabelClassifier),
    "cosine": functools.partial(trained, STDClassifier, scores="cosine"),
    "retrospection": lambda: answers(
        new(LWRClassifier, update_every=1, max_epochs=3).fit(X, y), X
    ),
    "the paper's": functools.partial(
        trained,
        LwALClassifier,
        init="random",
        label_update="batch",
        temperature="learned",
        standardize=False,
        optimizer="rmsprop",
    ),
    "stream": stream,
    "early stopping": early_stopping,
    "files": files,
    "checkpoints": checkpoints,
    "pickled": pickled,
    "search": search,
    "frozen backbone": functools.partial(backbone, True),
    "trained backbone": functools.partial(backbone, False),
    "torchvision's backbone": torchvision_backbone,
    "ImageFeatures": image_features,
    "export": export,
    "classes added": open_set,
    "AdaptiveLabels": loss,
    "AdaptiveLabels, learned": functools.partial(loss, "learned"),
}


def called(name, folder):
    """Run the core and return its results."""
    work = CORE[name]
    takes_folder = name in ("files", "checkpoints")
    return work(folder) if takes_folder else work()


@functools.cache
def expected(name):
    with tempfile.TemporaryDirectory() as folder:
        return called(name, Path(folder))


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize(
    ("name", "states"),
    [
        pytest.param(name, states, id=f"{name}-{', '.join(states)}")
        for name in CORE
        for states in TOGETHER
        # A module that users make themselves lies on their default device.
        if not ("AdaptiveLabels" in name and states[0].startswith(("meta", "cuda")))
    ],
)
def test_results_are_those_without(name, states, tmp_path):
    wanted = expected(name)
    with contextlib.ExitStack() as stack:
        for state in states:
            stack.enter_context(STATES[state]())
        found = called(name, tmp_path)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
