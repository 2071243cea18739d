"""Placement of names beside the points of a map, with little overlap."""

import numpy as np

# Candidate positions of a name around its dot: points away and angle, nearest first.
_OFFSETS = [
    (distance, angle)
    for distance in (6, 12, 20, 30, 42, 56)
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False)
]


def fit_limits(ax, places):
    """Set limits that show all places, at equal scales; samples may lie outside."""
    ax.figure.canvas.draw()
    box = ax.get_window_extent()
    low, high = places.min(0), places.max(0)
    width, height = 1.3 * (high - low)
    width = max(width, height * box.width / box.height) or 1.0
    reach = np.array([width, width * box.height / box.width]) / 2
    left, right = (low + high) / 2 - reach, (low + high) / 2 + reach
    ax.set_xlim(left[0], right[0])
    ax.set_ylim(left[1], right[1])


def write_names(ax, places, names, fontsize):
    """Write each name near its place, where it covers as little as possible."""
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    ax.figure.canvas.draw()
    dots = ax.transData.transform(places)
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in dots]
    points = 72 / ax.figure.dpi
    for place, dot, name in zip(places, dots, names, strict=True):
        text = ax.annotate(
            name,
            place,
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=fontsize,
            parse_math=False,
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": "0.3"},
            bbox={"boxstyle": "round,pad=0.1", "fc": "white", "alpha": 0.7, "lw": 0},
            zorder=3,
        )
        # The extent of the annotation would include its line.
        size = Text.get_window_extent(text).size
        best = None
        for distance, angle in _OFFSETS:
            away = np.array([np.cos(angle), np.sin(angle)])
            # The distance counts from the dot to the facing side of the box.
            corner = distance / points * away + size * (away - 1) / 2
            box = Bbox.from_bounds(*(dot + corner), *size)
            hidden = sum(_overlap(box, other) for other in taken)
            if best is None or hidden < best[0]:
                best = hidden, corner * points, box
            if hidden == 0:
                break
        text.set_position(best[1])
        taken.append(best[2])


def _overlap(box, other):
    """The area of the intersection of two boxes."""
    width = min(box.x1, other.x1) - max(box.x0, other.x0)
    height = min(box.y1, other.y1) - max(box.y0, other.y0)
    return max(width, 0) * max(height, 0)
