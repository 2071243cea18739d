"""Averages of the weights over training, which are what a model predicts with."""

import contextlib

import torch

# The weight of step i in the average of n steps falls as (i / n)^2: the average looks
# back over the last third of the steps, however many there will be.
RECENCY = 2


class WeightAverage:
    """Polynomial-decay averaging (Shamir and Zhang, 2013) of a module's tensors.

    Outside of :meth:`iterating` the module holds the averages, inside of it the
    weights that the optimiser moves.

    Parameters
    ----------
    tensors : list of tensors
        What to average, of one module.
    n_steps : int or scalar tensor, default=0
        A tensor counts on its device, where :meth:`update` is captured.
    """

    def __init__(self, tensors, n_steps=0):
        self.tensors = tensors
        self.others = [tensor.detach().clone() for tensor in tensors]
        self.n_steps = n_steps

    def narrowed(self, tensors, kept):
        """The average of those (S, K) networks that are left, in these tensors."""
        found = WeightAverage(tensors)
        found.load(([other[:, kept] for other in self.others], self.n_steps))
        return found

    @contextlib.contextmanager
    def iterating(self):
        """Bring the optimiser's weights into the module."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def update(self):
        """Count one step; only inside of :meth:`iterating`."""
        self.n_steps += 1
        share = (RECENCY + 1) / (RECENCY + self.n_steps)
        for average, tensor in zip(self.others, self.tensors, strict=True):
            average.lerp_(tensor, share)

    def others_of(self):
        """What is averaged with each tensor of the module, by its ``id``."""
        return {id(t): o for t, o in zip(self.tensors, self.others, strict=True)}

    def state(self):
        """What :meth:`load` brings back; the module keeps the other half."""
        return [tensor.clone() for tensor in self.others], self.n_steps

    def load(self, state):
        """Go back to where :meth:`state` was taken."""
        others, self.n_steps = state
        for tensor, saved in zip(self.others, others, strict=True):
            tensor.copy_(saved)

    @torch.no_grad()
    def _swap(self):
        for other, tensor in zip(self.others, self.tensors, strict=True):
            kept = tensor.detach().clone()
            tensor.copy_(other)
            other.copy_(kept)
