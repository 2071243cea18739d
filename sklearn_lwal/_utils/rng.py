"""Private random generators for torch modules.

torch modules draw initial weights and dropout masks from the global generators. Inside
:func:`own_stream` their operations draw from a given generator instead. This affects
the current thread only: the global generators, which other threads may use, are neither
used nor advanced.
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
    """Call ``construct()`` with the random numbers of ``torch.manual_seed(seed)``.

    Returns
    -------
    module : nn.Module
    state : uint8 tensor
        The state of the generator afterwards, to continue from.
    """
    generator = torch.Generator().manual_seed(seed)
    with own_stream(generator):
        module = construct()
    return module, generator.get_state()


def check_state(state):
    """Raise an error if this is not a valid state of a CPU generator.

    torch does not check that the index into its 624 numbers agrees with the count of
    those left, and would read out of bounds.
    """
    torch.Generator().set_state(state)
    left, _, place = struct.unpack_from("<iiQ", state.numpy().tobytes(), 8)
    if (left, place) != (1, 0) and not (1 <= left <= 624 and left + place == 625):
        raise ValueError("The state of the random generator is not a valid one.")


@contextlib.contextmanager
def own_stream(generator, device="cpu"):
    """Let operations without a generator of their own draw from this one.

    If code inside seeds the global generator, it draws from the global generator from
    then on; the state of that one is restored at the end.

    Parameters
    ----------
    generator : torch.Generator
        A generator on the CPU. It seeds one on ``device`` if that is a GPU.
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

    Compiled code can only draw from the global generators. Other threads that draw
    from them meanwhile are affected.
    """
    device = torch.device(device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(draw_seed(twin(generator)))
        yield


class _OwnStream(TorchDispatchMode):
    """Passes a generator to each random operation, chosen by its device type."""

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
    """The overload with an argument ``generator``; None if ``func`` is not random."""
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
    """A ``..._like`` operation that takes a generator, which older torch lacks."""

    def draw(x, *args, generator, **options):
        return fill(torch.empty_like(x, **options), *args, generator)

    return draw


# Random operations without an overload that takes a generator.
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
    """The type of the device on which an operation draws."""
    first = next((arg for arg in args if isinstance(arg, torch.Tensor)), None)
    device = kwargs.get("device") if first is None else first.device
    return "cpu" if device is None else torch.device(device).type


class _GlobalState:
    """State of the global generators, to detect whether code inside seeds them."""

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
        """Whether they were seeded; draws of another thread do not count."""
        if not self.seeded:
            now = torch.default_generator.get_state()
            # Seeding with the same seed as before resets the state, which is visible
            # if numbers had been drawn.
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
    """A copy of the generator, which draws the same numbers independently."""
    return torch.Generator().set_state(generator.get_state())


def random_state(seed):
    """check_random_state, but None takes fresh entropy, not NumPy's global state."""
    return np.random.RandomState() if seed is None else check_random_state(seed)


def torch_seed(seed, rng):
    """``seed`` if it is an int, else a seed drawn from ``rng``."""
    return int(seed if isinstance(seed, Integral) else rng.randint(2**31 - 1))
