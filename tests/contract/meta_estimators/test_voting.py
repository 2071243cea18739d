"""scikit-learn's own tests of votes, around a classifier of the library.

Chosen are those whose claim holds for any classifier and that are quick.
"""

import pytest
from _helpers.installed_suites import run_installed

# Left out, for the claims hold for some classifiers alone:
# - test_tie_situation asks for an error of LogisticRegression that ours does not make.
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
