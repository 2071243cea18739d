"""scikit-learn's own tests of tuned thresholds, around a classifier of the library.

Chosen are those whose claim holds for any classifier and that are quick.
"""

import pytest
from _helpers.installed_suites import run_installed

# Left out, for the claims hold for some classifiers alone:
# - test_fit_and_score_over_thresholds_sample_weight: weighted rows make other batches
#   and other held-out rows than repeated ones;
# - test_tuned_threshold_classifier_refit asks for intercept_.
TESTS = (
    "test_fixed_threshold_classifier",
    "test_fixed_threshold_classifier_classes_",
    "test_fixed_threshold_classifier_equivalence_default",
    "test_fixed_threshold_classifier_fitted_estimator",
    "test_fixed_threshold_classifier_metadata_routing",
    "test_threshold_classifier_estimator_response_methods",
    "test_tuned_threshold_classifier_cv_float",
    "test_tuned_threshold_classifier_cv_zeros_sample_weights_equivalence",
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
