"""The values of ``batch_size="auto"`` and ``max_epochs="auto"``."""

from .batches import n_batches

# Train for this many epochs, or more if these have fewer steps than this.
EPOCHS, STEPS = 20, 1000
# Batches have 50 rows for each class, as in the paper, but at least MIN_BATCH rows.
# They are smaller if an epoch would have fewer than MIN_BATCHES batches.
ROWS_PER_CLASS, MIN_BATCH, MIN_BATCHES = 50, 32, 20
# Epochs of a trained backbone are slow, and its images need much memory.
BACKBONE_EPOCHS, BACKBONE_STEPS, BACKBONE_BATCH = 10, 300, 128


def largest_batch(n_samples, trains_backbone=False):
    """The upper limit of the batch size."""
    most = max(MIN_BATCH, n_samples // MIN_BATCHES)
    return min(BACKBONE_BATCH, most) if trains_backbone else most


def batch_size(n_samples, n_classes, trains_backbone=False):
    """The number of rows in a batch."""
    most = largest_batch(n_samples, trains_backbone)
    return min(ROWS_PER_CLASS * n_classes, most)


def n_epochs(n_samples, batch_size, trains_backbone=False):
    """The number of passes over the training data."""
    epochs, steps = EPOCHS, STEPS
    if trains_backbone:
        epochs, steps = BACKBONE_EPOCHS, BACKBONE_STEPS
    return max(epochs, -(-steps // n_batches(n_samples, batch_size)))
