"""Files that were damaged or made to do harm: a ValueError, and nothing else."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from _helpers.forging import setting
from _helpers.hostile_files import (
    CHECKPOINTS,
    EXTREME,
    FORGED,
    write_models,
)
from _helpers.saved import forge

import sklearn_lwal
from sklearn_lwal._serialization import file as archive

FIRST = Path(__file__).parents[1] / "data" / "format_1.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Models of several kinds, saved."""
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


@pytest.fixture
def path(saved, tmp_path):
    copied = tmp_path / "model"
    copied.write_bytes((saved / "hidden").read_bytes())
    return copied


def test_changed_bytes(tmp_path):
    data, path = FIRST.read_bytes(), tmp_path / "model"
    rng = np.random.default_rng(0)
    places = rng.choice(len(data), 300, replace=False)
    for i in (*range(40), *places):
        changed = bytearray(data)
        changed[i] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"model' can not be loaded\."):
            sklearn_lwal.load(path)
    for n in (0, 7, 8, 9, 100, *rng.choice(len(data), 50), len(data) - 1):
        path.write_bytes(data[:n])
        with pytest.raises(ValueError, match=r"copy it anew"):
            sklearn_lwal.load(path)


@pytest.mark.parametrize(("change", "message"), FORGED.values(), ids=FORGED)
def test_forged(change, message, path):
    forge(path, change)
    with pytest.raises(ValueError, match=rf"can not be loaded\. (?s:.*)(?:{message})"):
        sklearn_lwal.load(path)


def test_the_index_has_a_line_on_each_file():
    index = (Path(__file__).parents[1] / "data" / "hostile" / "README.md").read_text()
    told = re.findall(r"^- \*\*(.+?)\*\*: \S", index, re.M)
    names = [*FORGED, *EXTREME, *CHECKPOINTS]
    assert sorted(told) == sorted(names)
    assert len({*names}) == len(names)


def test_messages_are_short_and_harmless(path):
    def change(content, tensors):
        content["versions"]["sklearn_lwal"] = "\x1b[31m" + "x" * 10**6
        content["parameters"]["n_jobs"] = 2

    forge(path, change)
    with pytest.raises(ValueError, match="does not have") as caught:
        sklearn_lwal.load(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_the_files_that_are_forged_are_good_ones(path):
    forge(path, lambda content, tensors: None)
    assert sklearn_lwal.load(path).n_iter_ == 1


# In the place of what is there: other kinds, other numbers, nothing.
VALUES = [None, True, -1, 2**63, 1e308, "../x", [], {}, [0], {"a": 0}, {"$tuple": []}]


def leaves(value, place=()):
    """The places of all that is not made of other values."""
    inner = value.items() if isinstance(value, dict) else None
    inner = enumerate(value) if isinstance(value, list) else inner
    if not inner or not value:
        yield place
        return
    yield place
    for key, item in inner:
        yield from leaves(item, (*place, key))


@pytest.mark.parametrize("name", ["linear", "static"])
def test_any_other_value_anywhere(name, saved, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    path = tmp_path / "model"
    data = (saved / name).read_bytes()
    path.write_bytes(data)
    content, _ = archive.read(path)
    rng = np.random.default_rng(0)
    found = {"error": 0, "model": 0}
    for place in leaves(content):
        if not place or place[0] == "versions":
            continue
        for i in rng.choice(len(VALUES), 2, replace=False):
            path.write_bytes(data)
            forge(path, setting(*place, to=VALUES[i]))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    clf = sklearn_lwal.load(path)
                    clf.predict_proba(np.zeros((2, clf.n_features_in_)))
                found["model"] += 1
            except ValueError:
                found["error"] += 1
    assert found["error"] > 100
    assert found["model"] > 10


BOUNDED = """
import re, resource, shutil, sys
from pathlib import Path
import numpy as np, torch
import sklearn_lwal
sys.path.insert(0, sys.argv[1])
from _helpers.saved import forge
from _helpers.forging import array
from _helpers.hostile_files import CHECKPOINTS, EXTREME, FORGED, data as rows
from _helpers.hostile_files import fit_of, use, write_forged

torch.set_num_threads(1)
good, path = map(Path, sys.argv[2:])
data = (good / "hidden").read_bytes()
use(sklearn_lwal.load(good / "hidden"), path)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000,) * 2)
try:
    bytearray(250_000_000)
    raise SystemExit("There is no limit.")
except MemoryError:
    pass


def few_dimensions(content, tensors):
    # All that is in the file fits, but a network of so many classes has large buffers.
    n, parameters, fitted = 100_000, content["parameters"], content["fitted"]
    array(np.arange(n))(content, tensors)
    parameters.update(output_dim=1, label_update="batch")
    for name in ("adaptive.labels", "adaptive.class_offset", "log_prior"):
        size = (n, 1) if name.endswith("labels") else (n,)
        tensors["network.head." + name] = torch.zeros(size)
    tensors["network.head.linear.weight"] = torch.zeros(1, 3)
    tensors["network.head.linear.bias"] = torch.zeros(1)
    for name in ("class_features", "class_mass"):
        if "head." + name in fitted["network"]:
            del fitted["network"]["head." + name], tensors["network.head." + name]


def one_hot(content, tensors):
    # Their embeddings would be the identity.
    array(np.arange(10**6))(content, tensors)
    del tensors[content["parameters"]["label_embeddings"]["$array"][0]]
    content["parameters"]["label_embeddings"] = None


changes = {name: change for name, (change, _) in FORGED.items()}
changes["few dimensions"] = few_dimensions
cases = [(name, data, change) for name, change in changes.items()]
cases.append(("one-hot", (good / "static").read_bytes(), one_hot))
for name, data, change in cases:
    path.write_bytes(data)
    forge(path, change)
    try:
        sklearn_lwal.load(path)
    except ValueError as error:
        if name == "few dimensions":
            assert "the file does not store" in str(error), error
        if name == "one-hot":
            assert "n_classes=1000000" in str(error), error
    else:
        raise SystemExit(name)


def found(ask):
    try:
        return ask()
    except ValueError as error:
        return str(error)


for name, (_, _, message) in EXTREME.items():
    write_forged(good, name, path)
    clf = found(lambda: sklearn_lwal.load(path))
    if message is not None:
        assert re.search(message, str(clf)), (name, clf)
    else:
        assert not isinstance(clf, str), (name, clf)
        print(name, file=sys.stderr)
        use(clf, path)
for name, (fit, _, message) in CHECKPOINTS.items():
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    write_forged(good, name, path.parent / "checkpoint.safetensors")
    error = found(lambda: fit_of(fit, path.parent).fit(*rows(), resume=True))
    assert re.search(message, str(error)), (name, error)
    assert str(path.parent) in error, error
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits")
def test_memory_and_time_are_bounded(saved, tmp_path):
    """Bounds for loading, and for every use of a model that loads."""
    given = Path(__file__).parents[1], saved, tmp_path / "folder" / "model"
    arguments = map(str, given)
    (tmp_path / "folder").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("done")
