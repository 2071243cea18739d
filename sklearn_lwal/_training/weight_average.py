"""Averages of the weights over training; models predict with them."""

import contextlib

import torch

# Step i has a weight proportional to (i / n)^2 in the average of n steps. So the
# average covers about the last third of the steps, and n need not be known.
RECENCY = 2


class WeightAverage:
    """Polynomial-decay averaging (Shamir and Zhang, 2013) of a module's tensors.

    The module holds the averages outside :meth:`iterating` and the optimiser's weights
    inside it.

    Parameters
    ----------
    tensors : list of tensors
        The tensors of a module to average.
    n_steps : int or scalar tensor, default=0
        The step counter. A tensor counts on its device, as CUDA graphs require.
    """

    def __init__(self, tensors, n_steps=0):
        self.tensors = tensors
        self.others = [tensor.detach().clone() for tensor in tensors]
        self.n_steps = n_steps

    def narrowed(self, tensors, kept):
        """The average for the ``kept`` of K stacked networks, over ``tensors``."""
        found = WeightAverage(tensors)
        found.load(([other[:, kept] for other in self.others], self.n_steps))
        return found

    @contextlib.contextmanager
    def iterating(self):
        """Swap the optimiser's weights into the module inside the context."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def update(self):
        """Add one step to the average; call it inside :meth:`iterating`."""
        self.n_steps += 1
        share = (RECENCY + 1) / (RECENCY + self.n_steps)
        for average, tensor in zip(self.others, self.tensors, strict=True):
            average.lerp_(tensor, share)

    def others_of(self):
        """The counterpart of each tensor of the module, by the ``id`` of that."""
        return {id(t): o for t, o in zip(self.tensors, self.others, strict=True)}

    def state(self):
        """The state for :meth:`load`, without the tensors that the module holds."""
        return [tensor.clone() for tensor in self.others], self.n_steps

    def load(self, state):
        """Restore a result of :meth:`state`."""
        others, self.n_steps = state
        for tensor, saved in zip(self.others, others, strict=True):
            tensor.copy_(saved)

    @torch.no_grad()
    def _swap(self):
        for other, tensor in zip(self.others, self.tensors, strict=True):
            kept = tensor.detach().clone()
            tensor.copy_(other)
            other.copy_(kept)
