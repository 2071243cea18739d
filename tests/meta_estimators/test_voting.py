"""scikit-learn's own tests of votes, around a classifier of the library.

Chosen are those around a linear classifier that ask for no ``coef_``, exact weights or
confidences, and that are quick.
"""

import pytest
from installed_suites import run_installed

TESTS = (
    "test_get_features_names_out_classifier",
    "test_get_features_names_out_classifier_error",
    "test_gridsearch",
    "test_n_features_in",
    "test_none_estimator_with_weights",
    "test_notfitted",
    "test_predict_proba_on_toy_problem",
    "test_predictproba_hardvoting",
    "test_set_estimator_drop",
    "test_voting_verbose",
)

run_installed(
    "sklearn.ensemble.tests.test_voting",
    globals(),
    "from in_place import LogisticRegression",
    only=TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
