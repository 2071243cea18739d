"""One file with JSON and tensors: the safetensors format with a checksum.

Nothing here depends on classifiers. Reading does not trust the file: sizes are compared
with that of the file before memory is allocated, and any defect of the file raises a
ValueError.
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
# Largest header that the safetensors format allows, in bytes.
MAX_HEADER = 100_000_000
DAMAGED = "The file is damaged or was altered: save the model again, or copy it anew."


def write(path, content, tensors):
    """Write a file, whole or not at all.

    Parameters
    ----------
    path : path
        An existing file stays as it is until the new one is complete.
    content : object
        Anything that JSON can hold, with finite numbers only.
    tensors : dict of str to tensor

    Raises
    ------
    ValueError
        If the JSON is too long for the format.
    TypeError
        If ``path`` is not a path.
    OSError
        If the file cannot be written.
    """
    # The format accepts neither strides nor tensors that share memory.
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
            f"The contents other than arrays take more than {MAX_HEADER} bytes. "
            "Pass long lists of numbers, such as label_embeddings, as arrays."
        )
    with replacing(path) as file:
        file.write(data)


def read(path):
    """Read the content and the tensors of a file that :func:`write` wrote.

    Returns
    -------
    content : object
    tensors : dict of str to tensor

    Raises
    ------
    ValueError
        If the file is not such a file, has another format version, or was altered.
    TypeError
        If ``path`` is not a path.
    OSError
        If the file cannot be read.
    """
    path = as_path(path)
    with naming(path), open(path, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("It is not a regular file. Pass the path given to save.")
        metadata = _metadata(_header(file))
        file.seek(0)
        tensors = _tensors(file.read())
    text = metadata.get("content")
    if metadata.get("sha256") != _checksum(text, tensors):
        raise ValueError(f"Its checksum does not match its contents. {DAMAGED}")
    return _parsed(text), tensors


def shown(value):
    """A short text for a value in a message, without control characters.

    A value from a file may be long, or malicious.
    """
    text, most = (
        (str(value), 200) if isinstance(value, Exception) else (repr(value), 80)
    )
    words = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return words if len(words) <= most else f"{words[: most - 3]}..."


def _header(file):
    """The header's bytes; its length is checked against the size of the file."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, MAX_HEADER):
        raise ValueError(
            "It is shorter than its first bytes say: it is not a file that save wrote, "
            "or only a part of one. Save the model again, or copy it anew."
        )
    return file.read(length)


def _metadata(header):
    """The entries of the header that :func:`write` made."""
    try:
        metadata = _parsed(header.decode()).get("__metadata__")
        ours = metadata["library"] == LIBRARY
    except (ValueError, TypeError, KeyError, AttributeError):
        ours = False
    if not ours:
        raise ValueError(
            "It is not a file that the save method of a classifier wrote, or its first "
            "bytes are damaged: pass such a file, or copy it anew. Load pickle and "
            "joblib files with pickle and joblib, and only from people you trust."
        )
    if metadata.get("format") != str(FORMAT):
        raise ValueError(
            f"Its format has number {shown(metadata.get('format'))}, but this version "
            f"of sklearn_lwal reads number {FORMAT}. Install the version that wrote "
            "it, or a later one."
        )
    return metadata


def _tensors(data):
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # The exception depends on the safetensors version.
        raise ValueError(f"Its tensors can not be read ({error}). {DAMAGED}") from error


def _parsed(text):
    def refuse(constant):
        raise ValueError(f"{constant} is not valid JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"It holds no valid JSON ({error}). {DAMAGED}") from error


def _checksum(text, tensors):
    """SHA-256 of the text and of the tensors' names, dtypes, shapes and values."""
    found = hashlib.sha256(repr((FORMAT, text)).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        found.update(tensor.flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()
