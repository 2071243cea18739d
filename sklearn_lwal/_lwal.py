"""Learning with adaptive labels: the label representation is learned in training."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from ._base import LabelLearningClassifier
from .heads.adaptive import AdaptiveHead


class LwALClassifier(LabelLearningClassifier):
    """Classifier that learns its label representation while it learns to classify.

    Each class is represented by the mean of its samples in a latent space, and a
    sample belongs to the class whose representation is nearest (LwAL, [1]_).

    Parameters
    ----------
    backbone : None
        X is a matrix of features. Nothing else is supported yet.
    freeze_backbone : bool, default=True
        Without effect while ``backbone`` is None.
    hidden_layer_sizes : array-like of int, default=()
        Widths of the dense layers before the head, each
        Linear-ReLU-BatchNorm-Dropout. The paper's text model is ``(768,)``.
    dropout : float, default=0.1
        Share of the hidden units left out in a training step, in [0, 1).
    output_dim : int or float, default=1.0
        Dimension of the latent: an int is the dimension itself, a float a multiple
        of the number of classes, rounded (1.0 is the paper's LwAL, 10.0 its LwAL10).
    init : {"random"}, default="random"
        Start of the head: torch's own for a dense layer, uniform in
        ``+-1 / sqrt(n_features)``.
    label_update : {"batch"}, default="batch"
        Labels move to the class means of the batch, as in the paper.
    temperature : float, default=1.0
        Class scores are ``-temperature * distance``; 1.0 is the paper.
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
        Passes over the training data. "auto" is 20, or more where that makes
        fewer than 1,000 steps.
    lr : float, default=3e-3
        Learning rate.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"} or class, default="adam"
        A :class:`torch.optim.Optimizer` class may be passed; its options go into
        ``net_params``, for example ``{"optimizer__momentum": 0.9}``.
    batch_size : int or "auto", default="auto"
        Rows of a training step, at most: an epoch's batches are made as even as they
        can be. "auto" is 50 a class (the paper), but at least 32 and at most a
        twentieth of the rows.
    early_stopping : bool, default=False
        Whether to hold out ``validation_fraction`` of the rows, to stop when neither
        the accuracy nor the loss on them has improved by ``tol`` for
        ``n_iter_no_change`` epochs, and to restore the weights and labels that were
        most accurate. Without effect in ``partial_fit``.
    validation_fraction : float, default=0.1
        Share held out for early stopping, in (0, 1), stratified.
    n_iter_no_change : int, default=10
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
        Whether :meth:`fit` goes on from the fitted model. Only ``max_epochs``,
        ``lr``, ``class_weight``, ``callbacks``, ``verbose`` and what concerns early
        stopping may differ from the first call.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, order of the samples, dropout and held-out
        rows. None draws fresh entropy. The global states of NumPy and torch are
        neither used nor changed.
    verbose : int, default=0
        1 shows a progress bar.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is one, else MPS, else the CPU.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" trains the dense layers under autocast; labels and distances
        stay float32.
    callbacks : list of skorch callbacks, default=None
        Called by the net in training.
    net_params : dict, default=None
        Handed to the skorch net last, for what is not named here, such as
        ``{"optimizer__weight_decay": 0.01}``.

    Attributes
    ----------
    labels_ : ndarray of shape (n_classes, output_dim)
        The learned label representations (centroids), float32.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features seen in :meth:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had string column names.
    history_ : list of dict
        One row an epoch: ``epoch``, ``train_loss``, ``train_acc`` (both over the
        epoch's steps), ``dur`` (seconds) and, with validation, ``valid_loss`` and
        ``valid_acc``; ``<name>_best`` says whether a value is the best so far.
    n_iter_ : int
        Number of epochs trained.
    net_ : skorch net
        The trained net; ``net_.module_`` is the torch module.

    See Also
    --------
    STDClassifier : The same with fixed one-hot labels.
    AdaptiveLabels : The loss alone, for a torch loop of your own.

    Notes
    -----
    The paper's configurations: LwAL is ``LwALClassifier(output_dim=1.0)``, LwAL10
    ``LwALClassifier(output_dim=10.0)``, LwAL10+rpl ``LwALClassifier(output_dim=10.0,
    repel_weight=10)``, each with ``refine_labels=False`` and
    ``batch_size=50 * n_classes``.

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

    _parameter_constraints = {
        **LabelLearningClassifier._parameter_constraints,
        "output_dim": [Interval(Real, 1, None, closed="left")],
        "init": [StrOptions({"random"})],
        "label_update": [StrOptions({"batch"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "update_every": [Interval(Integral, 1, None, closed="left")],
        "warmup_steps": [Interval(Integral, 0, None, closed="left")],
        "repel_weight": [Interval(Real, 0, None, closed="left")],
        "label_momentum": [Interval(Real, 0, 1, closed="left")],
        "refine_labels": ["boolean"],
    }

    def __init__(
        self,
        backbone=None,
        *,
        freeze_backbone=True,
        hidden_layer_sizes=(),
        dropout=0.1,
        output_dim=1.0,
        init="random",
        label_update="batch",
        temperature=1.0,
        update_every=1,
        warmup_steps=0,
        repel_weight=0.0,
        label_momentum=0.0,
        refine_labels=True,
        l2=0.0,
        max_epochs="auto",
        lr=3e-3,
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
        self.output_dim = output_dim
        self.init = init
        self.label_update = label_update
        self.temperature = temperature
        self.update_every = update_every
        self.warmup_steps = warmup_steps
        self.repel_weight = repel_weight
        self.label_momentum = label_momentum
        self.refine_labels = refine_labels
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
        dim = self.output_dim
        dim = dim if isinstance(dim, Integral) else round(dim * n_classes)
        return AdaptiveHead(
            in_features,
            n_classes,
            int(dim),
            l2=self.l2,
            temperature=self.temperature,
            update_every=self.update_every,
            warmup_steps=self.warmup_steps,
            repel_weight=self.repel_weight,
            label_momentum=self.label_momentum,
        )
