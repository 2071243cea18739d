"""Batch-norm statistics that belong to the weights a model has in the end.

In training the running statistics forget at a constant rate: after few steps they still
hold what the weights gave long ago, and evaluation mode suffers.
"""

import contextlib

import torch
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def recalibrate(module, batches):
    """Re-estimate running statistics as plain averages over the batches.

    As ``torch.optim.swa_utils.update_bn`` does, but with dropout switched off, which
    evaluation knows nothing of.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode afterwards.
    batches : iterable of tensors
        Each large enough to normalise by its own statistics. Not read if there is
        nothing to estimate.
    """
    module.eval()
    with contextlib.ExitStack() as undo:
        norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
        norms = [norm for norm in norms if norm.running_mean is not None]
        for norm in norms:
            norm.reset_running_stats()
            undo.callback(setattr, norm, "momentum", norm.momentum)
            # None: the plain average over all batches.
            norm.momentum = None
            norm.train()
        for X in batches if norms else ():
            module(X)
    module.eval()
