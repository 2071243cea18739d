"""Encode Python values as JSON and tensors, and decode them without running code.

A value that JSON cannot express becomes an object with one key that begins with ``$``.
Arrays and tensors are stored separately; the JSON holds their names.
"""

import math
import os
import re
from pathlib import Path

import numpy as np
import torch

from .file import DAMAGED, shown

# Most characters of one array of strings, counted at the width of its dtype, and of all
# arrays of strings in one file.
MAX_CHARACTERS, ALL_CHARACTERS = 2**23, 2**24
# Hashing large ints is slow: a malicious file could make it take forever.
LARGEST_KEY = 2**63


class NotPlain(TypeError):
    """A value that cannot be encoded."""


def encode(value, tensors, name):
    """Encode ``value`` for JSON.

    Parameters
    ----------
    value : object
        Numbers, strings, None, NumPy's scalars and arrays, tensors, RandomStates,
        paths, torch devices, optimizers of ``torch.optim``, and lists, tuples and
        dicts of these.
    tensors : dict of str to tensor
        Arrays and tensors are added to it.
    name : str
        Prefix of their names; it is extended where a name is taken.

    Raises
    ------
    NotPlain
        If ``value`` contains anything else. The message describes that.
    """
    if isinstance(value, np.generic):
        return _encode_scalar(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, list):
        return [encode(v, tensors, f"{name}.{i}") for i, v in enumerate(value)]
    if isinstance(value, tuple):
        return {"$tuple": encode(list(value), tensors, name)}
    if isinstance(value, dict):
        return _encode_dict(value, tensors, name)
    if isinstance(value, torch.Tensor):
        return {"$tensor": _keep(value, tensors, name)}
    if isinstance(value, np.ndarray):
        return _encode_array(value, tensors, name)
    if isinstance(value, np.random.RandomState):
        return {"$random": encode(_drawn(value), tensors, name)}
    if isinstance(value, torch.device):
        return {"$device": str(value)}
    if isinstance(value, os.PathLike):
        return {"$path": os.fspath(value)}
    if isinstance(value, type) and _optimizer(value.__name__) is value:
        return {"$optimizer": value.__name__}
    raise _not_plain(value)


def _not_plain(value):
    return NotPlain(f"{shown(value)} ({type(value).__name__})")


def _keep(tensor, tensors, name):
    if tensor.layout is not torch.strided:
        raise _not_plain(tensor)
    while name in tensors:
        name += "_"
    tensors[name] = tensor
    return name


def _encode_scalar(value):
    if isinstance(value, np.str_):
        return str(value)
    if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
        raise _not_plain(value)
    item = encode(value.item(), {}, "")
    return {"$scalar": [item, value.dtype.str]}


def _encode_dict(value, tensors, name):
    if all(isinstance(k, str) and not k.startswith("$") for k in value):
        return {str(k): encode(v, tensors, f"{name}.{k}") for k, v in value.items()}
    if not all(_is_key(k) for k in value):
        raise _not_plain(value)
    pairs = [[k, v] for k, v in value.items()]
    return {"$dict": encode(pairs, tensors, name)}


def _is_key(key):
    plain = key is None or isinstance(key, (str, bool, int, float, np.generic))
    return plain and not (type(key) is int and abs(key) > LARGEST_KEY)


def _encode_array(array, tensors, name):
    kind = array.dtype.kind
    if kind in "UO":
        if array.size and array.dtype.itemsize * array.size > 4 * MAX_CHARACTERS:
            raise NotPlain(f"an array of {array.size} strings of {array.dtype}")
        items = encode(array.ravel().tolist(), tensors, name)
        return {"$items": [items, list(array.shape), array.dtype.str]}
    if kind not in "biufmM" or array.dtype.itemsize > 8:
        raise NotPlain(f"an array of dtype {array.dtype}")
    native = array.astype(array.dtype.newbyteorder("="))
    native = native.view(np.int64) if kind in "mM" else native
    kept = _keep(torch.from_numpy(native), tensors, name)
    # joblib.hash distinguishes C order from Fortran order.
    order = "F" if array.flags.fnc else "C"
    return {"$array": [kept, array.dtype.str, order]}


def _drawn(random):
    state = random.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise _not_plain(random)
    twister = state["state"]
    rest = int(twister["pos"]), int(state["has_gauss"]), float(state["gauss"])
    return [twister["key"], *rest]


def _optimizer(name):
    found = getattr(torch.optim, name, None) if isinstance(name, str) else None
    fits = isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
    return found if fits else None


def decode(value, tensors):
    """Decode a value that :func:`encode` returned.

    Each tensor in use is removed from ``tensors``, so none can appear twice.

    Raises
    ------
    ValueError
        If :func:`encode` cannot have returned this.
    """
    return _decode(value, _Parts(tensors, ALL_CHARACTERS))


class _Parts:
    """Tensors of a file that are not in use yet, and its remaining characters."""

    def __init__(self, tensors, characters):
        self.tensors, self.characters = tensors, characters

    def take(self, name):
        if not isinstance(name, str) or name not in self.tensors:
            raise ValueError(f"The tensor {shown(name)} is missing. {DAMAGED}")
        return self.tensors.pop(name)

    def spend(self, characters):
        self.characters -= characters
        if self.characters < 0:
            raise ValueError("more characters than a file may have")


def _decode(value, parts):
    if isinstance(value, list):
        return [_decode(item, parts) for item in value]
    if not isinstance(value, dict):
        return value
    tags = [key for key in value if key.startswith("$")]
    if not tags:
        return {key: _decode(item, parts) for key, item in value.items()}
    if len(value) > 1 or tags[0] not in _DECODERS:
        raise ValueError(f"It holds {shown(list(value))}, unknown here. {DAMAGED}")
    [(tag, item)] = value.items()
    try:
        return _DECODERS[tag](item, parts)
    except (TypeError, KeyError, OverflowError, RuntimeError, ValueError) as error:
        if DAMAGED in str(error):
            raise
        raise ValueError(
            f"It has no valid {tag[1:]} ({shown(error)}). {DAMAGED}"
        ) from error


def _dtype(text):
    # np.dtype accepts names, lists and much else.
    if not re.fullmatch(r"[<>|][biufmMUO]\d{0,9}(\[\d{0,9}\w{1,3}\])?", text):
        raise ValueError(f"dtype {text}")
    return np.dtype(text)


def _decode_scalar(item, parts):
    number, dtype = item
    dtype = _dtype(dtype)
    if dtype.kind not in "biuf" or isinstance(number, list):
        raise ValueError(f"dtype {dtype}")
    number = _decode(number, parts)
    # NumPy 1 would wrap a number out of range.
    if dtype.kind in "iu" and not (
        np.iinfo(dtype).min <= number <= np.iinfo(dtype).max
    ):
        raise ValueError(f"{number} as {dtype}")
    return np.array(number, dtype)[()]


def _decode_array(item, parts):
    name, dtype, order = item
    array, dtype = parts.take(name).numpy(), _dtype(dtype)
    native = dtype.newbyteorder("=")
    dates = dtype.kind in "mM"
    if array.dtype != (np.int64 if dates else native):
        raise ValueError(f"{array.dtype} instead of {dtype}")
    return (array.view(native) if dates else array).astype(dtype, order=order)


def _decode_items(item, parts):
    items, shape, dtype = item
    items, dtype = _decode(items, parts), _dtype(dtype)
    if dtype.kind == "U":
        fits = all(isinstance(text, str) for text in items)
        parts.spend(len(items) * dtype.itemsize // 4)
    else:
        fits = dtype.kind == "O"
    if not fits:
        raise ValueError(f"{len(items)} items of dtype {dtype}")
    array = np.empty(len(items), dtype)
    for i, text in enumerate(items):
        array[i] = text
    return array.reshape(shape)


def _decode_random(item, parts):
    key, position, has_gauss, gauss = _decode(item, parts)
    fits = isinstance(key, np.ndarray) and (key.dtype, key.shape) == (np.uint32, (624,))
    # NumPy does not check the position and would read out of bounds.
    fits = fits and type(position) is int and 0 <= position <= 624
    if not (fits and has_gauss in (0, 1) and isinstance(gauss, float)):
        raise ValueError("not one of MT19937")
    random = np.random.RandomState()
    random.set_state(("MT19937", key, position, has_gauss, gauss))
    return random


def _decode_dict(pairs, parts):
    pairs = [(key, value) for key, value in _decode(pairs, parts)]
    if not all(_is_key(key) for key, _ in pairs):
        raise ValueError("an invalid key")
    return dict(pairs)


def _decode_optimizer(name, _):
    if _optimizer(name) is None:
        raise ValueError(f"torch.optim has no {name!r}")
    return _optimizer(name)


def _decode_float(text, _):
    if text not in ("nan", "inf", "-inf"):
        raise ValueError(repr(text))
    return float(text)


_DECODERS = {
    "$float": _decode_float,
    "$tuple": lambda items, parts: tuple(_decode(list(items), parts)),
    "$dict": _decode_dict,
    "$tensor": lambda name, parts: parts.take(name),
    "$scalar": _decode_scalar,
    "$array": _decode_array,
    "$items": _decode_items,
    "$random": _decode_random,
    "$device": lambda name, _: torch.device(name),
    "$path": lambda path, _: Path(path),
    "$optimizer": _decode_optimizer,
}
