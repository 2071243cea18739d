"""Optimisation steps of many networks, each with its own learning rate."""

import copy

import torch

from ..heads import functional as F

# Options of a parameter group that are the net's, or how the step is computed.
NOT_OPTIONS = frozenset(["params", "lr", "rate", "of_backbone"])


class PerModelOptimizer:
    """Steps of the kind that a net takes, for a stack of networks.

    Those of SGD, Adam, AdamW and RMSprop are proportional to the learning rate. Where
    rates differ the optimiser makes one with a rate of 1, of which each network keeps
    its share; that of a bias that does not count is 0.

    Parameters
    ----------
    module : Network
        A stack, see :func:`~sklearn_lwal._stack.stack`.
    net : LabelNet
        With the optimiser of one of its networks.
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
        groups, self.parts_of_steps = [], []
        for group in net.optimizer_.param_groups:
            params = [stacked[names[id(p)]] for p in group["params"]]
            params = [p for p in params if p.requires_grad]
            lr = float(rates[0, 0]) * group["rate"] if one_rate else 1.0
            options = {k: v for k, v in group.items() if k not in NOT_OPTIONS}
            if "capturable" in options:
                # Counts its steps where they are taken.
                options["capturable"] = are_captured
            groups.append({"params": params, "lr": lr, **options})
            for p in params:
                share = torch.ones_like(rates) if one_rate else rates * group["rate"]
                share = share * counts if p is bias else share
                if not bool((share == 1).all()):
                    self.parts_of_steps.append((p, F.spread(share, p.ndim - 2).to(p)))
        self.optimizer = type(net.optimizer_)(groups)
        # It would warn of the first step of each shape, which is not captured.
        self.optimizer._warned_capturable_if_run_uncaptured = True
        self.params = [p for group in groups for p in group["params"]]

    def take(self, losses):
        """One step of each network down its loss, (S, K)."""
        for p in self.params:
            p.grad = None
        losses.sum().backward()
        if self.max_grad_norm is not None:
            self._clip()
        before = [p.detach().clone() for p, _ in self.parts_of_steps]
        self.optimizer.step()
        for (p, share), old in zip(self.parts_of_steps, before, strict=True):
            torch.lerp(old, p.detach(), share, out=p.detach())

    def go_on_from(self, others, kept):
        """Take the moments of those (S, K) networks that are left."""
        for mine, theirs in zip(self.params, others.params, strict=True):
            for name, value in others.optimizer.state.get(theirs, {}).items():
                of_each = torch.is_tensor(value) and value.shape == theirs.shape
                value = value[:, kept].clone() if of_each else copy.copy(value)
                self.optimizer.state[mine][name] = value

    def _clip(self):
        """As torch's ``clip_grad_norm_``, each network on its own."""
        grads = [p.grad for p in self.params if p.grad is not None]
        # One number is a dimension of its own.
        squares = [g[..., None].flatten(2).square().sum(-1) for g in grads]
        norm = sum(squares).sqrt()
        share = (self.max_grad_norm / (norm + 1e-6)).clamp_max(1.0)
        for grad in grads:
            grad.mul_(F.spread(share, grad.ndim - 2))
