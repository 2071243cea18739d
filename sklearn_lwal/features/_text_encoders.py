"""Options and outputs of text encoders, which may be objects of the user."""

import contextlib

import numpy as np
import torch


@contextlib.contextmanager
def cut_off(model, max_length):
    """Let the encoder truncate texts to ``max_length`` tokens inside the context."""
    if max_length is None:
        yield model
        return
    tokenizer = getattr(model, "tokenizer", None)
    most = getattr(tokenizer, "model_max_length", max_length)
    if max_length > most:
        raise ValueError(
            f"The 'max_length' parameter is {max_length}, but the model takes {most} "
            "tokens."
        )
    if not hasattr(model, "max_seq_length"):
        raise ValueError(
            f"The 'max_length' parameter is {max_length}, but {type(model).__name__} "
            "has no max_seq_length to set. Pass None to leave it to the model."
        )
    before, model.max_seq_length = model.max_seq_length, max_length
    try:
        yield model
    finally:
        model.max_seq_length = before


def as_vectors(encoded, n_texts):
    """The output of an encoder, which may be tensors, as an (n, d) float32 array."""
    try:
        if isinstance(encoded, (list, tuple)) and isinstance(encoded[0], torch.Tensor):
            encoded = torch.stack(tuple(encoded))
        if isinstance(encoded, torch.Tensor):
            encoded = encoded.detach().float().cpu().numpy()
        vectors = np.asarray(encoded, dtype=np.float32)
        got = f"shape {vectors.shape}"
    except (TypeError, ValueError, RuntimeError, LookupError) as error:
        vectors, got = np.empty(0), f"{type(encoded).__name__}: {error}"
    if vectors.ndim != 2 or len(vectors) != n_texts or vectors.shape[1] == 0:
        raise ValueError(
            f"The model's encode must give a vector for each text, ({n_texts}, d). Got "
            f"{got}."
        )
    return vectors
