"""Standard training with one-hot labels, behind the face of the other classifiers."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from ._base import LabelLearningClassifier
from .heads.one_hot import OneHotHead


class STDClassifier(LabelLearningClassifier):
    """Softmax classifier trained on one-hot labels, the paper's baseline "STD".

    Parameters
    ----------
    backbone, freeze_backbone, hidden_layer_sizes, dropout
        As in :class:`LwALClassifier`.
    label_smoothing : float, default=0.0
        Share of each target that is spread evenly over all classes, in [0, 1).
    standardize, average, l2, optimizer
        As in :class:`LwALClassifier`.
    max_epochs : int or "auto", default="auto"
        Passes over the training data; "auto" is 20, or more where that makes fewer
        than 1,000 steps.
    lr : float, default=1e-3
        Learning rate, constant.
    batch_size : int or "auto", default="auto"
        Rows of a training step, at most: "auto" is 50 a class, but at least 32 and at
        most a twentieth of the rows.
    early_stopping, validation_fraction, n_iter_no_change, tol
        As in :class:`LwALClassifier`.
    class_weight, warm_start, random_state, verbose, device, precision
        As in :class:`LwALClassifier`.
    callbacks, net_params
        As in :class:`LwALClassifier`.

    Attributes
    ----------
    labels_ : ndarray of shape (n_classes, n_classes)
        The one-hot labels. As with learned labels, the predicted class is the one
        whose label is nearest to :meth:`transform`'s output.
    classes_, n_features_in_, feature_names_in_, history_, n_iter_, net_
        As in :class:`LwALClassifier`.

    See Also
    --------
    LwALClassifier : Learns the labels, too.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lwal import STDClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = STDClassifier(random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.95)
    True
    """

    _parameter_constraints = {
        **LabelLearningClassifier._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        backbone=None,
        *,
        freeze_backbone=True,
        hidden_layer_sizes=(),
        dropout=0.1,
        label_smoothing=0.0,
        standardize=True,
        average=True,
        l2=0.0,
        max_epochs="auto",
        lr=1e-3,
        optimizer="adam",
        batch_size="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        class_weight=None,
        warm_start=False,
        random_state=None,
        verbose=0,
        device="auto",
        precision="float32",
        callbacks=None,
        net_params=None,
    ):
        self.backbone = backbone
        self.freeze_backbone = freeze_backbone
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.standardize = standardize
        self.average = average
        self.l2 = l2
        self.max_epochs = max_epochs
        self.lr = lr
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.device = device
        self.precision = precision
        self.callbacks = callbacks
        self.net_params = net_params

    def _make_head(self, in_features, n_classes):
        return OneHotHead(
            in_features,
            n_classes,
            l2=self.l2,
            label_smoothing=self.label_smoothing,
        )
