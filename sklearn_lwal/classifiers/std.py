"""Standard training with one-hot labels, with the other classifiers' interface."""

from numbers import Real

from sklearn.utils._param_validation import Interval, StrOptions

from ..heads.one_hot import CosineHead, OneHotHead, Regularization, SimplexHead
from ._base import LabelLearningClassifier
from ._parameters import parameters

HEADS = {"linear": OneHotHead, "cosine": CosineHead, "etf": SimplexHead}
# Learning rate of the cosines' scale, relative to that of the weights.
SCALE_RATE = 10.0


@parameters
class STDClassifier(LabelLearningClassifier):
    r"""Softmax classifier trained on one-hot labels, the paper's baseline "STD".

    The loss of a sample of class y, with p its probabilities, K classes and H the
    entropy, is

    .. math:: (1 - \alpha) CE(q, p) + \alpha \frac{M}{K} KL(t \| p) - \beta H(p)

    which is plain cross-entropy by default; see ``label_smoothing`` for q,
    ``confidence_penalty`` for :math:`\beta` and ``teacher_weight`` for
    :math:`\alpha`, M and t.

    Parameters
    ----------
    scores : {"linear", "cosine", "etf"}, default="linear"
        The class scores, with z the outputs of the dense layer. "linear": z. "cosine":
        a learned scale times the cosine between z and the learned label of the class
        (NormFace [4]_ on top of the dense layer). "etf": the scaled cosines with fixed
        labels at the corners of a simplex, an equiangular tight frame [5]_.
    label_smoothing : float, default=0.0
        Share eps of the target that is spread evenly over all K classes, that of the
        sample included [1]_, in [0, 1): the target is 1 - eps + eps / K for its class
        and eps / K for each other, as in torch. To spread eps over the K - 1 other
        classes, as some papers do, pass eps K / (K - 1).
    confidence_penalty : float, default=0.0
        Weight beta of the entropy of the probabilities, which the loss rewards [2]_.
    teacher_weight : float, default=0.0
        Weight alpha of teacher-free distillation [3]_, in [0, 1]: the target t is
        softmax(u / T) with u = 0.99 for the class of the sample and 0.01 / (K - 1)
        elsewhere. At a high T and M = K it is almost label smoothing by alpha.
    teacher_temperature : float, default=20.0
        The temperature T of the teacher. It does not soften the probabilities p.
    teacher_multiplier : float or None, default=None
        The factor M in the loss. None is K, which makes KL a sum over the classes; the
        authors' code averages it and sets 100 or 1 for the 100 classes of CIFAR-100.
    backbone, hidden_layer_sizes, dropout, standardize, average, l2, class_weight
        As in :class:`LwALClassifier`.
    max_epochs : int or "auto", default="auto"
        Passes over the training data. "auto" is 20, or more to reach 1,000 steps; with
        a trained backbone it is 10, or more to reach 300 steps.
    lr : float, default=1e-3
        Learning rate, constant.
    batch_size : int or "auto", default="auto"
        Maximal number of rows in a training step. "auto" is 50 per class, but at least
        32 and at most a twentieth of the rows, and at most 128 images for a trained
        backbone.
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
        The one-hot labels or, for cosines, the directions of the classes. As with
        learned labels, the predicted class is the one whose label is nearest to
        :meth:`transform`'s output. The exception is cosines with ``class_weight``,
        whose logarithm is added to them.
    classes_, n_features_in_, feature_names_in_, history_, n_iter_, net_
        As in :class:`LwALClassifier`.

    See Also
    --------
    LwALClassifier : Learns the labels, too.

    References
    ----------
    .. [1] Christian Szegedy et al., "Rethinking the Inception Architecture for
       Computer Vision", CVPR 2016.
    .. [2] Gabriel Pereyra et al., "Regularizing Neural Networks by Penalizing
       Confident Output Distributions", 2017.
    .. [3] Li Yuan et al., "Revisiting Knowledge Distillation via Label Smoothing
       Regularization" (Tf-KD_reg), CVPR 2020.
    .. [4] Feng Wang et al., "NormFace: L2 Hypersphere Embedding for Face
       Verification", ACM Multimedia 2017.
    .. [5] Yibo Yang et al., "Inducing Neural Collapse in Imbalanced Learning: Do We
       Really Need a Learnable Classifier at the End of Deep Neural Network?",
       NeurIPS 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lwal import STDClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = STDClassifier(random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.95)
    True
    """

    scores: str = "linear"
    label_smoothing: float = 0.0
    confidence_penalty: float = 0.0
    teacher_weight: float = 0.0
    teacher_temperature: float = 20.0
    teacher_multiplier: float | None = None

    _parameter_constraints = {
        **LabelLearningClassifier._parameter_constraints,
        "scores": [StrOptions(set(HEADS))],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "confidence_penalty": [Interval(Real, 0, None, closed="left")],
        "teacher_weight": [Interval(Real, 0, 1, closed="both")],
        "teacher_temperature": [Interval(Real, 0, None, closed="neither")],
        "teacher_multiplier": [Interval(Real, 0, None, closed="left"), None],
    }

    _stackable_params = ("l2", *Regularization._fields)

    def _make_head(self, in_features, n_classes):
        regularization = Regularization(
            **{name: getattr(self, name) for name in Regularization._fields}
        )
        head = HEADS[self.scores]
        return head(in_features, n_classes, self.l2, regularization)

    def _param_groups(self):
        return [("*log_scale", {"rate": SCALE_RATE})] if self.scores != "linear" else []
