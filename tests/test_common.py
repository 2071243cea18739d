"""scikit-learn's own estimator checks."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_lwal import LwALClassifier, STDClassifier

CONFIGURATIONS = [{}, {"hidden_layer_sizes": (16,)}, {"early_stopping": True}]
ESTIMATORS = [
    *(LwALClassifier(**options) for options in CONFIGURATIONS),
    LwALClassifier(output_dim=10.0, repel_weight=10.0),
    *(STDClassifier(**options) for options in CONFIGURATIONS),
    STDClassifier(label_smoothing=0.1, l2=1e-3),
]


def expected_failures(estimator):
    # Equivalence of weights and repetitions is exact for a full batch only:
    # test_weights_equal_repetitions shows it there.
    reason = "mini-batches of weighted rows differ from those of repeated rows"
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weight_equivalence_on_sparse_data": reason,
    }


@pytest.mark.slow
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_estimator_check(estimator, check):
    check(estimator)
