"""scikit-learn's own tests of several classes, around a classifier of the library.

Chosen are those whose claim holds for any classifier and that are quick.
"""

import pytest
from _helpers.installed_suites import run_installed

# Left out, for the claims hold for some classifiers alone:
# - test_ovr_fit_predict: LinearSVC is one against the rest itself, with any classes;
# - test_multiclass_estimator_attribute_error asks for no partial_fit.
TESTS = (
    "test_constant_int_target",
    "test_ecoc_delegate_sparse_base_estimator",
    "test_ecoc_exceptions",
    "test_ecoc_fit_predict",
    "test_ecoc_float_y",
    "test_ovo_decision_function",
    "test_ovo_exceptions",
    "test_ovo_fit_on_list",
    "test_ovo_fit_predict",
    "test_ovo_float_y",
    "test_ovo_one_class",
    "test_ovo_string_y",
    "test_ovr_always_present",
    "test_ovr_binary",
    "test_ovr_exceptions",
    "test_ovr_gridsearch",
    "test_ovr_multiclass",
    "test_ovr_multilabel",
    "test_support_missing_values",
)

run_installed(
    "sklearn.tests.test_multiclass",
    globals(),
    """
from in_place import LogisticRegression
LinearSVC = LogisticRegression
""",
    only=TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
