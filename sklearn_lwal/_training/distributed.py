"""Distributed training: several processes share every batch (torch.distributed).

Each process passes its part of the batch through the backbone. Then the processes
gather the latents of the whole batch, and each computes the loss of all of it. So class
means, labels and loss equal those of a single process, for any head.
"""

import contextlib
from contextvars import ContextVar

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

# An initialised torch.distributed alone does not mean distributed training: a process
# may fit a separate model.
_TOGETHER = ContextVar("together", default=False)


@contextlib.contextmanager
def together(wanted):
    """Enable distributed training inside the context, if ``wanted``."""
    if wanted and not (dist.is_available() and dist.is_initialized()):
        raise ValueError(
            "distributed=True needs several processes, as torchrun starts them, and "
            "torch.distributed.init_process_group() in each of them before fit."
        )
    before = _TOGETHER.set(wanted)
    try:
        yield
    finally:
        _TOGETHER.reset(before)


def rank_and_size():
    """Rank and number of processes; (0, 1) without distributed training."""
    if _TOGETHER.get():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def of_first(value):
    """The first process's value, broadcast to all."""
    if rank_and_size()[1] == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def take_first(module):
    """Copy the first process's buffers to all, because batch statistics differ."""
    if rank_and_size()[1] > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, 0)


def shared(module, device):
    """The module wrapped so that gradients are averaged over the processes."""
    if rank_and_size()[1] == 1:
        return module
    device = torch.device(device)
    return DistributedDataParallel(
        module, device_ids=[device] if device.type == "cuda" else None
    )


def joined(part, n_rows):
    """Gather the rows of all k processes, (n_rows, ...); each has every k-th row.

    All processes compute the same loss from them, and DDP averages the gradients of
    the parameters. So the gradient of a part is the sum over all processes.
    """
    rank, size = rank_and_size()
    if size == 1:
        return part
    from torch.distributed.nn.functional import all_reduce

    whole = part.new_zeros(n_rows, *part.shape[1:])
    whole[rank::size] = part
    return all_reduce(whole)
