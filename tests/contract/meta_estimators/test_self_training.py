"""scikit-learn's own tests of self-training, around a classifier of the library.

Chosen are those whose claim holds for any classifier and that are quick.
"""

import pytest
from _helpers.installed_suites import run_installed

# Left out, for the claims hold for some classifiers alone:
# - test_early_stopping: LogisticRegression is unsure of a row that it was trained on.
TESTS = (
    "test_estimator_meta_estimator",
    "test_k_best",
    "test_k_best_selects_best",
    "test_labeled_iter",
    "test_no_unlabeled",
    "test_none_iter",
    "test_prefitted_throws_error",
    "test_self_training_estimator_attribute_error",
    "test_strings_dtype",
    "test_verbose",
    "test_verbose_k_best",
    "test_warns_k_best",
    "test_zero_iterations",
)

run_installed(
    "sklearn.semi_supervised.tests.test_self_training",
    globals(),
    "from in_place import LogisticRegression",
    only=TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
