"""All code that depends on the version of scikit-learn, skorch or torch."""

import inspect

import torch
from sklearn.utils.validation import _check_sample_weight

# torch.OutOfMemoryError was added in 2.5; the CUDA name exists in all versions.
OutOfMemoryError = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)

# Earlier ONNX exporters fail with current releases of onnxscript.
EXPORTS_ONNX = torch.__version__ >= "2.8"  # compared as versions


def _knows_autocast(device_type):
    try:
        torch.is_autocast_enabled(device_type)
    except RuntimeError:  # "mps" before torch 2.5.
        return False
    return True


AUTOCAST_DEVICES = tuple(filter(_knows_autocast, ("cpu", "cuda", "mps")))

# scikit-learn 1.8 renamed this parameter.
_NON_NEGATIVE = next(
    name
    for name in ("ensure_non_negative", "only_non_negative")
    if name in inspect.signature(_check_sample_weight).parameters
)


def check_sample_weight(sample_weight, X, dtype):
    """Non-negative sample weights as a (n_samples,) array of ``dtype``."""
    return _check_sample_weight(sample_weight, X, dtype=dtype, **{_NON_NEGATIVE: True})
