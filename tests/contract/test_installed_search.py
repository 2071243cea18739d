"""scikit-learn's own tests of searches, with the library's searches in their place.

There is no difference that would have to be excused.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from _helpers.installed_suites import run_installed

run_installed(
    "sklearn.model_selection.tests.test_search",
    globals(),
    """
from sklearn_lwal import LabelSearchCV as GridSearchCV
from sklearn_lwal import LabelRandomizedSearchCV as RandomizedSearchCV
""",
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def test_again_where_arrays_of_other_libraries_are_taken():
    # SciPy reads this when it is imported. scikit-learn's tests take it for granted
    # that there is a GPU where torch was built for one.
    chosen = "test_array_api" + ("" if torch.cuda.is_available() else " and not cuda")
    files = Path(__file__), Path(__file__).with_name("test_installed_search_of_ours.py")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        + ["-k", chosen, *map(str, files)],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    assert " passed" in run.stdout
