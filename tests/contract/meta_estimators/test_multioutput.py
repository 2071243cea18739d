"""scikit-learn's own tests of several outputs, around a classifier of the library.

Chosen are those whose claim holds for any classifier and that are quick.
"""

import pytest
from _helpers.installed_suites import run_installed

# Left out, for the claims hold for some classifiers alone:
# - test_multiclass_multioutput_estimator_predict_proba has numbers of
#   LogisticRegression;
# - test_classifier_chain_vs_independent_models compares accuracies on one set of data;
# - test_hasattr_multi_output_predict_proba, test_multi_output_predict_proba,
#   test_multi_output_delegate_predict_proba and
#   test_classifier_chain_fit_and_predict_with_linear_svc ask for no predict_proba;
# - test_multi_output_classes_ fits several outputs without a meta-estimator.
TESTS = (
    "test_base_chain_crossval_fit_and_predict",
    "test_base_chain_fit_and_predict_with_sparse_data_and_cv",
    "test_base_chain_random_order",
    "test_classifier_chain_fit_and_predict",
    "test_classifier_chain_fit_and_predict_with_sparse_data",
    "test_classifier_chain_tuple_invalid_order",
    "test_classifier_chain_tuple_order",
    "test_classifier_chain_verbose",
    "test_fit_params_no_routing",
    "test_multi_output_classification",
    "test_multi_output_classification_partial_fit",
    "test_multi_output_classification_partial_fit_no_first_classes_exception",
    "test_multi_output_classification_sample_weights",
    "test_multi_output_exceptions",
    "test_multi_output_not_fitted_error",
    "test_multiclass_multioutput_estimator",
    "test_support_missing_values",
)

run_installed(
    "sklearn.tests.test_multioutput",
    globals(),
    """
from in_place import LogisticRegression
DecisionTreeClassifier = RandomForestClassifier = LogisticRegression
LinearSVC = SGDClassifier = LogisticRegression
""",
    # Less data for the chains.
    renamed={"n_samples=1000, n_features=100": "n_samples=300, n_features=20"},
    only=TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
