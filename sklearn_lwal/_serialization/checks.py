"""What a file must hold to be a classifier: names, kinds, and shapes of tensors."""

from numbers import Real

import torch
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

from .file import DAMAGED, shown

# Bytes that a network may need beside those of its tensors in the file: so many, or so
# many times theirs.
UNSTORED, TIMES_STORED = 2**30, 64


def wrong(what, found):
    """A ValueError that says what is there in the place of something else."""
    return ValueError(f"The {what} can not be {shown(found)}. {DAMAGED}")


def check_fields(value, what, kinds):
    """``value``, a dict that has just the keys of ``kinds``, and values of its types.

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
    """Raise a ValueError where the tensors are not such as the module has."""
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
    """Raise a ValueError where a tensor is not of the shape and type of another."""
    for value in (stored, expected):
        if not isinstance(value, torch.Tensor):
            raise wrong(f"tensor {name!r}", value)
    if isinstance(expected, UninitializedTensorMixin):
        return  # It takes any.
    found, needed = ((t.dtype, tuple(t.shape)) for t in (stored, expected))
    if found != needed:
        raise ValueError(
            f"Its tensor {name!r} is of {found[0]} and shape {found[1]}, but the model "
            f"needs {needed[0]} and {needed[1]}. {advice}"
        )


def check_kinds(stored, known, name):
    """Raise a ValueError where a state is not made as another one is.

    Dicts have the same keys, tensors the same shapes, and numbers are any but NaN.
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
    """Raise a ValueError where a model would predict from what is no number.

    Only of the library's own layers: a backbone may hold anything.
    """
    for name, tensor in tensors.items():
        if not name.startswith("backbone.") and not tensor.isfinite().all():
            raise ValueError(
                f"Its tensor {name!r} has numbers that are not finite. {DAMAGED}"
            )


def check_unstored(module):
    """Raise a ValueError where a small file would ask for very much memory.

    Buffers that are made anew, an identity matrix of the classes, are in no file.
    """
    stored = module.state_dict()
    buffers = dict(module.named_buffers())
    needed = sum(buffers[name].nbytes for name in buffers.keys() - stored.keys())
    if needed > max(UNSTORED, TIMES_STORED * sum(t.nbytes for t in stored.values())):
        raise ValueError(
            f"A model of so many classes and so few weights needs {needed} bytes that "
            "are in no file of its own, which none may ask for."
        )
