"""Optimisation steps of stacked networks, each with its own learning rate."""

import copy

import torch

from ..heads import functional as F

# Entries of a net's parameter group that are not options of the torch optimiser.
NOT_OPTIONS = frozenset(["params", "lr", "rate", "of_backbone"])


class PerModelOptimizer:
    """The optimiser of a net, applied to a stack of networks.

    Steps of SGD, Adam, AdamW and RMSprop are proportional to the learning rate. If the
    rates differ, the optimiser steps with a rate of 1, and each network keeps the
    share of the step that is its rate. The share of an untrained bias is 0.

    Parameters
    ----------
    module : Network
        A stack; see :func:`~sklearn_lwal._joint.stacked_network.stack`.
    net : LabelNet
        Net of one of the stacked networks, with its optimiser.
    rates : tensor of shape (S, K)
        Learning rates.
    are_captured : bool, default=False
        Whether the steps may be captured in CUDA graphs.
    """

    def __init__(self, module, net, rates, are_captured=False):
        self.max_grad_norm = net.max_grad_norm
        bias = module.head.linear.bias
        counts = torch.as_tensor(module.head.bias_counts).to(rates)
        names = {id(p): name for name, p in net.module_.named_parameters()}
        stacked = dict(module.named_parameters())
        one_rate = bool((rates == rates[0, 0]).all())
        groups, self.step_shares = [], []
        for group in net.optimizer_.param_groups:
            params = [stacked[names[id(p)]] for p in group["params"]]
            params = [p for p in params if p.requires_grad]
            lr = float(rates[0, 0]) * group["rate"] if one_rate else 1.0
            options = {k: v for k, v in group.items() if k not in NOT_OPTIONS}
            if "capturable" in options:
                # The optimiser then counts its steps on the device.
                options["capturable"] = are_captured
            groups.append({"params": params, "lr": lr, **options})
            for p in params:
                share = torch.ones_like(rates) if one_rate else rates * group["rate"]
                share = share * counts if p is bias else share
                if not bool((share == 1).all()):
                    self.step_shares.append((p, F.spread(share, p.ndim - 2).to(p)))
        self.optimizer = type(net.optimizer_)(groups)
        # The first step of each shape runs without capture; suppress the warning.
        self.optimizer._warned_capturable_if_run_uncaptured = True
        self.params = [p for group in groups for p in group["params"]]

    def take(self, losses):
        """Take one step in each network; ``losses`` is (S, K)."""
        for p in self.params:
            p.grad = None
        losses.sum().backward()
        if self.max_grad_norm is not None:
            self._clip()
        before = [p.detach().clone() for p, _ in self.step_shares]
        self.optimizer.step()
        for (p, share), old in zip(self.step_shares, before, strict=True):
            torch.lerp(old, p.detach(), share, out=p.detach())

    def go_on_from(self, others, kept):
        """Copy another optimiser's state for the ``kept`` of its K networks."""
        for mine, theirs in zip(self.params, others.params, strict=True):
            for name, value in others.optimizer.state.get(theirs, {}).items():
                of_each = torch.is_tensor(value) and value.shape == theirs.shape
                value = value[:, kept].clone() if of_each else copy.copy(value)
                self.optimizer.state[mine][name] = value

    def _clip(self):
        """Clip gradients as torch's ``clip_grad_norm_`` does, for each network."""
        grads = [p.grad for p in self.params if p.grad is not None]
        # A scalar parameter is (S, K) here and gets a dimension to sum over.
        squares = [g[..., None].flatten(2).square().sum(-1) for g in grads]
        norm = sum(squares).sqrt()
        share = (self.max_grad_norm / (norm + 1e-6)).clamp_max(1.0)
        for grad in grads:
            grad.mul_(F.spread(share, grad.ndim - 2))
