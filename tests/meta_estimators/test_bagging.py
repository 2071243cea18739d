"""scikit-learn's own tests of bagging, around a classifier of the library.

Chosen are those around a linear classifier that ask for no ``coef_``, exact weights or
confidences, and that are quick.
"""

import pytest
from installed_suites import run_installed

TESTS = ("test_probability",)

run_installed(
    "sklearn.ensemble.tests.test_bagging",
    globals(),
    "from in_place import LogisticRegression",
    only=TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
