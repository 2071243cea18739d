"""scikit-learn's own tests of searches, searched by and over what the library has.

Chosen are all tests whose claim holds for any classifier with numbers as parameters:
those over other estimators, and those over mocks that count, are left out.
"""

import pytest
from _helpers.installed_suites import run_installed

TESTS = (
    "test_array_api_search_cv_classifier",
    "test_callable_multimetric_confusion_matrix",
    "test_callable_multimetric_error_on_invalid_key",
    "test_callable_multimetric_same_as_list_of_strings",
    "test_callable_single_metric_same_as_single_string",
    "test_classes__property",
    "test_cv_results_dtype_issue_29074",
    "test_cv_results_multi_size_array",
    "test_empty_cv_iterator_error",
    "test_grid_search_correct_score_results",
    "test_grid_search_cv_splits_consistency",
    "test_grid_search_error",
    "test_grid_search_groups",
    "test_grid_search_no_score",
    "test_grid_search_score_method",
    "test_grid_search_sparse",
    "test_grid_search_sparse_scoring",
    "test_multi_metric_search_forwards_metadata",
    "test_n_features_in",
    "test_random_search_bad_cv",
    "test_random_search_cv_results_multimetric",
    "test_refit_callable_invalid_type",
    "test_refit_callable_multi_metric",
    "test_refit_callable_out_bound",
    "test_scalar_fit_param_compat",
    "test_score_rejects_params_with_no_routing_enabled",
    "test_search_callbacks_no_propagation",
    "test_search_callbacks_receive_sample_weight",
    "test_search_callbacks_receive_search_instance",
    "test_search_cv_results_none_param",
    "test_search_cv_verbose_3",
    "test_search_default_iid",
    "test_search_estimator_param",
    "test_search_train_scores_set_to_false",
    "test_search_with_2d_array",
    "test_searchcv_raise_warning_with_non_finite_score",
    "test_unsupported_sample_weight_scorer",
)

# The classifiers there that are ours here, LwALClassifier.
NAMES = (
    "ComplementNB",
    "DecisionTreeClassifier",
    "HistGradientBoostingClassifier",
    "LinearSVC",
    "LinearDiscriminantAnalysis",
    "LogisticRegression",
    "MaxIterEstimator",
    "NoCallbackEstimator",
    "SGDClassifier",
    "SVC",
)
CALL = rf"(?<!class )\b({'|'.join(NAMES)}|LinearSVCNoScore)\("

run_installed(
    "sklearn.model_selection.tests.test_search",
    globals(),
    f"""
from sklearn_lwal import LabelRandomizedSearchCV as RandomizedSearchCV
from sklearn_lwal import LabelSearchCV as GridSearchCV
from sklearn_lwal import LwALClassifier
{" = ".join(NAMES)} = LwALClassifier
""",
    {
        r'CV\(Ridge\(\), {"alpha": \[1e': 'CV(SVC(), {"l2": [1e',
        r'{"alpha": (\[0.1, 0.01|uniform)': r'{"l2": \1',
        # Fits are short, and the same each time.
        CALL + r"\)": r"\1(random_state=0)",
        CALL + r"(?=\w)": r"\1(max_epochs=5, ",
        r"(?<![A-Za-z])C\b": "l2",
        r"\bmax_(iter|depth)\b": "max_epochs",
        # Four rows are too few for these.
        r"HalvingGridSearchCV\(\n +estimator\((?s:.*?)\n    \]": "]",
        '"r2"': "None",
    },
    TESTS,
)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
