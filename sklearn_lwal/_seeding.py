"""torch's global generators, borrowed and put back as they were.

torch modules draw their weights and their dropout from them and take no others. Threads
that fit at the same time wait for each other here.
"""

import contextlib
import struct
import threading

import torch

_BORROWED = threading.RLock()


def construct_seeded(seed, construct):
    """``construct()`` as after ``torch.manual_seed(seed)``, with float32 weights.

    Returns
    -------
    module : nn.Module
    state : uint8 tensor
        The state of the generator afterwards, to go on with.
    """
    generator = torch.Generator().manual_seed(seed)
    with global_stream(generator, "cpu"):
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            module = construct()
        finally:
            torch.set_default_dtype(dtype)
    return module, generator.get_state()


def check_state(state):
    """Raise an error where no generator of the CPU has such a state.

    torch itself does not look whether what is left of its 624 numbers fits the place
    of the next one, and would read beyond their end.
    """
    torch.Generator().set_state(state)
    left, _, place = struct.unpack_from("<iiQ", state.numpy().tobytes(), 8)
    if (left, place) != (1, 0) and not (1 <= left <= 624 and left + place == 625):
        raise ValueError("The state of the random generator is none that it can have.")


@contextlib.contextmanager
def global_stream(generator, device):
    """Let all that draws from the global generators draw from ``generator``.

    Parameters
    ----------
    generator : torch.Generator
        Of the CPU; it stands where the drawing has ended afterwards. A GPU's generator
        is seeded from it.
    device : torch.device

    Yields
    ------
    generator : torch.Generator
        The global one of the CPU, to draw from in the same stream.
    """
    device = torch.device(device)
    devices = [device] if device.type == "cuda" else []
    with _BORROWED, torch.random.fork_rng(devices):
        torch.default_generator.set_state(generator.get_state())
        if devices:
            torch.cuda.manual_seed(draw_seed(torch.default_generator))
        try:
            yield torch.default_generator
        finally:
            generator.set_state(torch.default_generator.get_state())


def draw_seed(generator):
    """A seed for another generator."""
    return int(torch.empty((), dtype=torch.int64).random_(generator=generator))


def twin(generator):
    """A generator that draws the same without moving the other on."""
    return torch.Generator().set_state(generator.get_state())
