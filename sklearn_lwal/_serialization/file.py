"""One file with JSON and tensors in it: the safetensors format, with a checksum.

Nothing here knows of classifiers. Reading trusts nothing that the file says of itself:
sizes are held against those of the file before memory is asked for, and whatever is
wrong with the file is a ValueError.
"""

import hashlib
import json
import os
import stat

import safetensors.torch
import torch

from .._utils.files import as_path, naming, replacing

LIBRARY = "sklearn_lwal"
FORMAT = 1
# What the safetensors format allows.
MAX_HEADER = 100_000_000
DAMAGED = "The file is damaged or was altered: save the model again, or copy it anew."


def write(path, content, tensors):
    """Write a file, whole or not at all.

    Parameters
    ----------
    path : path
        What is there already stays as it is until the new file is complete.
    content : object
        What JSON can hold; ASCII characters alone, finite numbers.
    tensors : dict of str to tensor

    Raises
    ------
    ValueError
        If the JSON is too long for the format.
    TypeError
        If ``path`` is none.
    OSError
        If the file can not be written.
    """
    # The format takes neither strides nor tensors that share memory.
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    text = json.dumps(content, allow_nan=False)
    metadata = {
        "library": LIBRARY,
        "format": str(FORMAT),
        "content": text,
        "sha256": _checksum(text, tensors),
    }
    data = safetensors.torch.save(tensors, metadata)
    if int.from_bytes(data[:8], "little") > MAX_HEADER:
        raise ValueError(
            f"What is to be written besides arrays takes more than {MAX_HEADER} bytes. "
            "Pass long lists of numbers, such as label_embeddings, as arrays."
        )
    with replacing(path) as file:
        file.write(data)


def read(path):
    """What :func:`write` was given.

    Returns
    -------
    content : object
    tensors : dict of str to tensor

    Raises
    ------
    ValueError
        If this is no such file, one of another format, or not as it was written.
    TypeError
        If ``path`` is none.
    OSError
        If the file can not be read.
    """
    path = as_path(path)
    with naming(path), open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("It is no file. Pass the path that save was given.")
        metadata = _metadata(_header(file))
        file.seek(0)
        tensors = _tensors(file.read())
    text = metadata.get("content", "")
    if metadata.get("sha256") != _checksum(text, tensors):
        raise ValueError(f"Its checksum is not that of what it holds. {DAMAGED}")
    return _parsed(text), tensors


def shown(value):
    """A few characters for a value in a message, none that controls a terminal.

    What a file holds may be long, or made to harm.
    """
    text, most = (
        (str(value), 200) if isinstance(value, Exception) else (repr(value), 80)
    )
    words = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return words if len(words) <= most else f"{words[: most - 3]}..."


def _header(file):
    """The header's bytes, no more of them than there are in the file."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, MAX_HEADER):
        raise ValueError(
            "It is too short for what its first bytes say of its length: it is no file "
            "that save wrote, or only a part of one. Save the model again, or copy it "
            "anew."
        )
    return file.read(length)


def _metadata(header):
    """The part of the header that is ours."""
    try:
        metadata = _parsed(header.decode()).get("__metadata__")
        ours = metadata["library"] == LIBRARY
    except (ValueError, TypeError, KeyError, AttributeError):
        ours = False
    if not ours:
        raise ValueError(
            "It is no file that the save method of a classifier wrote, or its first "
            "bytes are damaged: pass such a file, or copy it anew. Files of pickle and "
            "joblib are loaded by those; load them only from whom you trust."
        )
    if metadata.get("format") != str(FORMAT):
        raise ValueError(
            f"Its format is number {shown(metadata.get('format'))}, this version of "
            f"sklearn_lwal reads number {FORMAT}. Install the version that wrote it, "
            "or a later one."
        )
    return metadata


def _tensors(data):
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # Which ones, depends on the version.
        raise ValueError(f"Its tensors can not be read ({error}). {DAMAGED}") from error


def _parsed(text):
    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"It holds no valid JSON ({error}). {DAMAGED}") from error


def _checksum(text, tensors):
    """SHA-256 over the text and all that makes up the tensors."""
    found = hashlib.sha256(repr((FORMAT, text)).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        found.update(tensor.flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _open_at_once(path, flags):
    """Do not wait for whoever writes to a named pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
