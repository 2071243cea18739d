"""Learning with retrospection: one-hot labels and the model's earlier predictions."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from ..heads.retrospection import RetrospectionHead
from ._base import LabelLearningClassifier
from ._parameters import parameters


@parameters
class LWRClassifier(LabelLearningClassifier):
    r"""Softmax classifier that also learns from its own earlier predictions.

    Every k epochs, training stores the predictions of each sample, softened by a
    temperature T, :math:`q = softmax(z_{old} / T)`. After the first k epochs, the loss
    in epoch e of E, counted from 1, is ([1]_)

    .. math:: (1 - a) CE + a T^2 KL(q \| softmax(z / T)), \quad
              a = b \lfloor e / k \rfloor k / E

    Parameters
    ----------
    variant : {"paper", "lwal"}, default="paper"
        "paper" is the loss above. "lwal" is the baseline of the authors of LwAL:
        :math:`a = b e / E`, and the second term is :math:`a KL(q \| softmax(z))`.
    update_every : int, default=5
        Epochs between two updates of the stored predictions (k).
    temperature : float, default=5.0
        The temperature T of the stored predictions.
    retrospection : float, default=0.9
        Weight of the stored predictions at the end of training (b), in [0, 1].
    backbone, hidden_layer_sizes, dropout, standardize, average, l2, class_weight
        As in :class:`LwALClassifier`.
    max_epochs, lr, batch_size
        As in :class:`STDClassifier`. ``max_epochs`` is E, even if training stops early.
    optimizer, max_grad_norm
        As in :class:`LwALClassifier`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        As in :class:`LwALClassifier`.
    warm_start, checkpoint_dir
        As in :class:`LwALClassifier`; a warm start counts its epochs from 1 again.
    random_state, verbose, callbacks, net_params
        As in :class:`LwALClassifier`.
    device, precision, compile, distributed
        As in :class:`LwALClassifier`.

    Attributes
    ----------
    labels_ : ndarray of shape (n_classes, n_classes)
        The one-hot labels.
    classes_, n_features_in_, feature_names_in_, history_, n_iter_, net_
        As in :class:`LwALClassifier`.

    See Also
    --------
    STDClassifier : Training without retrospection.

    Notes
    -----
    Training holds one float32 table of shape (n_samples, n_classes). A call of
    :meth:`partial_fit` is a single pass without earlier predictions, so it trains with
    plain cross-entropy.

    References
    ----------
    .. [1] Xiang Deng and Zhongfei Zhang, "Learning with Retrospection", AAAI 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lwal import LWRClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = LWRClassifier(update_every=2, random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.95)
    True
    """

    variant: str = "paper"
    update_every: int = 5
    temperature: float = 5.0
    retrospection: float = 0.9

    _parameter_constraints = {
        **LabelLearningClassifier._parameter_constraints,
        "variant": [StrOptions({"paper", "lwal"})],
        "update_every": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "retrospection": [Interval(Real, 0, 1, closed="both")],
    }

    _stackable_params = ("l2", "retrospection", "temperature")

    def _make_head(self, in_features, n_classes):
        return RetrospectionHead(
            in_features,
            n_classes,
            l2=self.l2,
            variant=self.variant,
            update_every=self.update_every,
            temperature=self.temperature,
            retrospection=self.retrospection,
        )
