"""What a file must hold to be a classifier: names, kinds, and shapes of tensors."""

import torch
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

from ._archive import DAMAGED


def wrong(what, found):
    """A ValueError that says what is there in the place of something else."""
    words = " ".join(repr(found).split())[:80]
    return ValueError(f"The {what} can not be {words}. {DAMAGED}")


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
            f"{missing[:3]}, surplus: {surplus[:3]}). {advice}"
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
