"""A known state of torch for the library's computations.

The default dtype and device, inference mode, autocast and disabled gradients change the
results of torch operations. Every public entry point runs inside :func:`known_state`:
its results are those of a fresh process.

Deterministic algorithms and anomaly detection are left alone: they check results and do
not change them.
"""

import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

from .compat import AUTOCAST_DEVICES

Entry = TypeVar("Entry", bound=Callable[..., Any])


@contextlib.contextmanager
def known_state():
    """Set torch to the state of a fresh process, for this thread.

    The default dtype is global: if it is not float32, other threads see float32 as
    long as any thread is inside.
    """
    with contextlib.ExitStack() as inside:
        if torch.is_inference_mode_enabled():
            inside.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            inside.enter_context(torch.enable_grad())
        for kind in AUTOCAST_DEVICES:
            if torch.is_autocast_enabled(kind):
                inside.enter_context(torch.autocast(kind, enabled=False))
        if torch.empty(0).device.type != "cpu":
            inside.enter_context(torch.device("cpu"))
        inside.enter_context(_float32)
        yield


def in_known_state(function: Entry) -> Entry:
    """Decorate a function to run inside :func:`known_state`."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        with known_state():
            return function(*args, **kwargs)

    return cast(Entry, call)


class _DefaultDtype:
    """Makes float32 the default dtype while any thread is inside."""

    def __init__(self):
        self.lock, self.n_inside, self.before = threading.Lock(), 0, torch.float32

    def __enter__(self):
        with self.lock:
            if self.n_inside == 0:
                self.before = torch.get_default_dtype()
            self.n_inside += 1
            if torch.get_default_dtype() is not torch.float32:
                torch.set_default_dtype(torch.float32)

    def __exit__(self, *_):
        with self.lock:
            self.n_inside -= 1
            if self.n_inside == 0 and self.before is not torch.float32:
                torch.set_default_dtype(self.before)


_float32 = _DefaultDtype()
