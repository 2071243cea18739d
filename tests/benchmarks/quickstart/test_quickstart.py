"""The demo: its summary, its table and its picture."""

import json

import numpy as np

from benchmarks.__main__ import main
from benchmarks._shared.measuring import epochs_to_reach
from benchmarks.quickstart import run as quickstart


def test_quickstart_counts_epochs():
    assert epochs_to_reach(np.array([0.1, 0.5, 0.4, 0.6]), 0.5) == 2
    assert epochs_to_reach(np.array([0.1, 0.2]), 0.5) is None
    curves = {
        "STD": np.array([[0.1, 0.3, 0.5, 0.4]]),
        "LwAL": np.array([[0.5, 0.6, 0.7, 0.6]]),
    }
    std, lwal = quickstart.summarise(curves, {"STD": [1.0], "LwAL": [2.0]})
    assert (std["best"], std["final"], std["epochs_to_std_best"]) == (0.5, 0.4, 3)
    assert std["auac"] == np.mean([0.1, 0.3, 0.5, 0.4])
    assert (lwal["epochs_to_std_best"], lwal["epochs_reduced"]) == (1, 1 - 1 / 3)


def test_quickstart_writes_table_and_picture(tmp_path, capsys):
    main(["quickstart", "--epochs", "2", "--seeds", "0", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in quickstart.METHODS)
    report = json.loads((tmp_path / "quickstart_digits.json").read_text())
    assert np.shape(report["curves"]["LwAL10"]) == (1, 2)
    png = (tmp_path / "quickstart_digits.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert len(png) > 10_000
