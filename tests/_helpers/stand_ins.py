"""Stand-ins for things that the guide needs and a test cannot have.

A page that names a pretrained model or reads files begins with a comment that a reader
does not see; it calls :func:`stand_in`. From then on everything on the page runs as it
stands there, in a folder of its own and without the network.
"""

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from sklearn_lwal.features import _backbone as backbones
from sklearn_lwal.features import _torchvision as named
from sklearn_lwal.features import _transformers as transformers


class Letters:
    """Encoder of texts that counts vowels."""

    def encode(self, texts, **options):
        return np.array([[text.count(c) for c in "aeiou"] for text in texts], float)


def small_model(*_):
    """A network with all that is told of torchvision's: a norm, a last layer."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, stride=4),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 8 * 8, named.N_CLASSES),
    )


def stand_in(getfixture):
    """Small models for large ones, and a folder of photos, until the page ends.

    Parameters
    ----------
    getfixture : callable
        What pytest gives each page.

    Returns
    -------
    images : ndarray of shape (60, 8, 8)
        Digits.
    y : ndarray of shape (60,)
    """
    patch, folder = getfixture("monkeypatch"), getfixture("tmp_path")
    load = backbones.load_by_name

    def load_small(name, weights, image_size, seed, empty):
        return load(name, None, 32, seed, empty)

    patch.setattr(named, "_build", small_model)
    patch.setattr(backbones, "load_by_name", load_small)
    patch.setattr(transformers, "_sentence_transformer", lambda name: Letters())
    patch.chdir(folder)
    images, y = load_digits(return_X_y=True)
    images, y = images[:60].reshape(-1, 8, 8) / 16, y[:60]
    for i, image in enumerate(images[y < 2]):
        place = folder / "photos" / ("cat" if y[y < 2][i] else "dog")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8(255 * image)).save(place / f"{i}.png")
    return images, y
