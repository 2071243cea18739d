"""Estimation of batch-norm statistics for the final weights of a model.

Running statistics decay at a constant rate. After few training steps they still reflect
earlier weights, which makes evaluation mode inaccurate.
"""

import contextlib

import torch
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def recalibrate(module, batches):
    """Re-estimate running statistics as plain averages over the batches.

    Unlike ``torch.optim.swa_utils.update_bn`` it disables dropout, as evaluation does.

    Parameters
    ----------
    module : nn.Module
        It is left in evaluation mode.
    batches : iterable of tensors
        Each must be large enough for batch statistics. They are not read if the module
        has no running statistics.
    """
    module.eval()
    with contextlib.ExitStack() as undo:
        norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
        norms = [norm for norm in norms if norm.running_mean is not None]
        for norm in norms:
            norm.reset_running_stats()
            undo.callback(setattr, norm, "momentum", norm.momentum)
            # None averages all batches equally.
            norm.momentum = None
            norm.train()
        for X in batches if norms else ():
            module(X)
    module.eval()
