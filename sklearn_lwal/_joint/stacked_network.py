"""Many networks with the same structure, stacked into one module.

Its tensors have two leading dimensions (S, K): K candidates on each of S folds. A
buffer with the same values in all networks keeps its shape.
"""

import copy

import torch
from torch import nn
from torch.nn.functional import pad


def stack(networks):
    """One module that computes all networks, each independently of the others.

    Parameters
    ----------
    networks : list of S lists of K Network
        Networks with the same structure; an object may occur more than once. Their
        output dimensions may differ: narrower latents are padded with zeros, which
        stay zeros.
    """
    whole = copy.deepcopy(networks[0][0])
    # A batch is smaller than the weights of all networks, so standardise the batch.
    whole.first_layer.folds = False
    trained = {id(buffer) for buffer in whole.trained_buffers()}
    for name, tensor in [*whole.named_parameters(), *whole.named_buffers()]:
        of_each = [[_named(net, name) for net in row] for row in networks]
        if isinstance(tensor, nn.Parameter):
            stacked = nn.Parameter(_joined(of_each), tensor.requires_grad)
        else:
            stacked = _shared(of_each, changes=id(tensor) in trained)
        _set(whole, name, stacked)
    return whole


def _joined(tensors):
    """Stack S lists of K tensors to (S, K, ...), padded with 0."""
    shapes = [tensor.shape for row in tensors for tensor in row]
    largest = [max(sizes) for sizes in zip(*shapes, strict=True)]

    def padded(tensor):
        missing = [(0, most - n) for most, n in zip(largest, tensor.shape, strict=True)]
        return pad(tensor, [n for ends in reversed(missing) for n in ends])

    return torch.stack(
        [torch.stack([padded(t.detach()) for t in row]) for row in tensors]
    )


def _shared(tensors, changes):
    """Stack a buffer of all networks; equal values share a leading dimension."""
    first = tensors[0][0]
    if changes:
        return _joined(tensors)
    if all(_same(tensor, first) for row in tensors for tensor in row):
        return first.clone()
    if all(_same(tensor, row[0]) for row in tensors for tensor in row):
        return _joined([row[:1] for row in tensors])
    return _joined(tensors)


def _same(a, b):
    return a is b or (a.shape == b.shape and torch.equal(a, b))


def _named(module, name):
    return _owner(module, name)[1]


def _owner(module, name):
    path, _, leaf = name.rpartition(".")
    owner = module.get_submodule(path)
    return owner, getattr(owner, leaf)


def _set(module, name, tensor):
    owner, _ = _owner(module, name)
    kind = owner._parameters if isinstance(tensor, nn.Parameter) else owner._buffers
    kind[name.rpartition(".")[2]] = tensor


class StackView:
    """Access to parts of a stack: one fold, some candidates, or a single network.

    Parameters
    ----------
    whole : Network
        A module that :func:`stack` returned.
    like : Network
        One of the networks in it.
    """

    def __init__(self, whole, like):
        self.whole = whole
        self.shapes = {name: t.shape for name, t in _tensors(like)}
        self.n_members = next(whole.parameters()).shape[1]

    def trained(self):
        """All tensors that training changes, (S, K, ...)."""
        return [*self.whole.parameters(), *self.whole.trained_buffers()]

    def columns(self, kept):
        """A stack of the ``kept`` candidates, in training mode."""
        parts = {}
        for name, tensor in _tensors(self.whole):
            part = tensor.detach()
            if self._is_stacked(name, tensor) and tensor.shape[1] == self.n_members:
                part = part[:, kept]
            if isinstance(tensor, nn.Parameter):
                part = nn.Parameter(part, tensor.requires_grad)
            parts[id(tensor)] = part
        return copy.deepcopy(self.whole, parts)

    def fold(self, s, dtype):
        """A stack of the networks of fold ``s``, in evaluation mode."""
        # deepcopy takes the tensors in ``parts`` and so copies none of other folds.
        parts = {}
        for name, tensor in _tensors(self.whole):
            part = tensor.detach()
            if self._is_stacked(name, tensor) and len(tensor) > 1:
                part = part[s : s + 1]
            is_parameter = isinstance(tensor, nn.Parameter)
            parts[id(tensor)] = nn.Parameter(part, False) if is_parameter else part
        return copy.deepcopy(self.whole, parts).to(dtype).eval()

    def copy_into(self, network, s, k):
        """Copy the tensors of the k-th network of fold s into ``network``."""
        for name, tensor in _tensors(self.whole):
            target = _named(network, name)
            if self._is_stacked(name, tensor):
                tensor = tensor[min(s, len(tensor) - 1)]
                tensor = tensor[min(k, len(tensor) - 1)]
            with torch.no_grad():
                target.copy_(tensor[tuple(slice(n) for n in target.shape)])

    def _is_stacked(self, name, tensor):
        return tensor.ndim == len(self.shapes[name]) + 2


def _tensors(module):
    return [*module.named_parameters(), *module.named_buffers()]
