"""Many networks of one kind in one module.

Its tensors have two leading dimensions (S, K): K candidates on each of S folds. What
is the same in all networks keeps its shape.
"""

import copy

import torch
from torch import nn
from torch.nn.functional import pad


def stack(networks):
    """One module that computes what these do, each on its own.

    Parameters
    ----------
    networks : list of S lists of K Network
        Of one kind. One object may stand in several places. Widths of latents may
        differ: the narrower ones get dimensions that are and stay 0.
    """
    whole = copy.deepcopy(networks[0][0])
    # Rows are fewer than the weights of all networks: they are what is standardised.
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
    """One tensor (S, K, ...) of tensors in S lists of K, padded with 0."""
    shapes = [tensor.shape for row in tensors for tensor in row]
    largest = [max(sizes) for sizes in zip(*shapes, strict=True)]

    def padded(tensor):
        missing = [(0, most - n) for most, n in zip(largest, tensor.shape, strict=True)]
        return pad(tensor, [n for ends in reversed(missing) for n in ends])

    return torch.stack(
        [torch.stack([padded(t.detach()) for t in row]) for row in tensors]
    )


def _shared(tensors, changes):
    """A buffer of all networks with as few leading dimensions as it takes."""
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
    """The networks of one fold, or one of them, out of a stack.

    Parameters
    ----------
    whole : Network
        As :func:`stack` made it.
    like : Network
        One of those that it was made of.
    """

    def __init__(self, whole, like):
        self.whole = whole
        self.shapes = {name: t.shape for name, t in _tensors(like)}
        self.n_members = next(whole.parameters()).shape[1]

    def trained(self):
        """All tensors that training changes, (S, K, ...)."""
        return [*self.whole.parameters(), *self.whole.trained_buffers()]

    def columns(self, kept):
        """A stack of these candidates alone, in training mode."""
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
        """A stack of the fold's networks in evaluation mode."""
        # Copied are only those of the fold.
        parts = {}
        for name, tensor in _tensors(self.whole):
            part = tensor.detach()
            if self._is_stacked(name, tensor) and len(tensor) > 1:
                part = part[s : s + 1]
            is_parameter = isinstance(tensor, nn.Parameter)
            parts[id(tensor)] = nn.Parameter(part, False) if is_parameter else part
        return copy.deepcopy(self.whole, parts).to(dtype).eval()

    def copy_into(self, network, s, k):
        """Give a network, like the k-th of fold s, the tensors of that."""
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
