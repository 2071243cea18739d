"""Random numbers of torch's modules from a generator of one's own.

torch modules draw their weights and their dropout without asking for a generator.
Inside of :func:`own_stream` their operations are given one. It reaches this thread
alone: the global generators, which other threads may draw from, are neither used nor
moved.
"""

import contextlib
import functools
import struct
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch.utils._python_dispatch import TorchDispatchMode


def construct_seeded(seed, construct):
    """``construct()`` as after ``torch.manual_seed(seed)``.

    Returns
    -------
    module : nn.Module
    state : uint8 tensor
        The state of the generator afterwards, to go on with.
    """
    generator = torch.Generator().manual_seed(seed)
    with own_stream(generator):
        module = construct()
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
def own_stream(generator, device="cpu"):
    """Let all that draws without a generator draw from this one.

    Code that seeds the global generator inside draws from that from then on, as it
    asks for; afterwards the global one stands where it stood.

    Parameters
    ----------
    generator : torch.Generator
        One on the CPU. It seeds a generator of its own on another device.
    device : torch.device
    """
    generators, device = {"cpu": generator}, torch.device(device)
    if device.type in ("cuda", "mps"):
        seed = draw_seed(generator)
        generators[device.type] = torch.Generator(device).manual_seed(seed)
    outside = _GlobalState(device)
    try:
        with _OwnStream(generators, outside):
            yield
    finally:
        outside.restore_if_seeded()


@contextlib.contextmanager
def global_stream(generator, device="cpu"):
    """Seed the global generators from this one, and restore them afterwards.

    Compiled code draws from no others. Threads that draw meanwhile see them seeded.
    """
    device = torch.device(device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(draw_seed(twin(generator)))
        yield


class _OwnStream(TorchDispatchMode):
    """Gives generators to the operations that draw, by the type of their device."""

    def __init__(self, generators, outside):
        super().__init__()
        self.generators, self.outside = generators, outside

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        draw = _drawing(func)
        if draw is None or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        generator = self.generators.get(_device_type(args, kwargs))
        if generator is None or self.outside.is_seeded():
            return func(*args, **kwargs)
        return draw(*args, **kwargs | {"generator": generator})


@functools.cache
def _drawing(func):
    """The operation with an argument ``generator``; None if it does not draw."""
    names = _arguments(func)
    if "generator" in names:
        return func
    if torch.Tag.nondeterministic_seeded not in func.tags:
        return None
    packet = func.overloadpacket
    for other in (getattr(packet, name) for name in packet.overloads()):
        if _arguments(other) - {"generator"} == names != _arguments(other):
            return other
    return _WITHOUT_OVERLOAD.get(func)


def _arguments(func):
    return {argument.name for argument in func._schema.arguments}


def _dropout(x, p, train, generator):
    keep = torch.empty_like(x).bernoulli_(1 - p if train else 1.0, generator=generator)
    scale = 1 / (1 - p) if train and p < 1 else 1.0
    return x * keep * scale, keep.bool()


def _filled_like(fill):
    """An operation ``..._like``, which had no overload with a generator before."""

    def draw(x, *args, generator, **options):
        return fill(torch.empty_like(x, **options), *args, generator)

    return draw


# Operations that draw and have no overload that takes a generator.
_WITHOUT_OVERLOAD = {
    torch.ops.aten.native_dropout.default: _dropout,
    torch.ops.aten.rand_like.default: _filled_like(
        lambda x, generator: x.uniform_(generator=generator)
    ),
    torch.ops.aten.randn_like.default: _filled_like(
        lambda x, generator: x.normal_(generator=generator)
    ),
    torch.ops.aten.randint_like.default: _filled_like(
        lambda x, high, generator: x.random_(0, high, generator=generator)
    ),
    torch.ops.aten.randint_like.low_dtype: _filled_like(
        lambda x, low, high, generator: x.random_(low, high, generator=generator)
    ),
}


def _device_type(args, kwargs):
    """Where an operation draws."""
    first = next((arg for arg in args if isinstance(arg, torch.Tensor)), None)
    device = kwargs.get("device") if first is None else first.device
    return "cpu" if device is None else torch.device(device).type


class _GlobalState:
    """The global generators as they were, to tell whether somebody has seeded them."""

    def __init__(self, device):
        self.state, self.seed = (
            torch.default_generator.get_state(),
            torch.initial_seed(),
        )
        self.fresh = torch.Generator().manual_seed(self.seed).get_state()
        on_gpu = device.type == "cuda" and torch.cuda.is_initialized()
        self.device = device if on_gpu else None
        self.state_on_gpu = torch.cuda.get_rng_state(device) if on_gpu else None
        self.seeded = False

    def is_seeded(self):
        """Whether somebody has; that another thread draws does not count."""
        if not self.seeded:
            now = torch.default_generator.get_state()
            # The same seed as before shows where numbers had been drawn since.
            again = torch.equal(now, self.fresh) and not torch.equal(now, self.state)
            self.seeded = again or torch.initial_seed() != self.seed
        return self.seeded

    def restore_if_seeded(self):
        if self.is_seeded():
            torch.default_generator.set_state(self.state)
            if self.device is not None:
                torch.cuda.set_rng_state(self.state_on_gpu, self.device)


def draw_seed(generator):
    """A seed for another generator."""
    return int(torch.empty((), dtype=torch.int64).random_(generator=generator))


def twin(generator):
    """A generator that draws the same without moving the other on."""
    return torch.Generator().set_state(generator.get_state())


def random_state(seed):
    """As check_random_state, but None draws fresh entropy, not NumPy's global state."""
    return np.random.RandomState() if seed is None else check_random_state(seed)


def torch_seed(seed, rng):
    """An int ``seed`` itself, else one drawn from ``rng``."""
    return int(seed if isinstance(seed, Integral) else rng.randint(2**31 - 1))
