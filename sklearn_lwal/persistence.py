"""Loading of fitted classifiers from files, without pickle and without trust.

The counterpart of the classifiers' ``save``.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable
from numbers import Integral

import torch
from torch import nn

from ._serialization import file as archive
from ._serialization.checks import check_fields, check_tensors, wrong
from ._serialization.codec import decode
from ._serialization.file import DAMAGED, shown
from ._utils import validation as check
from ._utils.files import as_path
from ._utils.fingerprint import weights_of
from ._utils.torch_state import in_known_state
from ._utils.typing import FilePath
from .classifiers._base import LabelLearningClassifier
from .classifiers._restore import (
    restore_net,
    set_input_and_classes,
    set_random,
    set_resumption,
)
from .classifiers._save import LEFT_OUT
from .classifiers._saved_state import KINDS
from .features._backbone import Backbone, as_backbone
from .features._torchvision import n_parameters

# The fields of a file and their types.
FILE = {"class": str, "versions": dict, "parameters": dict, "fitted": dict}
BACKBONE = {
    "own": (str, type(None)),
    "weights": (dict, type(None)),
    "hash": (str, type(None)),
}
# Names of a backbone's parameters in the first version of the format, where they were
# the classifier's own; "freeze_backbone" was "not trainable".
EARLIER = {
    "backbone_weights": "weights",
    "image_size": "image_size",
    "backbone_lr": "lr",
    "recalibrate_batch_norm": "recalibrate_batch_norm",
    "channels_last": "channels_last",
    "n_workers": "n_workers",
}
# Most worker processes that a file may ask for.
MOST_WORKERS = 1024
# A torchvision model has at most this many times the weights that it has without its
# classification layer.
LAST_LAYER = 8


@in_known_state
def load(
    path: FilePath,
    device: str | torch.device = "auto",
    backbone: nn.Module | Callable[[], nn.Module] | Backbone | None = None,
) -> LabelLearningClassifier:
    """Load a classifier from a file that its method ``save`` wrote.

    The classifier predicts the same as before (on a CPU bit for bit), and training can
    continue. The file is not trusted: it cannot run code, and a damaged or malicious
    file raises a ValueError. Files of pickle and joblib are not read.

    Parameters
    ----------
    path : path
        A file that ``save`` wrote.
    device : str or torch.device, default="auto"
        The device of the model, and its parameter ``device``. "auto" keeps the saved
        parameter if this machine has that device; else the parameter becomes "auto",
        with a warning.
    backbone : nn.Module, callable or Backbone, default=None
        Required for a model that was fitted with the user's own module as backbone. A
        frozen backbone must be the same, with the same weights. For a trained one any
        module with the same structure will do, and a copy of it gets the weights in
        the file. The parameters of a :class:`Backbone` come from the file.

    Returns
    -------
    classifier : object
        The fitted classifier, an instance of the class that was saved.

    Raises
    ------
    ValueError
        If ``save`` did not write the file, if the file was altered or has a later
        format, or if it needs a backbone or device that is not available.
    TypeError
        If ``path`` is not a path.
    OSError
        If the file cannot be read.
    ImportError
        If the model needs torchvision, which is missing.

    Notes
    -----
    A torchvision backbone that was frozen is loaded by name, which downloads
    torchvision's weights unless they are cached. So an untrusted file may cause a
    download from torchvision's own server, and the construction of its largest model
    (a few gigabytes).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> import sklearn_lwal
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = sklearn_lwal.LwALClassifier(random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.safetensors"
    ...     clf.save(path)
    ...     again = sklearn_lwal.load(path)
    >>> bool((again.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    path = as_path(path)
    with _naming(path):
        content, tensors = archive.read(path)
        n_tensors, size = len(tensors), sum(t.nbytes for t in tensors.values())
        saved = decode(content, tensors)
        if tensors:
            surplus = shown(sorted(tensors))
            raise ValueError(f"It has surplus tensors: {surplus}. {DAMAGED}")
        if isinstance(saved, dict) and "checkpoint" in saved:
            raise ValueError(
                "It is a checkpoint. Continue its fit with checkpoint_dir=<the folder> "
                "and fit(..., resume=True)."
            )
        saved = check_fields(saved, "file", FILE)
        # The first version of the format had neither added classes nor statistics.
        fitted = dict.fromkeys(["spread", "units", "rates"])
        fitted["built_for"] = len(saved["fitted"].get("classes", ()))
        fitted = check_fields(fitted | saved["fitted"], "fitted model", KINDS)
        clf = _unfitted(saved, device, backbone, fitted["backbone"])
        if len(clf._hidden_sizes()) > n_tensors:
            raise wrong("number of tensors", n_tensors)
        set_input_and_classes(clf, fitted)
        set_random(clf, fitted)
        if clf.backbone is not None:
            _set_backbone(clf, fitted, size)
        restore_net(clf, fitted)
        # Building the net has advanced the generator.
        clf._generator_state = fitted["generator"]
        set_resumption(clf, fitted)
        if not 0 < getattr(clf, "temperature_", 1) < math.inf:
            raise wrong("temperature", clf.temperature_)
    return clf


@contextlib.contextmanager
def _naming(path):
    """Turn unexpected errors into a ValueError, and name the file in each."""
    try:
        yield
    except (OSError, ImportError, MemoryError):
        raise
    except ValueError as error:
        raise ValueError(f"{path!r} can not be loaded. {error}") from error
    except Exception as error:
        raise ValueError(
            f"{path!r} can not be loaded. It gives no model "
            f"({type(error).__name__}: {shown(error)}). {DAMAGED}"
        ) from error


def _unfitted(saved, device, backbone, origin):
    """An unfitted classifier with the saved parameters, checked as in ``fit``."""
    known_classes = _library_classes()
    if saved["class"] not in known_classes:
        raise ValueError(
            f"It holds a {shown(saved['class'])}, which is none of "
            f"{sorted(known_classes)}. "
            "A later version of sklearn_lwal may have it."
        )
    Classifier, given = known_classes[saved["class"]], _renewed(saved["parameters"])
    known = {*Classifier().get_params(deep=False)} - LEFT_OUT
    # A parameter that the file lacks is newer than the file and keeps its default.
    unknown = sorted(given.keys() - known)
    if unknown:
        raise ValueError(
            f"It has parameters that {saved['class']} does not have: "
            f"{shown(unknown)}. Install the version of sklearn_lwal that wrote it "
            f"({shown(saved['versions'].get(archive.LIBRARY))}), or a later one."
        )
    given = given | {"backbone": _backbone(given.get("backbone"), origin, backbone)}
    clf = Classifier(**given)
    clf.device = _device(clf.device, device)
    clf._validate_params()
    clf._check_parameters()
    for name, value in clf.get_params().items():
        # Larger ints do not fit tensors, and more processes would exhaust a machine.
        most = MOST_WORKERS if name == "backbone__n_workers" else 2**63 - 1
        if isinstance(value, Integral) and abs(int(value)) > most:
            raise wrong(f"parameter {name!r}", value)
    return clf


def _renewed(given):
    """The parameters in a file, by the names that they have now."""
    if "freeze_backbone" not in given:
        return given
    given = dict(given)
    own = {new: given.pop(old) for old, new in EARLIER.items() if old in given}
    frozen = given.pop("freeze_backbone")
    if type(frozen) is not bool:
        raise wrong("parameter 'freeze_backbone'", frozen)
    # The first version of the format left out a module of the user's own.
    if given.get("backbone", own) is not None:
        own |= {"model": given.get("backbone"), "trainable": not frozen}
        given["backbone"] = own
    return given


def _library_classes(base=LabelLearningClassifier):
    """The library's own classifiers by name; a file may ask for no others."""
    found = {}
    for Classifier in base.__subclasses__():
        if Classifier.__module__.split(".")[0] == archive.LIBRARY:
            found[Classifier.__name__] = Classifier
        found |= _library_classes(Classifier)
    return found


def _backbone(saved, origin, passed):
    """The parameter ``backbone``, from what the file and the caller give."""
    given = saved if isinstance(saved, dict) else {"model": saved}
    if origin is not None:
        check_fields(origin, "backbone", BACKBONE)
    own = origin is not None and origin["own"] is not None
    if (origin is None) != (saved is None and not own):
        raise wrong("origin of the backbone", origin)
    if origin is not None and own != (given.get("model") is None):
        raise wrong("origin of the backbone", origin)
    if own and passed is None:
        raise ValueError(
            f"It was fitted with your own backbone ({shown(origin['own'])}). "
            "Pass that: load(path, backbone=module)."
        )
    if passed is not None and not own:
        raise ValueError(
            "It was not fitted with your own backbone. Load it without one."
        )
    model = passed.model if isinstance(passed, Backbone) else passed
    given = given | {"model": model} if own else given
    left_out = {f"backbone__{name}" for name in given} & LEFT_OUT
    if left_out or given.keys() - {*Backbone._get_param_names()}:
        raise wrong("backbone", saved)
    return Backbone(**given) if isinstance(saved, dict) else given["model"]


def _device(saved, wanted):
    if wanted != "auto":
        return wanted
    try:
        check.resolve_device(saved)
    except ValueError:
        if str(saved).split(":")[0] not in ("cuda", "mps"):
            raise
        warnings.warn(
            f"The model was saved with device={str(saved)!r}, which is not available: "
            "its parameter is 'auto' now. Pass a device to load to silence this "
            "warning.",
            stacklevel=5,
        )
        return "auto"
    return saved


def _set_backbone(clf, fitted, size):
    """Set the backbone, and its weights if they are in the file."""
    origin = fitted["backbone"]
    weights, own = origin["weights"], origin["own"] is not None
    backbone = as_backbone(clf.backbone)
    given = (weights is not None) + (origin["hash"] is not None)
    if given != (0 if clf._trains_backbone else 1):
        raise wrong("origin of the backbone", origin)
    if clf._trains_backbone:
        named = fitted["network"].items()
        named = ((name.partition("backbone."), tensor) for name, tensor in named)
        weights = {rest: tensor for (before, _, rest), tensor in named if not before}
    if weights is not None and not own:
        needed = n_parameters(backbone.model)
        if 4 * needed > LAST_LAYER * size:
            raise ValueError(
                f"It does not hold the {needed} weights of {backbone.model}. {DAMAGED}"
            )
    if weights is None and not own and backbone.weights not in ("DEFAULT", None):
        # ``save`` stores weights from a path in the file, so none may be opened here.
        raise wrong("weights of the backbone", backbone.weights)
    _load_backbone(clf, own, empty=weights is not None)
    if weights is not None:
        advice = "Pass a backbone of the same structure." if own else DAMAGED
        check_tensors(weights, clf.backbone_, "backbone", advice)
        clf.backbone_.load_state_dict(weights)
    elif weights_of(clf.backbone_) != origin["hash"]:
        advice = (
            "The weights that torchvision or torch have for this name have changed. "
            "Install the versions that the header of the file lists."
        )
        if own:
            advice = "Pass the one that the model was fitted with."
        raise ValueError(f"Its backbone had other weights. {advice}")


def _load_backbone(clf, own, empty):
    clf._identity = None
    try:
        clf._load_backbone(empty=empty)
    except Exception as error:
        if not own:
            raise
        raise ValueError(
            "The backbone that was passed to load can not be built: "
            f"{type(error).__name__}: {error}"
        ) from error
