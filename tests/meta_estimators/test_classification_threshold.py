"""scikit-learn's own tests of tuned thresholds, around a classifier of the library.

Chosen are those around a linear classifier that ask for no ``coef_``, exact weights or
confidences, and that are quick.
"""

import pytest
from installed_suites import run_installed

TESTS = (
    "test_fixed_threshold_classifier_classes_",
    "test_fixed_threshold_classifier_equivalence_default",
    "test_fixed_threshold_classifier_fitted_estimator",
    "test_threshold_classifier_estimator_response_methods",
    "test_tuned_threshold_classifier_no_binary",
    "test_tuned_threshold_classifier_store_cv_results",
    "test_tuned_threshold_classifier_thresholds_array",
)

run_installed(
    "sklearn.model_selection.tests.test_classification_threshold",
    globals(),
    "from in_place import LogisticRegression",
    only=TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
