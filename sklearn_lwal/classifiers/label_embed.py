"""Label embedding network: class similarities are learned with the classifier."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from ..heads.embedding import LabelEmbedHead
from ._base import LabelLearningClassifier
from ._parameters import parameters


@parameters
class LabelEmbedClassifier(LabelLearningClassifier):
    """Softmax classifier with learned class similarities as soft targets.

    An auxiliary layer is trained on the same features as the classifier. If it
    classifies a sample correctly, the embedding of the sample's class moves towards its
    softened probabilities. The embeddings are soft targets of the classifier ([1]_).

    Parameters
    ----------
    hard_weight : float, default=0.5
        Weight of the one-hot labels in the classifier's loss, in [0, 1] (beta); the
        embeddings have the remaining weight.
    temperature : float, default=2.0
        Softens the probabilities that are targets of the embeddings (tau).
    confidence_cap : float, default=0.9
        Probability of the true class above which the auxiliary layer is penalised, in
        (0, 1] (alpha).
    backbone, hidden_layer_sizes, dropout, standardize, average, l2, class_weight
        As in :class:`LwALClassifier`.
    max_epochs, lr, batch_size
        As in :class:`STDClassifier`.
    optimizer, max_grad_norm
        As in :class:`LwALClassifier`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        As in :class:`LwALClassifier`.
    warm_start, checkpoint_dir, random_state, verbose, callbacks, net_params
        As in :class:`LwALClassifier`.
    device, precision, compile, distributed
        As in :class:`LwALClassifier`.

    Attributes
    ----------
    labels_ : ndarray of shape (n_classes, n_classes)
        The embeddings, which start as the identity: row c holds the similarities of
        class c to the others. Predictions do not use them: the predicted class has the
        largest of :meth:`transform`'s outputs.
    classes_, n_features_in_, feature_names_in_, history_, n_iter_, net_
        As in :class:`LwALClassifier`.

    See Also
    --------
    LwALClassifier : Represents each class by the mean of its samples.

    Notes
    -----
    The formulas are at the top of ``sklearn_lwal/heads/embedding.py``. One term is a
    sum over the batch, so its weight grows with ``batch_size``. In this term sample
    weights are relative to their mean, so a row of weight two differs slightly from
    two rows.

    References
    ----------
    .. [1] Xu Sun, Bingzhen Wei, Xuancheng Ren, Shuming Ma, "Label Embedding Network:
       Learning Label Representation for Soft Training of Deep Networks", 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lwal import LabelEmbedClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = LabelEmbedClassifier(random_state=0).fit(X, y)
    >>> clf.labels_.shape
    (10, 10)
    """

    hard_weight: float = 0.5
    temperature: float = 2.0
    confidence_cap: float = 0.9

    _parameter_constraints = {
        **LabelLearningClassifier._parameter_constraints,
        "hard_weight": [Interval(Real, 0, 1, closed="both")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "confidence_cap": [Interval(Real, 0, 1, closed="right")],
    }

    _stackable_params = ("confidence_cap", "hard_weight", "l2", "temperature")

    def _make_head(self, in_features, n_classes):
        return LabelEmbedHead(
            in_features,
            n_classes,
            l2=self.l2,
            hard_weight=self.hard_weight,
            temperature=self.temperature,
            confidence_cap=self.confidence_cap,
        )
