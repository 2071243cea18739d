"""From a classifier's parameters to the net that it trains."""

from functools import partial

import numpy as np
import torch
from torch import nn

from .._training.net import LabelNet
from .._training.network import Network, hidden_layers
from .._utils import validation as check
from .._utils.errors import memory_errors
from .._utils.rng import construct_seeded


def _probabilities(scores):
    """Class probabilities, which skorch callbacks expect; the module gives scores."""
    return scores.softmax(1)


def build_for_fit(clf, n_samples, saved=None):
    """Build the net for so many training rows, or as a checkpoint has it."""
    # output_dim may be a multiple of the number of classes at the first fit.
    clf._built_for = saved["built_for"] if saved else len(clf.classes_)
    known = saved and saved["batch_size"]
    build_net(clf, known or clf._batch_size(n_samples, len(clf.classes_)))


def continue_with(clf, class_weights, warm):
    """Give the net what may change between two calls that train it."""
    # A model that was loaded from a file has no augment.
    augment = clf._of_backbone("augment")
    clf.net_.module_.augment = augment if clf._trains_backbone else None
    if class_weights is None:
        class_weights = np.ones(len(clf.classes_))
    weights = torch.from_numpy(class_weights)
    clf.net_.module_.head.set_class_weights(weights, first=not warm)


def make_network(clf):
    """The hidden layers and the head that the parameters ask for, not trained."""
    sizes, width = clf._hidden_sizes(), clf.n_features_in_
    hidden = hidden_layers(width, sizes, clf.dropout)
    head = clf._make_head(sizes[-1] if sizes else width, len(clf.classes_))
    backbone = clf.backbone_ if clf._trains_backbone else None
    return Network(hidden, head, clf.precision, clf.standardize, backbone)


def build_net(clf, batch_size):
    """Let the classifier have a net with new weights."""
    # One stream of random numbers for the weights and then the batches: an int
    # seed gives what a bare torch loop draws after torch.manual_seed(seed).
    with memory_errors("Lower output_dim or hidden_layer_sizes"):
        module, clf._generator_state = construct_seeded(
            clf._seed, partial(make_network, clf)
        )
    net_params = check.check_net_params(clf.net_params)
    options = _net_options(clf, batch_size, net_params)
    with memory_errors("Lower output_dim or hidden_layer_sizes"):
        try:
            clf._rates = None
            clf.net_ = LabelNet(module, **options | net_params).initialize()
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise ValueError(
                f"The skorch net did not take net_params={clf.net_params!r}: {error}"
            ) from error


def _net_options(clf, batch_size, net_params):
    """Arguments of the net; takes groups of parameters out of ``net_params``."""
    device = check.resolve_device(clf.device)
    options = {
        # The loss is the head's; skorch only wants a module in this place.
        "criterion": nn.Identity,
        "optimizer": check.resolve_optimizer(clf.optimizer),
        "lr": clf.lr,
        "batch_size": batch_size,
        "device": str(device),
        "average": clf.average,
        "refine_labels": getattr(clf, "refine_labels", False),
        "recalibrate_batch_norm": clf._of_backbone("recalibrate_batch_norm", False),
        "max_grad_norm": clf.max_grad_norm,
        "compile_step": clf.compile,
        "classes": np.arange(len(clf.classes_)),
        "predict_nonlinearity": _probabilities,
        "train_split": None,
        "verbose": 0,
    }
    # The first pattern that fits a parameter's name counts.
    groups = [
        *net_params.pop("optimizer__param_groups", []),
        *clf._param_groups(),
        *clf._backbone_groups(),
    ]
    if groups:
        options["optimizer__param_groups"] = groups
    fusable = clf.optimizer in check.FUSED_OPTIMIZERS
    if fusable and device.type != "mps" and "optimizer__foreach" not in net_params:
        options["optimizer__fused"] = True
    return options
