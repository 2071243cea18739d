"""Learning with adaptive labels: the label representation is learned in training."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from .._training import auto_schedule
from .._training.batches import n_batches
from ..heads.adaptive_head import AdaptiveHead
from ._base import LabelLearningClassifier
from ._open_set import OpenSetMixin
from ._parameters import parameters

# A head that starts in closed form needs few epochs. The batch size is proportional to
# the learning rate: small steps tolerate noise, and more of them are needed.
FEW_EPOCHS, FEW_STEPS, MOST_EPOCHS = 3, 100, 20
ROWS_PER_FEATURE_AND_EPOCH = 5
ROWS_PER_RATE = 128 / 1e-3
# Learning rate of a temperature that is trained, relative to that of the weights.
TEMPERATURE_RATE = 10.0
# Output dimensions per class with a trained backbone; wider latents learn faster early,
# and stay ahead.
TRAINED_WIDTH = 10.0
# Share of the running class means of trained features that each step keeps.
FEATURE_DECAY = 0.9


@parameters
class LwALClassifier(OpenSetMixin, LabelLearningClassifier):
    """Classifier that learns its label representation while it learns to classify.

    Each class is represented by the mean of its samples in a latent space, and a
    sample belongs to the class whose representation is nearest (LwAL, [1]_).

    Parameters
    ----------
    backbone : Backbone, str, nn.Module, callable or None, default=None
        None: X is a matrix of features. Else X contains images, whose features the
        :class:`Backbone` computes. A name, module or function alone is a frozen
        backbone with its defaults.
    output_dim : int, float or "auto", default="auto"
        Dimension of the latent: an int is the dimension itself, a float a multiple
        of the number of classes, rounded (1.0 is the paper's LwAL, 10.0 its LwAL10).
        "auto" is 10.0 with a trained backbone, else 1.0.
    init : {"discriminant", "random"}, default="discriminant"
        Initialisation of the head. "discriminant": the solution of linear discriminant
        analysis, in closed form from the class means and the pooled covariance of at
        most 10,000 rows (2,000 for more than 4,096 features). The shrinkage of the
        covariance is the one of (0.01, 0.05, 0.2, 0.5, 0.9) with the least log-loss on
        held-out rows; with a trained backbone it is 0.9, and the features come from at
        most 5,000 images. If it lowers the log-loss further, the logarithm of each
        class's share of the rows is added to its score, as in discriminant analysis;
        else, and always with "random", the nearest label decides. "random": torch's
        default for a dense layer, uniform in ``+-1 / sqrt(n_features)``, as in the
        paper.
    label_update : {"features", "batch"}, default="features"
        Means that determine the labels. "features": the head's outputs for the class
        means of the features, which are the mean latents over all training rows; with
        hidden layers they are running means over the batches. "batch": the class means
        of the batch's latents, as in the paper.
    temperature : "learned" or float, default="learned"
        Class scores are ``-temperature * distance``; the paper uses 1.0. "learned" with
        the discriminant start: the temperature with the least log-loss on held-out
        rows, times 0.8 because training sharpens the scores, and then constant.
        "learned" with a random start: a parameter that is trained from 1.0 on, at ten
        times ``lr``; few training rows make it too high.
    update_every : int, default=1
        Steps between two label updates (the paper's k).
    warmup_steps : int, default=0
        Steps before the first label update (the paper's w).
    repel_weight : float, default=0.0
        Weight of the repel loss (the paper's lambda, which is 10 in "+rpl").
    label_momentum : float, default=0.0
        Share of the old label that an update keeps, in [0, 1); the paper uses 0.
    refine_labels : bool, default=True
        Whether the labels are set to the class means over the whole training set
        (Eq. 1, in evaluation mode) when training ends, and before each validation.
        False keeps the labels of the last batch, as in the paper.
    hidden_layer_sizes : array-like of int, default=()
        Widths of the dense layers before the head, each
        Linear-ReLU-BatchNorm-Dropout. The paper's text model is ``(768,)``.
    dropout : float, default=0.1
        Share of the hidden units dropped in a training step, in [0, 1).
    standardize : bool, default=True
        Whether features are standardised internally, by their means and deviations over
        at most 10,000 training rows, and (without hidden layers) scaled so that their
        length does not depend on their number. So their units do not matter, and ``lr``
        means the same for few and for many features.
        Columns that are zero in more than nine of ten rows (words, categories) share
        one unit and keep their proportions; constant columns have no influence.
        Features in float64 keep that precision if float32 is too coarse to tell rows
        apart, as for time stamps. In :meth:`partial_fit` the units are those of all
        rows so far: the weights are converted to the new units, so the model's outputs
        stay. The first call determines ``init`` and ``temperature``.
    average : bool, default=True
        Whether the model predicts with an average of its weights over about the last
        third of the training steps (polynomial decay, Shamir and Zhang 2013), which
        replaces a learning rate schedule.
    l2 : float, default=0.0
        Adds ``l2 * (||W||^2 + ||b||^2)`` of the head to the loss.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied into the sample weights. The logarithm of a
        class's relative weight is also added to its score, because distances have no
        bias term for each class. Without class weights the nearest label decides, which
        treats rare and frequent classes alike; so "balanced" favours rare classes more
        than it does in other classifiers.
    max_epochs : int or "auto", default="auto"
        Passes over the training data. "auto" with the discriminant start and without
        hidden layers: 3, or more to reach 100 steps, but at most 20 and at most one
        for every five rows per feature. "auto" with a trained backbone: 10, or more to
        reach 300 steps. "auto" otherwise: 20, or more to reach 1,000 steps.
    lr : float, default=2e-3
        Learning rate, constant.
    batch_size : int or "auto", default="auto"
        Maximal number of rows in a training step; the batches of an epoch differ by at
        most one row. "auto" is proportional to ``lr``, 256 for 2e-3, because small
        steps tolerate noise and more of them are needed. With
        ``label_update="batch"`` it is 50 per class, as in the paper. In both cases it
        is at least 32 and at most a twentieth of the rows. With a trained backbone it
        is 50 per class, but at most 128.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"} or class, default="adam"
        A :class:`torch.optim.Optimizer` class may be passed; its options go into
        ``net_params``, for example ``{"optimizer__momentum": 0.9}``.
    max_grad_norm : float or None, default=None
        Norm that the gradient of a step is clipped to.
    early_stopping : bool, default=False
        Whether to hold out ``validation_fraction`` of the rows, to stop when neither
        the accuracy nor the loss on them has improved by ``tol`` for
        ``n_iter_no_change`` epochs, and to restore the most accurate weights and
        labels. Without effect in ``partial_fit``.
    validation_fraction : float, default=0.1
        Share of the rows held out for early stopping, in (0, 1), stratified.
    n_iter_no_change : int or inf, default=10
        Epochs without improvement before early stopping.
    tol : float, default=1e-4
        Smallest change that counts as an improvement.
    warm_start : bool, default=False
        Whether :meth:`fit` starts from the fitted model. Only ``max_epochs``, ``lr``,
        ``max_grad_norm``, ``class_weight``, ``callbacks``, ``verbose``,
        ``checkpoint_dir``, ``compile``, ``distributed``, the parameters of early
        stopping and the backbone's ``lr``, ``memory`` and ``n_workers`` may differ from
        the first call. If ``checkpoint_dir`` has a checkpoint, a classifier that is not
        fitted yet resumes from it.
    checkpoint_dir : path or None, default=None
        Folder for the checkpoint of one fit, which is written after each epoch. When
        the fit was interrupted or killed, ``fit(..., resume=True)``, or ``fit`` of a
        new classifier with ``warm_start``, resumes from it, and on a CPU ends with
        exactly the same model. If a checkpoint cannot be written, an OSError is raised
        and the previous one stays. Without effect in :meth:`partial_fit`.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, order of the samples, dropout and held-out
        rows. None draws fresh entropy. The global states of NumPy and torch are
        neither used nor changed.
    verbose : int, default=0
        1 shows a progress bar.
    callbacks : list of skorch callbacks, default=None
        Callbacks, or pairs (name, callback), that the net calls as in skorch. They get
        the X and Datasets of :meth:`fit` and a y of indices into ``classes_``. Named
        callbacks and their parameters are parameters of the classifier, such as
        ``callbacks__name__patience``.
    net_params : dict, default=None
        Further arguments of the skorch net, such as
        ``{"optimizer__weight_decay": 0.01}``.
    device : str or torch.device, default="auto"
        "auto" is CUDA if available, else MPS, else the CPU.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" trains the dense layers and the backbone under autocast. Labels and
        distances, and everything after training, stay in float32 or wider.
    compile : bool, default=False
        Whether to compile training steps with :func:`torch.compile`, which takes time
        at the start and needs a C++ compiler.
    distributed : bool, default=False
        Whether all processes of :mod:`torch.distributed` train one model: each computes
        its share of every batch, and loss and labels are those of the whole batch. All
        processes must call the method with the same data.

    Attributes
    ----------
    labels_ : ndarray of shape (n_classes, output_dim)
        The learned label representations (centroids), float32. Like all attributes
        that are read from the net, a copy of its current state.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features seen in :meth:`fit`, or computed by the backbone.
    backbone_ : nn.Module
        The backbone, trained if it is not frozen; only with ``backbone``.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has string column names.
    history_ : list of dict
        One row for each epoch: ``epoch``, ``train_loss``, ``train_acc`` (both over the
        epoch's steps), ``dur`` (seconds) and, with validation, ``valid_loss`` and
        ``valid_acc``; ``<name>_best`` says whether a value is the best so far. With a
        trained backbone, validation takes batch-norm statistics and refined labels from
        1,000 of the training images to save time. :meth:`partial_fit` keeps the last
        100 rows.
    n_iter_ : int
        Number of epochs trained.
    temperature_ : float
        The temperature of the scores.
    net_ : skorch net
        The trained net; ``net_.module_`` is the torch module.

    See Also
    --------
    STDClassifier : Training with fixed one-hot labels.
    AdaptiveLabels : The loss alone, for your own torch loop.

    Notes
    -----
    The paper's LwAL is ``LwALClassifier(init="random", label_update="batch",
    temperature=1.0, standardize=False, average=False, refine_labels=False,
    output_dim=1.0, batch_size=50 * n_classes)``. Its LwAL10 has ``output_dim=10.0``,
    and LwAL10+rpl has ``repel_weight=10`` as well.

    The labels of the discriminant start and of ``label_update="features"`` are those
    of Eq. (1) in the paper: with a dense head ``z = W h + b`` the mean latent of a
    class is the latent of its mean features.

    References
    ----------
    .. [1] Xiao Yu and Nakul Verma, "Improving Model Training via Self-learned Label
       Representations", 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_lwal import LwALClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = LwALClassifier(random_state=0).fit(X, y)
    >>> clf.labels_.shape
    (10, 10)
    >>> bool(clf.score(X, y) > 0.95)
    True
    """

    output_dim: int | float | str = "auto"
    init: str = "discriminant"
    label_update: str = "features"
    temperature: float | str = "learned"
    update_every: int = 1
    warmup_steps: int = 0
    repel_weight: float = 0.0
    label_momentum: float = 0.0
    refine_labels: bool = True
    lr: float = 2e-3

    _parameter_constraints = {
        **LabelLearningClassifier._parameter_constraints,
        "output_dim": [Interval(Real, 1, None, closed="left"), StrOptions({"auto"})],
        "init": [StrOptions({"discriminant", "random"})],
        "label_update": [StrOptions({"features", "batch"})],
        "temperature": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"learned"}),
        ],
        "update_every": [Interval(Integral, 1, None, closed="left")],
        "warmup_steps": [Interval(Integral, 0, None, closed="left")],
        "repel_weight": [Interval(Real, 0, None, closed="left")],
        "label_momentum": [Interval(Real, 0, 1, closed="left")],
        "refine_labels": ["boolean"],
    }

    _stackable_params = (
        "l2",
        "label_momentum",
        "repel_weight",
        "temperature",
        "update_every",
        "warmup_steps",
    )

    @property
    def _active_terms(self):
        # Updating labels less often costs next to nothing.
        return tuple(name for name in ("l2", "repel_weight") if getattr(self, name))

    def _make_head(self, in_features, n_classes):
        dim = self.output_dim
        if dim == "auto":
            dim = TRAINED_WIDTH if self._trains_backbone else 1.0
        dim = dim if isinstance(dim, Integral) else round(dim * self._built_for)
        return AdaptiveHead(
            in_features,
            n_classes,
            int(dim),
            l2=self.l2,
            label_update=self.label_update,
            feature_decay=FEATURE_DECAY if self._trains_features else None,
            temperature=1.0 if self._finds_temperature else self.temperature,
            update_every=self.update_every,
            warmup_steps=self.warmup_steps,
            repel_weight=self.repel_weight,
            label_momentum=self.label_momentum,
        )

    @property
    def _starts_closed_form(self):
        return self.init == "discriminant"

    @property
    def _finds_temperature(self):
        return self._starts_closed_form and self.temperature == "learned"

    def _param_groups(self):
        if self.temperature != "learned" or self._starts_closed_form:
            return []
        return [("*log_temperature", {"rate": TEMPERATURE_RATE})]

    def _batch_size(self, n_samples, n_classes):
        by_class = self.label_update == "batch" or self._trains_backbone
        if self.batch_size != "auto" or by_class:
            return super()._batch_size(n_samples, n_classes)
        wanted = max(auto_schedule.MIN_BATCH, round(ROWS_PER_RATE * self.lr))
        return min(wanted, auto_schedule.largest_batch(n_samples))

    def _n_epochs(self, n_samples, n_features, batch_size):
        closed_form = self._starts_closed_form and not self._trains_features
        if self.max_epochs != "auto" or not closed_form:
            return super()._n_epochs(n_samples, n_features, batch_size)
        # With few rows for many features, more epochs mean more over-fitting.
        rows_per_feature = n_samples / n_features
        most = min(MOST_EPOCHS, rows_per_feature / ROWS_PER_FEATURE_AND_EPOCH)
        steps_per_epoch = n_batches(n_samples, batch_size)
        wanted = max(FEW_EPOCHS, -(-FEW_STEPS // steps_per_epoch))
        return max(1, min(wanted, int(most)))
