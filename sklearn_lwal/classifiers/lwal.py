"""Learning with adaptive labels: the label representation is learned in training."""

from dataclasses import dataclass
from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from .._training import auto_schedule
from .._training.dataset import n_batches
from ..heads.adaptive_head import AdaptiveHead
from ._base import LabelLearningClassifier
from ._open_set import OpenSetMixin

# A head that starts in closed form needs few epochs. Rows of a batch go with the
# learning rate: small steps may be noisy, and many of them cover the same ground.
FEW_EPOCHS, FEW_STEPS, MOST_EPOCHS = 3, 100, 20
ROWS_PER_FEATURE_AND_EPOCH = 5
ROWS_PER_RATE = 128 / 1e-3
# Learning rate of a temperature that is trained, relative to that of the weights.
TEMPERATURE_RATE = 10.0
# Output dimension for each class where a backbone is trained: the early lead stays.
TRAINED_WIDTH = 10.0
# Share that the running class means of trained features keep in a step.
FEATURE_DECAY = 0.9


@dataclass(eq=False, repr=False, match_args=False, kw_only=True)
class LwALClassifier(OpenSetMixin, LabelLearningClassifier):
    """Classifier that learns its label representation while it learns to classify.

    Each class is represented by the mean of its samples in a latent space, and a
    sample belongs to the class whose representation is nearest (LwAL, [1]_).

    Parameters
    ----------
    backbone : str, nn.Module, callable or None, default=None
        None: X is a matrix of features. Else X are images, of which the backbone makes
        the features: a classification model of ``torchvision.models`` by name, without
        its last layer; a module that takes float images (n, 3, H, W) in [0, 1] and
        gives (n, d) or (n, d, h, w), whose mean over h and w is taken; or a function
        that returns one. X is then an array or tensor of shape (n, H, W), (n, H, W, C)
        or (n, C, H, W) with C of 1 or 3, uint8 or float in [0, 1], or a torch Dataset
        of such images (C, H, W) or PIL images, with or without their labels.
    backbone_weights : "DEFAULT", path or None, default="DEFAULT"
        Of a backbone by name: torchvision's own, which are downloaded at first use, a
        state dict in a file (.safetensors, or what ``torch.save`` wrote), or random
        ones, the same each time.
    image_size : int or None, default=None
        Side that images are resized to. None with weights: resized, cropped and
        normalised by the weights' own transforms. None without: images keep their size,
        but are brought to the least that the backbone takes. Vision transformers of
        torchvision take the one size they were made for, whatever is asked here.
    freeze_backbone : bool, default=True
        True: the features are computed once, in evaluation mode; then the head is
        trained on them. False: the backbone is trained, too, on a copy of its own; it
        sees each image once an epoch.
    memory : path, joblib.Memory or None, default=None
        Where the features of a frozen backbone are kept across fits, by the pixels of
        each image and the weights of the backbone: a grid search computes those of
        each image once, whatever the folds and the candidates. A folder that can not be
        read or written gives a warning.
    checkpoint_dir : path or None, default=None
        Folder of this one fit, in which a file has all that training goes on from,
        anew after each epoch: ``fit(..., resume=True)``, or ``fit`` of a new classifier
        with ``warm_start``, goes on from there when a fit was broken off or killed, and
        on a CPU ends with the very same model. A checkpoint that can not be written is
        an OSError, and the one before stays. Without effect in :meth:`partial_fit`.
    backbone_lr : float or None, default=None
        Learning rate of a backbone that is trained; None is ``lr``, but at most 1e-3.
        Like the two below without effect on a frozen one.
    recalibrate_batch_norm : bool, default=True
        Whether the batch-norm statistics of a backbone that is trained are plain
        averages over the training data: before the first step, and anew after the last
        one. Running averages, which :meth:`partial_fit` goes on with, are far off after
        few steps.
    augment : callable or None, default=None
        Changes each training image, a tensor (C, H, W) as in X on the device, before a
        backbone that is trained sees it, such as a torchvision transform. What it draws
        from torch's generators follows ``random_state``.
    channels_last : bool, default=False
        Whether weights and images of the backbone lie in memory with their channels
        last, which is often faster.
    n_workers : int, default=0
        Processes that read the images of a Dataset ahead, or rows that have no room on
        the GPU; 0 reads them in this one.
    hidden_layer_sizes : array-like of int, default=()
        Widths of the dense layers before the head, each
        Linear-ReLU-BatchNorm-Dropout. The paper's text model is ``(768,)``.
    dropout : float, default=0.1
        Share of the hidden units left out in a training step, in [0, 1).
    output_dim : int, float or "auto", default="auto"
        Dimension of the latent: an int is the dimension itself, a float a multiple
        of the number of classes, rounded (1.0 is the paper's LwAL, 10.0 its LwAL10).
        "auto" is 10.0 with a backbone that is trained, else 1.0.
    init : {"discriminant", "random"}, default="discriminant"
        Start of the head. "discriminant": where linear discriminant analysis puts it,
        in closed form from the class means and the pooled covariance of at most
        10,000 rows (2,000 for more than 4,096 features); the shrinkage of the
        covariance is the one of (0.01, 0.05, 0.2, 0.5, 0.9) with the least log-loss
        on held-out rows; before a backbone that is trained it is 0.9, and the features
        are those of at most 5,000 images. If that lowers the log-loss further, the
        logarithm of each class's share of the rows is added to its score, as in
        discriminant analysis; else, as ever with "random", the nearest label decides.
        "random": torch's own for a dense layer, uniform in ``+-1 / sqrt(n_features)``,
        as in the paper.
    label_update : {"features", "batch"}, default="features"
        What the labels follow. "features": the head of the mean features of the
        class, that is its mean latent over all training rows; with hidden layers the
        means are running ones over the batches. "batch": the class means of the
        batch's latents, as in the paper.
    temperature : "learned" or float, default="learned"
        Class scores are ``-temperature * distance``; 1.0 is the paper. "learned": with
        the discriminant start the temperature with the least log-loss on held-out
        rows, times 0.8 since training sharpens the scores, and then constant; with
        a random start a parameter that is trained from 1.0 on, at ten times ``lr``.
        Learned on training rows it is too high where these are few.
    standardize : bool, default=True
        Whether features are standardised inside, by their means and deviations over
        at most 10,000 training rows, and (without hidden layers) scaled to one length
        whatever their number; so their units do not matter, and ``lr`` means the same
        for few and many.
        Columns that are zero in more than nine of ten rows (words, categories) are
        taken to be in one unit and keep their proportions; constant columns count
        nothing. Features in float64 keep their digits where float32 would round away
        what tells rows apart, such as time stamps. In :meth:`partial_fit` the units are
        those of all rows so far: the weights are brought into new ones, and what the
        model has learned stays. The first rows decide for ``init`` and
        ``temperature``.
    average : bool, default=True
        Whether the model predicts with an average of its weights over about the last
        third of the training steps (polynomial decay, Shamir and Zhang 2013),
        which takes the place of a schedule of falling learning rates.
    update_every : int, default=1
        Steps between two label updates (the paper's k).
    warmup_steps : int, default=0
        Steps before the first label update (the paper's w).
    repel_weight : float, default=0.0
        Weight of the repel loss (the paper's lambda; its "+rpl" is 10).
    label_momentum : float, default=0.0
        Share of the old label kept in an update, in [0, 1); 0 is the paper.
    refine_labels : bool, default=True
        Whether the labels are set to the class means over the whole training set
        (Eq. 1, in evaluation mode) when training ends, and before each validation.
        False keeps those of the last batch, as in the paper.
    l2 : float, default=0.0
        Adds ``l2 * (||W||^2 + ||b||^2)`` of the head to the loss.
    max_epochs : int or "auto", default="auto"
        Passes over the training data. "auto" with the discriminant start and without
        hidden layers: 3, or more where that makes fewer than 100 steps, but at most
        20 and at most one for every five rows a feature. With a backbone that is
        trained: 10, or more where that makes fewer than 300 steps. Else 20, or more
        where that makes fewer than 1,000.
    lr : float, default=2e-3
        Learning rate, constant.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"} or class, default="adam"
        A :class:`torch.optim.Optimizer` class may be passed; its options go into
        ``net_params``, for example ``{"optimizer__momentum": 0.9}``.
    batch_size : int or "auto", default="auto"
        Rows of a training step, at most: an epoch's batches are made as even as they
        can be. "auto" is 256 for a learning rate of 2e-3 and proportional to it (small
        steps may be noisy, and many of them cover the same ground) or, with
        ``label_update="batch"``, 50 a class (the paper); but at least 32 and at most a
        twentieth of the rows. With a backbone that is trained: 50 a class, at most 128.
    early_stopping : bool, default=False
        Whether to hold out ``validation_fraction`` of the rows, to stop when neither
        the accuracy nor the loss on them has improved by ``tol`` for
        ``n_iter_no_change`` epochs, and to restore the weights and labels that were
        most accurate. Without effect in ``partial_fit``.
    validation_fraction : float, default=0.1
        Share held out for early stopping, in (0, 1), stratified.
    n_iter_no_change : int or inf, default=10
        Epochs without improvement before early stopping.
    tol : float, default=1e-4
        The least improvement that counts.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied into the sample weights. The logarithm of
        a class's relative weight is also added to its score: distances have no term
        of their own for it. Without class weights the nearest label decides, which
        treats rare and frequent classes alike; so "balanced" favours rare classes
        more than it does in other classifiers.
    warm_start : bool, default=False
        Whether :meth:`fit` goes on from the fitted model. Only ``max_epochs``, ``lr``,
        ``backbone_lr``, ``max_grad_norm``, ``class_weight``, ``callbacks``,
        ``verbose``, ``memory``, ``checkpoint_dir``, ``n_workers``, ``compile``,
        ``distributed`` and what concerns early stopping may differ from the first call.
        Where ``checkpoint_dir`` has a checkpoint, a classifier that is not fitted yet
        goes on from that.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, order of the samples, dropout and held-out
        rows. None draws fresh entropy. The global states of NumPy and torch are
        neither used nor changed.
    verbose : int, default=0
        1 shows a progress bar.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is one, else MPS, else the CPU.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" trains the dense layers and the backbone under autocast; labels and
        distances stay float32, and so does all after training.
    max_grad_norm : float or None, default=None
        Length that the gradient of a step is clipped to.
    compile : bool, default=False
        Whether training steps go through :func:`torch.compile`, which takes a while at
        first and needs a C++ compiler.
    distributed : bool, default=False
        Whether all processes of :mod:`torch.distributed` train one model: each takes
        its share of every batch, loss and labels are those of the whole batch. All
        must call the method with the same data.
    callbacks : list of skorch callbacks, default=None
        Or of pairs (name, callback). Called by the net in training, as skorch's: its X
        and Datasets are those of :meth:`fit`, its y holds indices of ``classes_``. By
        name they and their parameters are parameters of the classifier, such as
        ``callbacks__name__patience``.
    net_params : dict, default=None
        Handed to the skorch net last, for what is not named here, such as
        ``{"optimizer__weight_decay": 0.01}``.

    Attributes
    ----------
    labels_ : ndarray of shape (n_classes, output_dim)
        The learned label representations (centroids), float32. Like all that is read
        from the net, a copy of what it has at the time.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features seen in :meth:`fit`, or given by the backbone.
    backbone_ : nn.Module
        Images to features; only with a backbone. As it was trained, where it was.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, where X had string column names.
    history_ : list of dict
        One row an epoch: ``epoch``, ``train_loss``, ``train_acc`` (both over the
        epoch's steps), ``dur`` (seconds) and, with validation, ``valid_loss`` and
        ``valid_acc``; ``<name>_best`` says whether a value is the best so far. Where a
        backbone is trained these take batch-norm statistics and refined labels from
        1,000 of the training images, which is cheaper than from all. A stream of
        :meth:`partial_fit` keeps its last 100 rows.
    n_iter_ : int
        Number of epochs trained.
    temperature_ : float
        The temperature of the scores.
    net_ : skorch net
        The trained net; ``net_.module_`` is the torch module.

    See Also
    --------
    STDClassifier : The same with fixed one-hot labels.
    AdaptiveLabels : The loss alone, for a torch loop of your own.

    Notes
    -----
    The paper's LwAL is ``LwALClassifier(init="random", label_update="batch",
    temperature=1.0, standardize=False, average=False, refine_labels=False,
    output_dim=1.0, batch_size=50 * n_classes)``. With ``output_dim=10.0`` it is its
    LwAL10, with ``repel_weight=10`` as well its LwAL10+rpl.

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
        # Labels that lag cost next to nothing.
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
        # Few rows for many features: the more passes, the more it over-fits.
        rows_per_feature = n_samples / n_features
        most = min(MOST_EPOCHS, rows_per_feature / ROWS_PER_FEATURE_AND_EPOCH)
        steps_per_epoch = n_batches(n_samples, batch_size)
        wanted = max(FEW_EPOCHS, -(-FEW_STEPS // steps_per_epoch))
        return max(1, min(wanted, int(most)))
