"""Hashes that detect changes of a model, its weights or a parameter."""

import functools
import hashlib
import inspect
import marshal
from types import CodeType

import joblib
import torch
from torch import nn
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

# Attributes of every module: hooks, and the parts, which are hashed separately.
MODULE_STATE = frozenset(vars(nn.Module()))


def identity_of(model):
    """A hash of everything that determines a module's outputs besides its inputs."""
    found = hashlib.blake2b(digest_size=16)
    for name, module in model.named_modules():
        own = {k: v for k, v in vars(module).items() if k not in MODULE_STATE}
        described = {key: fingerprint(value) for key, value in own.items()}
        found.update(repr((name, source_of(type(module)), described)).encode())
    return _with_weights(found, model)


def weights_of(model):
    """A hash of the parameters and buffers only; it does not depend on the code."""
    return _with_weights(hashlib.blake2b(digest_size=16), model)


def _with_weights(found, model):
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if isinstance(tensor, UninitializedTensorMixin):
            found.update(f"{name} is not there yet".encode())
            continue
        found.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        values = tensor.detach().cpu().contiguous().flatten()
        found.update(values.view(torch.uint8).numpy().data)
    return found.hexdigest()


@functools.cache
def source_of(kind):
    """The source of a class or, if unavailable, the bytecode of its forward."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return f"{kind.__qualname__} {marshal.dumps(kind.forward.__code__)}"


def _bare(code):
    """The code object without file name and line numbers, which may change."""
    constants = (_bare(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(
        co_filename="",
        co_firstlineno=1,
        co_linetable=b"",
        co_consts=tuple(constants),
    )


def fingerprint(value):
    """A hash of a value, the same in other processes."""
    if isinstance(value, nn.Module):
        return identity_of(value)
    if isinstance(value, functools.partial):
        return repr([fingerprint(x) for x in (value.func, value.args, value.keywords)])
    if callable(value):
        # The hash omits what the callable holds, which may be a large model, and its
        # address.
        named = value if hasattr(value, "__qualname__") else type(value)
        code = getattr(value, "__code__", None)
        code = code and marshal.dumps(_bare(code))
        return f"{named.__module__}.{named.__qualname__} {code}"
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().float().numpy()
    try:
        return joblib.hash(value)
    except Exception:  # Objects that joblib cannot pickle, such as lambdas.
        return f"{type(value).__module__}.{type(value).__qualname__}"
