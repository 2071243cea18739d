"""A fitted classifier as a plain torch module and as an ONNX graph."""

from __future__ import annotations

import copy
import importlib
import json

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .._serialization import file as archive
from .._training.batches import wide_dtype
from .._utils.compat import EXPORTS_ONNX
from .._utils.files import as_path, replacing
from .._utils.torch_state import in_known_state
from .._utils.typing import FilePath
from ..heads.adaptive import without_autocast
from ..heads.linear import StandardizedLinear
from ._parameters import FittedAttributes
from ._save import versions

# ONNX files are protocol buffers, which must be smaller than this many bytes.
FILE_LIMIT = 2**31
# More than one row, because torch treats a batch size of 1 as constant.
EXAMPLE_ROWS = 2


class Probabilities(nn.Module):
    """A module that maps features or images to probabilities, (n, n_classes).

    Parameters
    ----------
    network : Network
        Changed in place, so it must not be used elsewhere.
    backbone : Backbone or None
    classes : array of shape (n_classes,)

    Attributes
    ----------
    classes : list
        The classes in the order of the columns.
    """

    def __init__(self, network, backbone, classes):
        super().__init__()
        network.backbone = backbone
        # Augmentation is for training only, and may not be exportable.
        network.augment = None
        self.network = network
        dates = classes.dtype.kind in "mM"
        # tolist() may convert dates to ints.
        self.classes = (classes.astype(str) if dates else classes).tolist()

    def forward(self, X: Tensor) -> Tensor:
        network = self.network
        if network.backbone is not None:
            X = network.encoded(X)
        with without_autocast(X.device.type):
            X = self._as_the_layer_takes(X)
            z = network.head(network.hidden(X))
            # Distances to close labels suffer from cancellation.
            scores = network.head.scores(z.to(wide_dtype(z.device)))
            return scores.softmax(1).float()

    def _as_the_layer_takes(self, X):
        layer = self.network.first_layer
        width = layer.weight.shape[1]
        if X.ndim != 2 or X.shape[1] != width:
            raise ValueError(f"Expected shape (n, {width}), got {tuple(X.shape)}.")
        if not isinstance(layer, StandardizedLinear):
            return X.to(layer.weight.dtype)
        # Integers may exceed the precision of float32.
        return X if X.is_floating_point() else X.to(wide_dtype(X.device))

    def extra_repr(self):
        return f"classes={np.array(self.classes)}".replace("\n", "")


@in_known_state
def to_torch(self: FittedAttributes) -> nn.Module:
    """The fitted model as a torch module that returns probabilities.

    Returns
    -------
    module : nn.Module
        A copy on the CPU, in float32 and in evaluation mode, independent of later
        changes to the classifier. It takes a tensor of

        - features of shape (n, ``n_features_in_``) and any real dtype, or
        - with a backbone images of shape (n, C, H, W), C of 1 or 3, uint8 or float
          in [0, 1]: resizing and normalisation are part of the module

        and returns the probabilities of ``predict_proba``, (n, n_classes) float32.
        Its attribute ``classes`` lists the classes in the order of the columns,
        with dates as ISO 8601 strings.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.

    Notes
    -----
    ``predict_proba`` computes in float64. The module standardises features in their
    own precision and then computes in float32 up to the distances. This changes
    probabilities by less than 1e-5, even for float64 features far from zero. The
    bound holds for rows like the training data; for outliers of a hundred standard
    deviations, whose probabilities are meaningless, the change may reach 1e-4. With
    ``standardize=False`` the bound needs features of about unit scale.

    Gradients flow through the module; call it under :func:`torch.inference_mode` if
    they are not needed. ``torch.compile`` and ``torch.export`` accept the module.
    ``torch.save`` pickles it by reference to this library's classes, so loading it
    needs this library.
    """
    seen = self._seen()
    network = seen.net_.module_.after_backbone(torch.float32)
    backbone = None
    if self.backbone is not None:
        backbone = copy.deepcopy(self.backbone_)
    return Probabilities(network, backbone, seen.classes_).cpu().eval()


@in_known_state
def to_onnx(
    self: FittedAttributes,
    path: FilePath,
    *,
    image_shape: tuple[int, int] | None = None,
) -> None:
    """Write backbone, head, labels and softmax as one ONNX graph.

    The graph's input ``X`` is float32: features (n, ``n_features_in_``) or, with a
    backbone, images (n, 3, H, W) in [0, 1], which it resizes and normalises. Its
    output ``probabilities`` is that of ``predict_proba``, (n, n_classes) float32.
    The batch size n is free. The file's metadata contain the ``classes`` (JSON) in
    the order of the columns, the name of the ``classifier`` and the version of
    ``sklearn_lwal``.

    Parameters
    ----------
    path : path
        An existing file is replaced once the new one is complete.
    image_shape : tuple (height, width), default=None
        Size of the images, which is fixed in the graph; required with a backbone.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    ImportError
        If onnx or onnxscript is missing, or torch is older than 2.8.
    ValueError
        If ``image_shape`` is missing, is not a pair of sizes or is passed without a
        backbone, or if the weights exceed the 2 GB limit of an ONNX file.
    RuntimeError
        If torch cannot export the user's own backbone; the message names the part.
    TypeError
        If ``path`` is not a path.
    OSError
        If the file cannot be written.

    Notes
    -----
    Probabilities are within 1e-5 of those of ``predict_proba`` for the same float32
    features. If float64 features lie so far from zero that float32 keeps few of
    their digits, subtract a constant from them before ``fit``. A backbone computes
    in float32, and runtimes round differently: for torchvision's models without
    pretrained weights the differences were about 1e-4. A backbone in half precision
    is exported as such, which not every runtime supports.
    """
    check_is_fitted(self)
    path = as_path(path)
    example = torch.zeros(EXAMPLE_ROWS, *_input_shape(self, image_shape))
    module = to_torch(self)
    _check_size(module)
    model = _onnx_model(module, example)
    known = {
        "classes": json.dumps(module.classes, default=str),
        "classifier": type(self).__name__,
        archive.LIBRARY: versions()[archive.LIBRARY],
    }
    for key, value in known.items():
        model.metadata_props.add(key=key, value=value)
    with replacing(path) as file:
        file.write(model.SerializeToString())


def _input_shape(clf, image_shape):
    """The shape of one sample."""
    if clf.backbone is None:
        if image_shape is not None:
            raise ValueError("image_shape is for classifiers with a backbone only.")
        return (clf.n_features_in_,)
    sizes = image_shape if isinstance(image_shape, (tuple, list)) else ()
    if len(sizes) != 2 or not all(_is_size(size) for size in sizes):
        raise ValueError(
            "With a backbone image_shape must be (height, width), the size of the "
            f"images that the graph will get. Got {image_shape!r}."
        )
    return 3, *map(int, sizes)


def _is_size(size):
    return isinstance(size, (int, np.integer)) and size > 0


def _check_size(module):
    tensors = [*module.parameters(), *module.buffers()]
    if sum(tensor.nbytes for tensor in tensors) >= FILE_LIMIT:
        raise ValueError(
            "The weights are more than the 2 GB that an ONNX file may have. Use "
            "torch.export.export(clf.to_torch(), ...) instead."
        )


def _onnx_model(module, example):
    """The graph, an ``onnx.ModelProto``, for batches of any size."""
    _check_exporter()
    program = torch.onnx.export(
        module,
        (example,),
        input_names=["X"],
        output_names=["probabilities"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    model = program.model_proto
    for node in model.graph.node:
        # The metadata contain source paths of this machine.
        del node.metadata_props[:]
    return model


def _check_exporter():
    if not EXPORTS_ONNX:
        raise ImportError(
            f"to_onnx needs torch 2.8 or later (here is {versions()['torch']}): pip "
            "install -U torch torchvision. Or pass clf.to_torch() to an exporter of "
            "your choice."
        )
    for name in ("onnx", "onnxscript"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ImportError(
                f"to_onnx needs {name}: pip install onnx onnxscript"
            ) from error
