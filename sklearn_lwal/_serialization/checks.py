"""Checks of a classifier's file: names, types, and shapes of tensors."""

from numbers import Real

import torch
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

from .file import DAMAGED, shown

# Bytes that a network may need for buffers that the file does not store: this many, or
# this many times the bytes of its stored tensors.
UNSTORED, TIMES_STORED = 2**30, 64


def wrong(what, found):
    """A ValueError for an invalid value ``found``, where ``what`` was expected."""
    return ValueError(f"The {what} can not be {shown(found)}. {DAMAGED}")


def check_fields(value, what, kinds):
    """``value``, a dict with exactly the keys of ``kinds`` and values of its types.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if not isinstance(value, dict) or value.keys() != kinds.keys():
        raise ValueError(f"The {what} does not have just {sorted(kinds)}. {DAMAGED}")
    for name, kind in kinds.items():
        found = value[name]
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            raise wrong(f"{what}'s {name!r}", found)
    return value


def check_tensors(stored, module, what, advice=DAMAGED):
    """Raise a ValueError if the tensors do not match those of the module."""
    expected = module.state_dict()
    missing = sorted(expected.keys() - stored.keys())
    surplus = sorted(stored.keys() - expected.keys())
    if missing or surplus:
        raise ValueError(
            f"Its {what} is not the one that its parameters make (missing: "
            f"{shown(missing[:3])}, surplus: {shown(surplus[:3])}). {advice}"
        )
    for name, tensor in expected.items():
        check_like(stored[name], tensor, name, advice)


def check_like(stored, expected, name, advice=DAMAGED):
    """Raise a ValueError if a tensor does not have the shape and dtype of another."""
    for value in (stored, expected):
        if not isinstance(value, torch.Tensor):
            raise wrong(f"tensor {name!r}", value)
    if isinstance(expected, UninitializedTensorMixin):
        return  # A lazy module takes any shape.
    found, needed = ((t.dtype, tuple(t.shape)) for t in (stored, expected))
    if found != needed:
        raise ValueError(
            f"Its tensor {name!r} is of {found[0]} and shape {found[1]}, but the model "
            f"needs {needed[0]} and {needed[1]}. {advice}"
        )


def check_kinds(stored, known, name):
    """Raise a ValueError if a state does not have the structure of another.

    Dicts must have the same keys and tensors the same shapes; a number may be any but
    NaN.
    """
    if isinstance(known, dict):
        check_fields(stored, name, dict.fromkeys(known, object))
        for key, value in known.items():
            check_kinds(stored[key], value, f"{name}.{key}")
    elif isinstance(known, torch.Tensor):
        check_like(stored, known, name)
    elif isinstance(known, Real):
        if not isinstance(stored, Real) or stored != stored:
            raise wrong(name, stored)
    elif stored is not known:
        raise wrong(name, stored)


def check_finite(tensors):
    """Raise a ValueError if a weight is NaN or infinite.

    This checks the library's own layers only: a backbone may hold any value.
    """
    for name, tensor in tensors.items():
        if not name.startswith("backbone.") and not tensor.isfinite().all():
            raise ValueError(
                f"Its tensor {name!r} has numbers that are not finite. {DAMAGED}"
            )


def check_unstored(module):
    """Raise a ValueError if a small file would allocate a lot of memory.

    Files do not store buffers that are recomputed, such as the identity matrix of the
    classes.
    """
    stored = module.state_dict()
    buffers = dict(module.named_buffers())
    needed = sum(buffers[name].nbytes for name in buffers.keys() - stored.keys())
    if needed > max(UNSTORED, TIMES_STORED * sum(t.nbytes for t in stored.values())):
        raise ValueError(
            f"The model needs {needed} bytes for buffers that the file does not store, "
            "which is too much for a file of this size."
        )
