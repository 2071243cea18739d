"""Fits that are really killed, at random moments, and go on from their checkpoints."""

import json
import os
import subprocess
import sys

import pytest

# Forks processes that fit, and kills them at random moments.
KILLING = """
import json, os, random, signal, sys, time
import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn_lwal import Backbone, LwALClassifier, LWRClassifier
from tests._helpers.trained import small_net

# A child can not use the threads of the process that it is forked from.
torch.set_num_threads(1)
DIGITS, y = (part[::2] for part in load_digits(n_class=3, return_X_y=True))
IMAGES = DIGITS.reshape(-1, 8, 8) / 16
FITS = {
    "hidden": (
        LwALClassifier(hidden_layer_sizes=(32,), early_stopping=True, max_epochs=8),
        DIGITS,
    ),
    "retrospection": (LWRClassifier(max_epochs=8, update_every=3), DIGITS),
    "backbone": (
        LwALClassifier(Backbone(small_net(), trainable=True), max_epochs=4), IMAGES
    ),
}


def outcome(clf):
    weights = [w.numpy().tobytes() for w in clf.net_.module_.state_dict().values()]
    losses = [row["train_loss"] for row in clf.history_]
    return weights, clf.labels_.tobytes(), losses, clf.predict_proba(X).tobytes()


def resumed():
    return clone(clf).set_params(checkpoint_dir=folder).fit(X, y, resume=True)


def written():
    # Tells one epoch's checkpoint from the next.
    try:
        status = os.stat(os.path.join(folder, "checkpoint.safetensors"))
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def ended(pid):
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def kill_at_random(pid):
    # In the middle of anything, none to three checkpoints from here.
    for _ in range(rng.randrange(4)):
        last = written()
        while written() == last and not ended(pid):
            time.sleep(0.0005)
    time.sleep(rng.uniform(0, seconds))
    os.kill(pid, signal.SIGKILL)


def empty():
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


found = {}
for kind, (clf, X) in FITS.items():
    clf.set_params(random_state=0, device="cpu")
    folder = os.path.join(sys.argv[1], kind)
    os.mkdir(folder)
    whole = outcome(clone(clf).fit(X, y))
    resumed()  # The first write takes longer.
    empty()
    start = time.perf_counter()
    n_epochs = len(resumed().history_)
    seconds = (time.perf_counter() - start) / n_epochs
    empty()
    rng, n_killed, n_resumed = random.Random(0), 0, 0
    while n_killed < 8:
        n_resumed += written() is not None
        pid = os.fork()
        if pid == 0:
            same = outcome(resumed()) == whole
            os._exit(0 if same else 1)
        kill_at_random(pid)
        status = os.waitpid(pid, 0)[1]
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "a resumed fit gave another model"
            empty()
        else:
            n_killed += 1
    found[kind] = {"same": outcome(resumed()) == whole, "resumed": n_resumed}
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_again_and_again(tmp_path):
    command = [sys.executable, "-c", KILLING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() == {"hidden", "retrospection", "backbone"}
    for outcome in found.values():
        assert outcome["same"]
        # Most went on from a checkpoint.
        assert outcome["resumed"] >= 4
