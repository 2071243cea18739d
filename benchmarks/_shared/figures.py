"""Pictures for the pages, as small files."""

from io import BytesIO

import matplotlib.pyplot as plt
from PIL import Image


def save(figure, path, n_colours=64):
    """Write a PNG; few colours make it a third of the size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = BytesIO()
    figure.savefig(canvas, dpi=100)
    plt.close(figure)
    image = Image.open(canvas).convert("RGB").quantize(n_colours)
    image.save(path, optimize=True)
