"""Hashes that tell whether a model, its weights or a parameter are still the same."""

import functools
import hashlib
import inspect
import marshal
from types import CodeType

import joblib
import torch
from torch import nn
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

# What every module has: its parts, which are hashed by themselves, and hooks.
MODULE_STATE = frozenset(vars(nn.Module()))


def identity_of(model):
    """A hash of all that a module's outputs depend on besides its inputs."""
    found = hashlib.blake2b(digest_size=16)
    for name, module in model.named_modules():
        own = {k: v for k, v in vars(module).items() if k not in MODULE_STATE}
        described = {key: fingerprint(value) for key, value in own.items()}
        found.update(repr((name, source_of(type(module)), described)).encode())
    return _with_weights(found, model)


def weights_of(model):
    """A hash of the parameters and buffers alone, the same in other versions."""
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
    """The source of a class or, where it cannot be read, the code of its forward."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return f"{kind.__qualname__} {marshal.dumps(kind.forward.__code__)}"


def _bare(code):
    """Code without the file and the lines that it stands in, which move."""
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
        # Not what it holds, which may be a large model, nor where that lies.
        named = value if hasattr(value, "__qualname__") else type(value)
        code = getattr(value, "__code__", None)
        code = code and marshal.dumps(_bare(code))
        return f"{named.__module__}.{named.__qualname__} {code}"
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().float().numpy()
    try:
        return joblib.hash(value)
    except Exception:  # What holds a lambda, say.
        return f"{type(value).__module__}.{type(value).__qualname__}"
