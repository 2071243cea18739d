"""From a classifier's parameters to the net that it trains."""

import numpy as np
import torch
from torch import nn

from .._training import auto_schedule
from .._training.net import LabelNet
from .._training.network import Network, hidden_layers
from .._utils import validation as check
from .._utils.errors import memory_errors
from .._utils.rng import construct_seeded
from ._parameters import FittedAttributes


def _probabilities(scores):
    """What callbacks are told of rows: the module gives scores."""
    return scores.softmax(1)


class BuildingMixin(FittedAttributes):
    """Builds ``net_``; a subclass brings the head."""

    def _make_head(self, in_features, n_classes):
        """The torch :class:`~sklearn_lwal.heads._head.Head` to train."""
        raise NotImplementedError

    def _build(self, n_samples, saved=None):
        """Build the net for so many training rows, or as a checkpoint has it."""
        # output_dim may be a multiple of the number of classes at the first fit.
        self._built_for = saved["built_for"] if saved else len(self.classes_)
        known = saved and saved["batch_size"]
        self._build_net(known or self._batch_size(n_samples, len(self.classes_)))

    def _continue_with(self, class_weights, warm):
        """Give the net what may change between two calls that train it."""
        # A model that was loaded from a file has no augment.
        self.net_.module_.augment = self.augment if self._trains_backbone else None
        if class_weights is None:
            class_weights = np.ones(len(self.classes_))
        weights = torch.from_numpy(class_weights)
        self.net_.module_.head.set_class_weights(weights, first=not warm)

    def _batch_size(self, n_samples, n_classes):
        """Rows of a mini-batch; depends on the parameters and the arguments alone."""
        if self.batch_size != "auto":
            return self.batch_size
        return auto_schedule.batch_size(n_samples, n_classes, self._trains_backbone)

    def _n_epochs(self, n_samples, n_features, batch_size):
        """Passes over the rows; depends on the parameters and the arguments alone."""
        if self.max_epochs != "auto":
            return self.max_epochs
        return auto_schedule.n_epochs(n_samples, batch_size, self._trains_backbone)

    def _hidden_sizes(self):
        return check.check_hidden_layer_sizes(self.hidden_layer_sizes)

    @property
    def _trains_features(self):
        return self._trains_backbone or len(self._hidden_sizes()) > 0

    def _make_network(self):
        sizes, width = self._hidden_sizes(), self.n_features_in_
        hidden = hidden_layers(width, sizes, self.dropout)
        head = self._make_head(sizes[-1] if sizes else width, len(self.classes_))
        backbone = self.backbone_ if self._trains_backbone else None
        return Network(hidden, head, self.precision, self.standardize, backbone)

    def _build_net(self, batch_size):
        # One stream of random numbers for the weights and then the batches: an int
        # seed gives what a bare torch loop draws after torch.manual_seed(seed).
        with memory_errors("Lower output_dim or hidden_layer_sizes"):
            module, self._generator_state = construct_seeded(
                self._seed, self._make_network
            )
        net_params = check.check_net_params(self.net_params)
        options = self._net_options(batch_size, net_params)
        with memory_errors("Lower output_dim or hidden_layer_sizes"):
            try:
                self._rates = None
                self.net_ = LabelNet(module, **options | net_params).initialize()
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                raise ValueError(
                    f"The skorch net did not take net_params={self.net_params!r}: "
                    f"{error}"
                ) from error

    def _net_options(self, batch_size, net_params):
        """Arguments of the net; takes groups of parameters out of ``net_params``."""
        device = check.resolve_device(self.device)
        options = {
            # The loss is the head's; skorch only wants a module in this place.
            "criterion": nn.Identity,
            "optimizer": check.resolve_optimizer(self.optimizer),
            "lr": self.lr,
            "batch_size": batch_size,
            "device": str(device),
            "average": self.average,
            "refine_labels": getattr(self, "refine_labels", False),
            "recalibrate_batch_norm": self.recalibrate_batch_norm,
            "max_grad_norm": self.max_grad_norm,
            "compile_step": self.compile,
            "classes": np.arange(len(self.classes_)),
            "predict_nonlinearity": _probabilities,
            "train_split": None,
            "verbose": 0,
        }
        # The first pattern that fits a parameter's name counts.
        groups = [
            *net_params.pop("optimizer__param_groups", []),
            *self._param_groups(),
            *self._backbone_groups(),
        ]
        if groups:
            options["optimizer__param_groups"] = groups
        fusable = self.optimizer in check.FUSED_OPTIMIZERS
        if fusable and device.type != "mps" and "optimizer__foreach" not in net_params:
            options["optimizer__fused"] = True
        return options

    def _param_groups(self):
        """Parameters with a rate of their own, a multiple of lr."""
        return []
