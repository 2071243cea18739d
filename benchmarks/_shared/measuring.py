"""Seconds and curves of a fit, and the machine and versions behind them."""

import importlib.metadata
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch

PACKAGES = ("sklearn_lwal", "scikit-learn", "skorch", "torch", "torchvision", "numpy")
CURVES = {
    "test_accuracy": "valid_acc",
    "test_loss": "valid_loss",
    "train_loss": "train_loss",
    "seconds": "dur",
}


def timed(function):
    """Seconds of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def timed_fit(clf, X, y, **options):
    """Fit; return the seconds that it took."""
    return round(timed(lambda: clf.fit(X, y, **options)), 4)


def summary(seconds):
    """Median and range of repeated measurements."""
    return {
        "median": round(statistics.median(seconds), 4),
        "min": round(min(seconds), 4),
        "max": round(max(seconds), 4),
        "n": len(seconds),
    }


def median_ratio(seconds, base):
    """Median over the rounds of the ratio within a round."""
    pairs = zip(seconds, base, strict=True)
    return round(statistics.median(a / b for a, b in pairs), 3)


def curves(history):
    """One list a measure, an entry an epoch; seconds are those of the epoch."""
    return {
        name: [float(f"{row[key]:.5g}") for row in history]
        for name, key in CURVES.items()
        if key in history[0]
    }


def epochs_to_reach(curve, target):
    """The first epoch, from 1, whose accuracy is at least ``target`` (or None)."""
    reached = np.flatnonzero(curve >= target)
    return int(reached[0]) + 1 if len(reached) else None


def provenance(clf=None):
    """Device, threads, hardware and versions of a measurement."""
    return {
        "device": str(clf.net_.device) if hasattr(clf, "net_") else "cpu",
        "n_threads": torch.get_num_threads(),
        "hardware": hardware(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def hardware():
    """Processor, GPU if there is one, number of cores and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return gpu | {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
