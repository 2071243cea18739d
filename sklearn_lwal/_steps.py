"""Optimisation steps of many networks, each with its own learning rate."""

import copy

import torch

# Options of a parameter group that are the net's, or how the step is computed.
NOT_OPTIONS = frozenset(["params", "lr", "rate", "of_backbone"])


class Steps:
    """Steps of the kind that a net takes, for a stack of networks.

    Those of SGD, Adam, AdamW and RMSprop are proportional to the learning rate. Where
    rates differ the optimiser makes one with a rate of 1, of which each network keeps
    its share.

    Parameters
    ----------
    module : Network
        A stack, see :func:`~sklearn_lwal._stack.stack`.
    net : LabelNet
        With the optimiser of one of its networks.
    rates : tensor of shape (S, K)
        Learning rates.
    """

    def __init__(self, module, net, rates):
        self.max_grad_norm = net.max_grad_norm
        head = module.head
        counts = torch.as_tensor(head.bias_counts).to(rates.device)
        every_bias = bool(counts.all()) or not head.linear.bias.requires_grad
        self.shared = every_bias and bool((rates == rates[0, 0]).all())
        rates = rates.to(net.device)
        of_bias = rates * counts.to(rates)
        names = {id(p): name for name, p in net.module_.named_parameters()}
        stacked = dict(module.named_parameters())
        groups, self.shares = [], []
        for group in net.optimizer_.param_groups:
            params = [stacked[names[id(p)]] for p in group["params"]]
            params = [p for p in params if p.requires_grad]
            lr = float(rates[0, 0]) * group["rate"] if self.shared else 1.0
            options = {k: v for k, v in group.items() if k not in NOT_OPTIONS}
            groups.append({"params": params, "lr": lr, **options})
            for p in params:
                share = of_bias if p is head.linear.bias else rates
                share = share[(..., *(None,) * (p.ndim - 2))] * group["rate"]
                self.shares.append(share.to(p))
        self.optimizer = type(net.optimizer_)(groups)
        self.params = [p for group in groups for p in group["params"]]

    def take(self, losses):
        """One step of each network down its loss, (S, K)."""
        for p in self.params:
            p.grad = None
        losses.sum().backward()
        if self.max_grad_norm is not None:
            self._clip()
        if self.shared:
            self.optimizer.step()
            return
        before = [p.detach().clone() for p in self.params]
        self.optimizer.step()
        for p, old, share in zip(self.params, before, self.shares, strict=True):
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
            grad.mul_(share[(..., *(None,) * (grad.ndim - 2))])
