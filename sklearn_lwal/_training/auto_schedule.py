"""What ``batch_size="auto"`` and ``max_epochs="auto"`` are."""

from .dataset import n_batches

# Enough steps to train a model on few rows, no fewer epochs on many.
EPOCHS, STEPS = 20, 1000
# The paper's 50 rows a class, but at least this many rows in a batch and, where there
# are enough rows, this many batches in an epoch.
ROWS_PER_CLASS, MIN_BATCH, MIN_BATCHES = 50, 32, 20
# A backbone that is trained takes long for an epoch and much memory for an image.
BACKBONE_EPOCHS, BACKBONE_STEPS, BACKBONE_BATCH = 10, 300, 128


def largest_batch(n_samples, trains_backbone=False):
    """Rows of a batch at most, whatever else would have more."""
    most = max(MIN_BATCH, n_samples // MIN_BATCHES)
    return min(BACKBONE_BATCH, most) if trains_backbone else most


def batch_size(n_samples, n_classes, trains_backbone=False):
    """Rows of a training step."""
    most = largest_batch(n_samples, trains_backbone)
    return min(ROWS_PER_CLASS * n_classes, most)


def n_epochs(n_samples, batch_size, trains_backbone=False):
    """Passes over the training data."""
    epochs, steps = EPOCHS, STEPS
    if trains_backbone:
        epochs, steps = BACKBONE_EPOCHS, BACKBONE_STEPS
    return max(epochs, -(-steps // n_batches(n_samples, batch_size)))
