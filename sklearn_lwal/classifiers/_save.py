"""Saving of a fitted classifier, with all it needs to predict and to train further."""

from __future__ import annotations

import platform
import sys

from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .._serialization import file as archive
from .._serialization.checks import check_unstored
from .._serialization.codec import NotPlain, encode
from .._utils.torch_state import in_known_state
from .._utils.typing import FilePath
from .._version import __version__
from ..features._backbone import Backbone
from ._parameters import FittedAttributes
from ._saved_state import fitted_state
from ._warm_start import FREE, changed_parameters

# Paths on this machine and functions are not saved; the user sets them after loading.
LEFT_OUT = frozenset(["checkpoint_dir", "backbone__memory", "backbone__augment"])
JOBLIB = "joblib.dump can write it; such files run code, so load only those you trust."


@in_known_state
def save(self: FittedAttributes, path: FilePath) -> None:
    """Write the fitted model to one file, for :func:`sklearn_lwal.load`.

    The file has the safetensors format. It holds the parameters, the weights and
    the training state for :meth:`partial_fit` and a warm start. It contains no
    code, and loading it runs none. Writing is atomic: if it fails or is killed, an
    existing file stays as it was.

    Parameters
    ----------
    path : path
        An existing file is replaced. ``.safetensors`` is the usual extension.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    ValueError
        If a parameter cannot be stored (callbacks, the user's own optimizer) or was
        changed since ``fit``; if the class is not one of the library's; or if there
        are more than 16,383 classes and very few features.
    TypeError
        If ``path`` is not a path.
    OSError
        If the file cannot be written.

    Notes
    -----
    - ``checkpoint_dir`` and a backbone's ``memory`` and ``augment`` are not saved
      and are None after loading. Training can continue only after the same
      ``augment`` is set.
    - ``label_embeddings`` that are a callable or a DataFrame become the array of
      the embeddings of ``classes_``.
    - A frozen torchvision backbone is loaded again by its name; its weights are
      saved if they came from a file (its ``weights``). The user's own module
      is never saved: pass it to ``load``. Its weights are saved if it was trained.
    - Metadata requests (``set_fit_request``) and entries of skorch callbacks about
      single batches are not saved.
    """
    check_is_fitted(self)
    if type(self).__module__.split(".")[0] != archive.LIBRARY:
        raise ValueError(
            "Only the library's own classes are written to files. Got "
            f"{type(self).__qualname__}, a subclass. {JOBLIB}"
        )
    changed = changed_parameters(self, self._built_from)
    # The device may change, because weights can be loaded to any device.
    changed = {*changed} - LEFT_OUT - {"device"}
    if changed:
        raise ValueError(
            f"The parameters {sorted(changed)} were changed since the model was "
            "fitted, so they do not describe it. Set them back or fit again."
        )
    check_unstored(self.net_.module_)
    tensors: dict[str, Tensor] = {}
    content = {
        "class": type(self).__name__,
        "versions": versions(),
        "parameters": _parameters(self, tensors),
        "fitted": _fitted(self, tensors),
    }
    archive.write(path, content, tensors)


def versions():
    """Versions of Python and the libraries that a model depends on, by name."""
    found = {archive.LIBRARY: __version__, "python": platform.python_version()}
    for name in ("numpy", "sklearn", "skorch", "torch", "torchvision"):
        # A library that is not imported has no influence on the model.
        if name in sys.modules:
            found[name] = str(sys.modules[name].__version__)
    return found


def _parameters(clf, tensors):
    """The parameters except those in ``LEFT_OUT``, encoded."""
    given = clf._saved_params()
    given["backbone"] = _backbone_parameters(given["backbone"])
    found = {}
    for name in sorted(given.keys() - LEFT_OUT):
        try:
            found[name] = encode(given[name], tensors, f"parameters.{name}")
        except NotPlain as error:
            advice = JOBLIB
            if name in FREE:
                advice = f"Set it to None before: set_params({name}=None)."
            raise ValueError(
                f"The '{name}' parameter can not be written to a file: it holds "
                f"{error}. {advice}"
            ) from error
    return found


def _backbone_parameters(backbone):
    """A backbone's name, or its parameters by name, without the user's own module."""
    if isinstance(backbone, Backbone):
        given = backbone.get_params(deep=False)
        given = {k: v for k, v in given.items() if f"backbone__{k}" not in LEFT_OUT}
        return given | {"model": _backbone_parameters(given["model"])}
    return backbone if isinstance(backbone, str) else None


def _fitted(clf, tensors):
    """The fitted state, encoded."""
    try:
        return {k: encode(v, tensors, k) for k, v in fitted_state(clf).items()}
    except NotPlain as error:
        raise ValueError(
            f"The fitted model holds {error}, which can not be written to a file. If a "
            f"callback put it into the history: {JOBLIB}"
        ) from error
