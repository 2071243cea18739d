"""Changes of a saved file's contents, for files that were made to deceive."""

import struct

import numpy as np
import torch


def setting(*keys, to):
    """Put something into the file, ``to`` itself or made from what is there."""

    def change(content, tensors):
        *outer, last = keys
        for key in outer:
            content = content[key]
        content[last] = to(content[last]) if callable(to) else to

    return change


def parameter(name, value):
    return setting("parameters", name, to=value)


def part(*keys, to):
    return setting("fitted", *keys, to=to)


def tensor(name, change):
    def replace(content, tensors):
        tensors[name] = change(tensors[name])

    return replace


def array(value):
    """Another array in the place of one."""
    value = np.asarray(value)

    def change(content, tensors):
        tensors["classes"] = torch.from_numpy(value)
        content["fitted"]["classes"] = {"$array": ["classes", value.dtype.str, "C"]}

    return change


def with_place(state, left, place):
    changed = bytearray(state.numpy().tobytes())
    struct.pack_into("<i", changed, 8, left)
    struct.pack_into("<Q", changed, 16, place)
    return torch.tensor(list(changed), dtype=torch.uint8)


def strings(items, dtype):
    return part("classes", to={"$items": [items, [len(items)], dtype]})


def state(*keys, to):
    return part("optimizer", *keys, to=to)


def group(name, value):
    return state("groups", 0, name, to=value)


def filled(name, value):
    return tensor(name, lambda t: torch.full_like(t, value))


def checkpoint(*keys, to):
    return setting("checkpoint", *keys, to=to)


NAN, INF = float("nan"), float("inf")
