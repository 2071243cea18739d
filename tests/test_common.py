"""scikit-learn's own estimator checks."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_lwal import (
    LabelEmbedClassifier,
    LabelSearchCV,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

# On a few rows the default is a thousand epochs, but for LwAL's.
HIDDEN = {"hidden_layer_sizes": (16,), "early_stopping": True, "max_epochs": 20}
ESTIMATORS = [
    LwALClassifier(),
    LwALClassifier(**HIDDEN),
    STDClassifier(max_epochs=20),
    *(
        Classifier(max_epochs=20)
        for Classifier in (LabelEmbedClassifier, LWRClassifier, StaticLabelClassifier)
    ),
    LabelSearchCV(
        LwALClassifier(max_epochs=3, random_state=0), {"l2": [0.01, 0.1]}, cv=2
    ),
]


# They want fit_transform, and the error of a fit itself.
UNLIKE_SEARCHES = (
    "check_dtype_object",
    "check_estimators_nan_inf",
    "check_supervised_y_no_nan",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
)


def expected_failures(estimator):
    # Equivalence of weights and repetitions is exact for a full batch only:
    # test_weights_equal_repetitions shows it there.
    reason = "mini-batches of weighted rows differ from those of repeated rows"
    if isinstance(estimator, LabelEmbedClassifier):
        reason = "a sum over the batch takes weights relative to each other"
    if isinstance(estimator, LabelSearchCV):
        return dict.fromkeys(UNLIKE_SEARCHES, "so it is in GridSearchCV")
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weight_equivalence_on_sparse_data": reason,
    }


@pytest.mark.slow
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_estimator_check(estimator, check):
    check(estimator)
