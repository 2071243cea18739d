"""An image model as a torch module: preprocessing, the model, pooled features."""

import torch
from torch import nn

from .._utils.compat import OutOfMemoryError


class ImageModel(nn.Module):
    """An image model that returns pooled features, (n, d).

    Parameters
    ----------
    model : nn.Module
        Returns (n, d) or (n, d, h, w).
    images : nn.Module
        Preprocesses batches for the model; see :class:`ImageInput`.
    """

    def __init__(self, model, images):
        super().__init__()
        self.model = model
        self.images = images
        self.channels_last = False

    def forward(self, x):
        prepared = self._prepared(x)
        if self.channels_last:
            prepared = prepared.contiguous(memory_format=torch.channels_last)
        dtypes = {p.dtype for p in self.model.parameters()}
        if len(dtypes) == 1:
            prepared = prepared.to(dtypes.pop())
        try:
            features = self.model(prepared)
        except OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"The backbone does not take a batch of images of shape "
                f"{tuple(prepared.shape)}: {error}"
            ) from error
        if isinstance(features, torch.Tensor) and features.ndim == 4:
            features = features.mean(dim=(2, 3))
        fits = isinstance(features, torch.Tensor) and features.ndim == 2
        # Tracing would turn this comparison into a fixed number of rows.
        if fits and not torch.compiler.is_compiling():
            fits = len(features) == len(prepared)
        if not fits:
            shape = getattr(features, "shape", type(features).__name__)
            raise ValueError(
                "A backbone must give features of shape (n, d) or (n, d, h, w). For a "
                f"batch of shape {tuple(prepared.shape)} it gave {shape}."
            )
        return features

    def _prepared(self, x):
        """The batch preprocessed for the model; a tensor or a list of images."""
        if isinstance(x, torch.Tensor):
            return self.images(x)
        images = [self.images(image[None]) for image in x]
        shapes = sorted({tuple(image.shape[2:]) for image in images})
        if len(shapes) > 1:
            raise ValueError(
                "The images of a batch must have one size after resizing. Set "
                f"image_size, or resize them in the Dataset. Got {shapes[0]}, "
                f"{shapes[1]} ..."
            )
        return torch.cat(images)


class ImageInput(nn.Module):
    """Preprocessing of images for a model: to RGB floats, resized and normalised.

    Takes (n, C, H, W) with C of 1 or 3, uint8 or float in [0, 1].

    Parameters
    ----------
    image_size : int or None
        Images are resized to squares of this side.
    mean, std : sequences of 3 floats, optional
        Statistics of the channels to normalise with; without them images stay in
        [0, 1].
    min_size : int, default=1
        Smaller images are enlarged to this.
    fixed : bool, default=False
        Whether all images are resized to ``min_size``, the only size of the model.
    preset : torchvision's ImageClassification, optional
        Determines how to resize and crop, instead of the sizes above.
    """

    def __init__(
        self,
        image_size=None,
        mean=None,
        std=None,
        min_size=1,
        fixed=False,
        preset=None,
    ):
        super().__init__()
        self.fixed = fixed
        self.image_size = image_size
        self.min_size = min_size
        self.preset = preset
        for name, values, default in (("mean", mean, 0.0), ("std", std, 1.0)):
            values = [default] * 3 if values is None else list(values)
            values = torch.tensor(values, dtype=torch.float32)
            self.register_buffer(name, values[:, None, None], persistent=False)

    def forward(self, x):
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        x = x if x.dtype == torch.uint8 else x.float()
        x = self._resized_by_preset(x) if self.preset is not None else x
        x = x / 255 if x.dtype == torch.uint8 else x
        size = self._size(x.shape[-2:])
        if size != tuple(x.shape[-2:]):
            x = nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
        return (x - self.mean) / self.std

    def _resized_by_preset(self, x):
        """Resize and crop like the preset, whose normalisation cannot be exported."""
        from torchvision.transforms import functional

        preset = self.preset
        how = {"interpolation": preset.interpolation, "antialias": preset.antialias}
        x = functional.resize(x, preset.resize_size, **how)
        return functional.center_crop(x, preset.crop_size)

    def _size(self, size):
        if self.preset is not None:
            return tuple(size)
        if self.fixed:
            return (self.min_size,) * 2
        if self.image_size is not None:
            return (max(self.image_size, self.min_size),) * 2
        factor = max(1.0, self.min_size / min(size))
        return tuple(round(side * factor) for side in size)
