"""scikit-learn's own tests of calibration, around a classifier of the library.

Chosen are those whose claim holds for any classifier and that are quick.
"""

import pytest
from _helpers.installed_suites import run_installed

# Left out, for the claims hold for some classifiers alone:
# - test_temperature_scaling asks for the least log-loss on the training rows;
# - test_calibrated_classifier_cv_double_sample_weights_equivalence: weighted rows make
#   other batches than repeated ones.
TESTS = (
    "test_calibration_display_compute",
    "test_calibration_display_kwargs",
    "test_calibration_display_name_multiple_calls",
    "test_calibration_display_pos_label",
    "test_calibration_display_ref_line",
    "test_calibration_votingclassifier",
    "test_plot_calibration_curve_pipeline",
)

run_installed(
    "sklearn.tests.test_calibration",
    globals(),
    """
from in_place import LogisticRegression
from sklearn.conftest import pyplot
""",
    only=TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
