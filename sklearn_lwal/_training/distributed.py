"""Training in several processes that share every batch (torch.distributed).

Each process passes its part of the batch through the backbone; then the latents of the
whole batch are brought together, and every process computes the loss of all of it. So
class means, labels and loss are those of one process, whatever the head.
"""

import contextlib
from contextvars import ContextVar

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

# Not wherever torch.distributed runs: one process may fit a model of its own there.
_TOGETHER = ContextVar("together", default=False)


@contextlib.contextmanager
def together(wanted):
    """Whether the processes train one model inside of this."""
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
    """The number of this process and how many there are, (0, 1) if it is alone."""
    if _TOGETHER.get():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def of_first(value):
    """A value as the first process has it."""
    if rank_and_size()[1] == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def take_first(module):
    """Buffers as the first process has them: batch statistics differ."""
    if rank_and_size()[1] > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, 0)


def shared(module, device):
    """The module, with gradients that are averaged over the processes."""
    if rank_and_size()[1] == 1:
        return module
    device = torch.device(device)
    return DistributedDataParallel(
        module, device_ids=[device] if device.type == "cuda" else None
    )


def joined(part, n_rows):
    """The rows of all processes, (n_rows, ...), of which this one has every k-th.

    All processes compute one and the same loss from them, and DDP takes the mean of
    their gradients, so a part's gradient is the sum of what all processes found.
    """
    rank, size = rank_and_size()
    if size == 1:
        return part
    from torch.distributed.nn.functional import all_reduce

    whole = part.new_zeros(n_rows, *part.shape[1:])
    whole[rank::size] = part
    return all_reduce(whole)
