"""scikit-learn's own tests of several outputs, around a classifier of the library.

Chosen are those around a linear classifier that ask for no ``coef_``, exact weights or
confidences, and that are quick.
"""

import pytest
from installed_suites import run_installed

TESTS = (
    "test_fit_params_no_routing",
    "test_multi_output_not_fitted_error",
)

run_installed(
    "sklearn.tests.test_multioutput",
    globals(),
    "from in_place import LogisticRegression",
    only=TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
