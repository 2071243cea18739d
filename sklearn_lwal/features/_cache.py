"""A disk cache of image features, with the images' pixels as keys.

Each fold of a cross-validation has a different subset of the images, so features are
cached for each image, not for each array.
"""

import contextlib
import hashlib
import os
import threading
import uuid
import warnings
from pathlib import Path

import numpy as np
import torch

from .._utils.files import remove_if_old, replacing

KEY_BYTES = 16
# Each write makes two files, with these endings.
KEYS, FEATURES = ".keys.npy", ".features.npy"
# Larger files are memory-mapped. Small ones are read, as each map takes a descriptor.
MAPPED_BYTES = 64_000_000
# Fewest new images that are written.
WORTH_KEEPING = 64


class FeatureStore:
    """Features from the cache, and features computed now.

    Several processes may share a folder: each writes its own files, atomically, and
    reads the files that exist when it opens the store. A folder that fails causes a
    warning only, because features can be computed again.

    Parameters
    ----------
    folder : path
        The folder for one model; each model needs its own.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.lock = threading.Lock()
        self._forget()

    def _forget(self):
        # ``places`` locates an image's features in ``parts``, the contents of the
        # files; ``new`` holds features that are not in a file yet.
        self.names, self.parts, self.places, self.new = set(), [], {}, {}

    @contextlib.contextmanager
    def opened(self):
        """Read the files, and at the end write new features, even after an error."""
        with self.lock:
            self._read()
            try:
                yield self
            finally:
                if len(self.new) >= WORTH_KEEPING:
                    self._write()

    def _read(self):
        try:
            names = {name for name in os.listdir(self.folder) if name.endswith(KEYS)}
        except (FileNotFoundError, NotADirectoryError):
            names = set()
        except OSError as error:
            _warn_unread(self.folder, error)
            return
        if not self.names <= names:
            # Files were deleted.
            self._forget()
        for name in sorted(names - self.names):
            try:
                keys, features = _read_part(self.folder / name)
            except FileNotFoundError:
                continue  # The file was deleted meanwhile.
            except (OSError, ValueError) as error:
                _warn_unread(self.folder / name, error)
            else:
                for row, key in enumerate(keys):
                    self.places[key.tobytes()] = len(self.parts), row
                self.parts.append(features)
            self.names.add(name)

    def get(self, images, compute):
        """Features of a batch of images; only those of new images are computed.

        Parameters
        ----------
        images : (n, C, H, W) tensor
        compute : callable
            Maps images to features, an (n, d) array.
        """
        keys = [key.tobytes() for key in image_keys(images)]
        missing = [
            i
            for i, key in enumerate(keys)
            if key not in self.places and key not in self.new
        ]
        if missing:
            computed = compute(images[missing])
            self.new.update(zip([keys[i] for i in missing], computed, strict=True))
        return np.stack([self._row(key) for key in keys])

    def _row(self, key):
        if key in self.new:
            return self.new[key]
        part, row = self.places[key]
        return self.parts[part][row]

    def _write(self):
        """Write new features; if that fails they stay in memory for the next time."""
        features = np.stack([*self.new.values()])
        keys = np.frombuffer(b"".join(self.new), np.uint8).reshape(-1, KEY_BYTES)
        path = self.folder / f"{uuid.uuid4().hex}{KEYS}"
        try:
            os.makedirs(self.folder, exist_ok=True)
            self._remove_orphans()
            _save_part(path, keys, features)
        except OSError as error:
            warnings.warn(
                f"Features are not kept, and will be computed again: {error}. Set the "
                "parameter memory to a folder that can be written to.",
                stacklevel=2,
            )
        else:
            self.new = {}

    def _remove_orphans(self):
        """Remove features without keys, left by a process that was killed."""
        names = {*os.listdir(self.folder)}
        for name in names:
            keys = f"{name.removesuffix(FEATURES)}{KEYS}"
            if name.endswith(FEATURES) and keys not in names:
                remove_if_old(self.folder / name)


def _features_of(path):
    """The path of the features that belong to a file of keys."""
    return path.with_name(f"{path.name.removesuffix(KEYS)}{FEATURES}")


def _read_part(path):
    """Read the keys and the features of one write."""
    with open(path, "rb") as file:
        keys = np.lib.format.read_array(file)
    path = _features_of(path)
    if os.path.getsize(path) > MAPPED_BYTES:
        features = np.lib.format.open_memmap(path, mode="r")
    else:
        with open(path, "rb") as file:
            features = np.lib.format.read_array(file)
    found = [(part.dtype, part.ndim, len(part)) for part in (keys, features)]
    if found != [(np.uint8, 2, len(keys)), (np.float32, 2, len(keys))]:
        raise ValueError(f"{path} does not have the features of {len(keys)} images")
    return keys, features


def _save_part(path, keys, features):
    """Write both files or neither."""
    try:
        # The keys come last: their file marks the features as complete.
        for file_path, array in ((_features_of(path), features), (path, keys)):
            with replacing(file_path) as file:
                np.save(file, array)
    except BaseException:
        for file_path in (path, _features_of(path)):
            with contextlib.suppress(OSError):
                os.unlink(file_path)
        raise


def _warn_unread(path, error):
    warnings.warn(
        f"Features in {str(path)!r} can not be read, and are computed again: {error}. "
        "If this happens again, delete the file.",
        stacklevel=2,
    )


def image_keys(images):
    """A hash of each image's pixels, for any memory layout, (n, 16) uint8."""
    start = hashlib.blake2b(
        repr((tuple(images.shape[1:]), images.dtype)).encode(), digest_size=KEY_BYTES
    )
    rows = images.cpu().contiguous().view(torch.uint8).flatten(1).numpy()
    keys = []
    for row in rows:
        found = start.copy()
        found.update(row.data)
        keys.append(found.digest())
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES)
