"""More rows than memory, and searches on a cluster."""

import json
import os
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from sklearn_lwal import LwALClassifier

TOO_LARGE = """
import json, resource, sys
import numpy as np
from sklearn_lwal import LwALClassifier, STDClassifier

X = np.load(sys.argv[1], mmap_mode="r")
y = np.arange(len(X)) % 10
scores = {}
# Threads and kernels take additional memory, the same for few rows as for many.
LwALClassifier(max_epochs=1, device="cpu").fit(X[:500], y[:500])
used = next(line for line in open("/proc/self/status") if "VmData" in line)
limit = int(used.split()[1]) * 1024 + 450_000_000
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
for clf in (LwALClassifier(), STDClassifier()):
    clf.set_params(max_epochs=1, random_state=0, device="cpu").fit(X, y)
    scores[type(clf).__name__] = clf.score(X[-10_000:], y[-10_000:])
try:
    X.copy()
except MemoryError:
    scores["limited"] = True
print(json.dumps(scores))
"""


TOO_MANY_IMAGES = """
import json, resource, sys
import numpy as np, torch
from torch import nn
from torch.utils.data import Dataset
from sklearn_lwal import Backbone, LwALClassifier

X = np.load(sys.argv[1], mmap_mode="r")
y = np.arange(len(X)) % 2

class Images(Dataset):
    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return torch.from_numpy(X[i].transpose(2, 0, 1).copy()), y[i]

def net():
    return nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.ReLU(), nn.Flatten())

def classifier(frozen):
    return LwALClassifier(
        Backbone(net, trainable=not frozen), max_epochs=1, device="cpu",
        random_state=0, lr=0.01, batch_size=64,
    )

# Threads and kernels take additional memory, the same for few images as for many.
for frozen in (True, False):
    classifier(frozen).fit(X[:500], y[:500]).score(X[:500], y[:500])
used = next(line for line in open("/proc/self/status") if "VmData" in line)
limit = int(used.split()[1]) * 1024 + 300_000_000
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
scores = {}
for frozen in (True, False):
    for given in ((X, y), (Images(),)):
        score = classifier(frozen).fit(*given).score(*given)
        scores[f"{frozen} {len(given)}"] = score
try:
    X.copy()
except MemoryError:
    scores["limited"] = True
print(json.dumps(scores))
"""


def run(script, path):
    """The JSON that a script prints about the file."""
    command = [sys.executable, "-c", script, str(path)]
    # One thread each: stacks of many threads would count as data.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **threads},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_memory_mapped_images_larger_than_memory(tmp_path):
    # 0.40 GB of images, with 0.3 GB to fit them in; a fit takes about 0.1 GB.
    path, shape = tmp_path / "images.npy", (3_600, 96, 96, 3)
    X = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=shape)
    noise = np.random.default_rng(0).uniform(size=shape[1:]).astype(np.float32)
    for i in range(len(X)):
        X[i] = 0.5 * noise + 0.5 * (i % 2)
    X.flush()
    del X
    scores = run(TOO_MANY_IMAGES, path)
    path.unlink()
    assert scores.pop("limited")
    assert len(scores) == 4
    assert min(scores.values()) > 0.95


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_memory_mapped_features_larger_than_memory(tmp_path):
    # 0.61 GB of features, with 0.45 GB to fit them in; a fit takes 0.25 GB.
    n, d = 120_000, 1280
    path = tmp_path / "features.npy"
    X = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=(n, d))
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, d), scale=0.2).astype(np.float32)
    noise = rng.normal(size=(10_000, d)).astype(np.float32)
    for start in range(0, n, len(noise)):
        classes = np.arange(start, start + len(noise)) % 10
        X[start : start + len(noise)] = noise[rng.permutation(len(noise))]
        X[start : start + len(noise)] += centres[classes]
    X.flush()
    del X, noise
    scores = run(TOO_LARGE, path)
    path.unlink()
    assert scores["limited"]
    assert scores["LwALClassifier"] > 0.95
    assert scores["STDClassifier"] > 0.95


@pytest.mark.slow
def test_a_search_on_a_dask_cluster(iris):
    distributed = pytest.importorskip("distributed")
    clf = LwALClassifier(random_state=0, max_epochs=3)
    search = GridSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2)
    alone = search.fit(*iris).cv_results_["mean_test_score"]
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None
    )
    with cluster, distributed.Client(cluster), joblib.parallel_config("dask"):
        spread = search.fit(*iris).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(spread, alone)
