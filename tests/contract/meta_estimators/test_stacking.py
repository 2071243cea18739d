"""scikit-learn's own tests of stacks, around a classifier of the library.

Chosen are those whose claim holds for any classifier and that are quick.
"""

import pytest
from _helpers.installed_suites import run_installed

TESTS = (
    "test_get_feature_names_out",
    "test_stacking_classifier_drop_binary_prob",
    "test_stacking_classifier_stratify_default",
    "test_stacking_cv_influence",
    "test_stacking_final_estimator_attribute_error",
    "test_stacking_prefit",
    "test_stacking_prefit_error",
    "test_stacking_randomness",
    "test_stacking_with_sample_weight",
    "test_stacking_without_n_features_in",
)

run_installed(
    "sklearn.ensemble.tests.test_stacking",
    globals(),
    "from in_place import LogisticRegression",
    only=TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
