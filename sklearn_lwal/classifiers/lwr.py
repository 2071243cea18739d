"""Learning with retrospection: one-hot labels and one's own earlier predictions."""

from dataclasses import dataclass
from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from ..heads.retrospection import RetrospectionHead
from ._base import LabelLearningClassifier


@dataclass(eq=False, repr=False, match_args=False, kw_only=True)
class LWRClassifier(LabelLearningClassifier):
    r"""Softmax classifier that also learns from its own earlier predictions.

    Every k epochs the predictions of each training sample, softened by a temperature T,
    are stored, :math:`q = softmax(z_{old} / T)`. After k epochs the loss in epoch e of
    E, counted from 1, becomes ([1]_)

    .. math:: (1 - a) CE + a T^2 KL(q \| softmax(z / T)), \quad
              a = b \lfloor e / k \rfloor k / E

    Parameters
    ----------
    variant : {"paper", "lwal"}, default="paper"
        "paper" is the above. "lwal" is what the authors of LwAL compared with:
        :math:`a = b e / E`, and the second term is :math:`a KL(q \| softmax(z))`.
    update_every : int, default=5
        Epochs between two updates of the stored predictions (k).
    temperature : float, default=5.0
        T in the above.
    retrospection : float, default=0.9
        Weight of the stored predictions in the last epoch (b), in [0, 1].
    backbone, backbone_weights, image_size, freeze_backbone, memory, checkpoint_dir
        As in :class:`LwALClassifier`.
    backbone_lr, recalibrate_batch_norm, augment, channels_last, n_workers
        As in :class:`LwALClassifier`.
    hidden_layer_sizes, dropout
        As in :class:`LwALClassifier`.
    standardize, average, l2, optimizer
        As in :class:`LwALClassifier`.
    max_epochs, lr, batch_size
        As in :class:`STDClassifier`. ``max_epochs`` is E, also where training stops
        early.
    early_stopping, validation_fraction, n_iter_no_change, tol
        As in :class:`LwALClassifier`.
    class_weight, warm_start, random_state, verbose, device, precision
        As in :class:`LwALClassifier`; a warm start counts its epochs anew.
    max_grad_norm, compile, distributed, callbacks, net_params
        As in :class:`LwALClassifier`.

    Attributes
    ----------
    labels_ : ndarray of shape (n_classes, n_classes)
        The one-hot labels.
    classes_, n_features_in_, feature_names_in_, history_, n_iter_, net_
        As in :class:`LwALClassifier`.

    See Also
    --------
    STDClassifier : The same without retrospection.

    Notes
    -----
    Training holds one float32 table of shape (n_samples, n_classes). A call of
    :meth:`partial_fit` is a single pass, which has nothing to look back on: it trains
    with plain cross-entropy.

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
