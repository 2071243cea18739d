"""Image models as feature extractors, with random weights and tiny images."""

import builtins
import copy
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sklearn_lwal._utils.fingerprint import identity_of
from sklearn_lwal.backbones import load_backbone
from sklearn_lwal.features._images import check_images

# One of each family; those of fixed size are brought to 224 pixels.
FAMILIES = {
    "resnet50": 2048,
    "efficientnet_b0": 1280,
    "densenet121": 1024,
    "alexnet": 4096,
    "googlenet": 1024,
    "inception_v3": 2048,
    "squeezenet1_1": 512,
    "mobilenet_v3_small": 1024,
    "mnasnet0_5": 1280,
    "shufflenet_v2_x0_5": 1024,
    "regnet_x_400mf": 400,
    "convnext_tiny": 768,
    "vit_b_32": 768,
    "swin_t": 768,
    "maxvit_t": 512,
}


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(256, size=(3, 3, 20, 20), dtype=np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_pooled_features(name, images):
    backbone = load_backbone(name, weights=None)
    with torch.inference_mode():
        features = backbone(images)
    assert features.shape == (3, FAMILIES[name])
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("name", ["vit_b_32", "maxvit_t"])
def test_models_of_one_size_get_it(name):
    images = torch.zeros(1, 1, 240, 30)
    for image_size in (None, 300):
        backbone = load_backbone(name, weights=None, image_size=image_size)
        assert backbone.images(images).shape == (1, 3, 224, 224)


def test_features_are_what_the_last_layer_saw(images):
    from torchvision import models

    torch.manual_seed(0)
    whole = models.resnet18().eval()
    backbone = load_backbone("resnet18", weights=None, seed=0)
    with torch.inference_mode():
        mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
        std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
        expected = whole((images / 255 - mean) / std)
        found = whole.fc(backbone(images))
    torch.testing.assert_close(found, expected)


def test_random_weights_are_the_same_each_time(images):
    state = torch.get_rng_state()
    one, two, other = (
        load_backbone("resnet18", weights=None, seed=seed)(images) for seed in (0, 0, 1)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("n_classes", [1000, 7])
def test_weights_from_a_file(suffix, n_classes, images, tmp_path):
    from torchvision import models

    torch.manual_seed(5)
    whole = models.resnet18(num_classes=n_classes).eval()
    path = tmp_path / f"weights{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save(whole.state_dict(), path)
    backbone = load_backbone("resnet18", weights=path, image_size=20)
    whole.fc = nn.Identity()
    with torch.inference_mode():
        expected = whole(backbone.images(images))
        torch.testing.assert_close(backbone(images), expected)


def test_weights_bring_their_own_transforms(images, tmp_path):
    from torchvision import models

    whole = models.resnet18().eval()
    torch.save(whole.state_dict(), tmp_path / "weights.pth")
    backbone = load_backbone("resnet18", tmp_path / "weights.pth")
    preset = models.ResNet18_Weights.DEFAULT.transforms()
    assert backbone.images(images).shape == (3, 3, 224, 224)
    torch.testing.assert_close(backbone.images(images), preset(images))
    # A size of one's own takes the place of resizing and cropping.
    small = load_backbone("resnet18", tmp_path / "weights.pth", image_size=64)
    assert small.images(images).shape == (3, 3, 64, 64)


class TestModules:
    def test_maps_are_pooled(self, images):
        backbone = load_backbone(nn.Conv2d(3, 5, 3))
        features = backbone(images)
        expected = backbone.model(images / 255).mean(dim=(2, 3))
        torch.testing.assert_close(features, expected)

    def test_functions_are_called(self, images):
        backbone = load_backbone(
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(1200, 4))
        )
        assert backbone(images).shape == (3, 4)

    def test_anything_else_is_an_error(self, images):
        with pytest.raises(ValueError, match="function that returned int"):
            load_backbone(lambda: 3)
        with pytest.raises(ValueError, match=r"of shape \(n, d\) or \(n, d, h, w\)"):
            load_backbone(nn.Identity())(images[:, 0])
        with pytest.raises(ValueError, match=r"\(3, 3, 20, 20\) it gave"):
            load_backbone(nn.Flatten(2))(images)
        with pytest.raises(ValueError, match=r"of shape \(3, 3, 20, 20\)"):
            load_backbone(nn.Sequential(nn.Flatten(), nn.Linear(5, 4)))(images)

    def test_functions_are_seeded(self, images):
        state = torch.get_rng_state()
        one, two = (load_backbone(lambda: nn.Conv2d(3, 2, 3))(images) for _ in "ab")
        assert torch.equal(one, two)
        assert torch.equal(torch.get_rng_state(), state)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_weights_of_other_precision(self, dtype, images):
        assert load_backbone(nn.Conv2d(3, 4, 3).to(dtype))(images).dtype == dtype

    def test_identity(self):
        class Scaled(nn.Module):
            def __init__(self, factor, hidden=0.0):
                super().__init__()
                self.factor = factor
                self.register_buffer("hidden", torch.tensor(hidden), persistent=False)

        one = identity_of(Scaled(1.0))
        assert (
            identity_of(Scaled(1.0)) == identity_of(copy.deepcopy(Scaled(1.0))) == one
        )
        assert identity_of(Scaled(2.0)) != one
        assert identity_of(Scaled(1.0, 2.0)) != one
        assert identity_of(nn.Conv2d(3, 2, 3)) != identity_of(nn.Conv2d(3, 2, 3))


class TestErrors:
    def test_unknown_names_get_close_ones(self):
        with pytest.raises(ValueError, match=r"'resnet51'.*resnet50"):
            load_backbone("resnet51", weights=None)
        with pytest.raises(ValueError, match=r"'fasterrcnn_resnet50_fpn'"):
            load_backbone("fasterrcnn_resnet50_fpn", weights=None)

    def test_no_network(self, monkeypatch, tmp_path):
        def refuse(*args, **kwargs):
            raise OSError("no route to host")

        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
        with pytest.raises(ValueError, match=r"no route.*Put https:.*resnet18.*pth at"):
            load_backbone("resnet18")

    def test_no_such_file(self):
        with pytest.raises(ValueError, match=r"no file 'weights\.pt'"):
            load_backbone("resnet18", weights="weights.pt")

    @pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
    def test_not_a_state_dict(self, name, tmp_path):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(ValueError, match="no state dict that can be read"):
            load_backbone("resnet18", weights=tmp_path / name)

    def test_checkpoints_of_training_scripts(self, images, tmp_path):
        from torchvision import models

        state = models.resnet18().state_dict()
        wrapped = {f"module.{name}": value for name, value in state.items()}
        torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "w.pth")
        backbone = load_backbone("resnet18", tmp_path / "w.pth")
        assert torch.equal(backbone.model.conv1.weight, state["conv1.weight"])
        torch.save([1, 2], tmp_path / "w.pth")
        with pytest.raises(ValueError, match="no state dict that can be read"):
            load_backbone("resnet18", tmp_path / "w.pth")

    def test_weights_of_another_model(self, tmp_path):
        from torchvision import models

        torch.save(models.resnet34().state_dict(), tmp_path / "w.pth")
        with pytest.raises(ValueError, match="do not fit resnet18"):
            load_backbone("resnet18", weights=tmp_path / "w.pth")

    def test_torchvision_is_broken(self, monkeypatch):
        original = builtins.__import__

        def fail(name, *args, **kwargs):
            if name.startswith("torchvision"):
                raise RuntimeError("operator torchvision::nms does not exist")
            return original(name, *args, **kwargs)

        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(builtins, "__import__", fail)
        with pytest.raises(ImportError, match=r"pip install torchvision.*nms"):
            load_backbone("resnet18", weights=None)
        assert load_backbone(nn.Flatten()) is not None


class TestImages:
    @pytest.mark.parametrize(
        ("shape", "found"),
        [
            ((5, 8, 9), (5, 1, 8, 9)),
            ((5, 8, 9, 1), (5, 1, 8, 9)),
            ((5, 8, 9, 3), (5, 3, 8, 9)),
            ((5, 3, 8, 9), (5, 3, 8, 9)),
            ((5, 3, 9, 3), (5, 3, 3, 9)),
        ],
    )
    def test_layouts(self, shape, found):
        assert check_images(np.zeros(shape, np.uint8)).shape == found

    def test_tensors_have_channels_first(self):
        assert check_images(torch.zeros(5, 3, 9, 3)).shape == (5, 3, 9, 3)

    def test_no_copy(self):
        images = np.zeros((4, 6, 6, 3), np.uint8)
        images[0, 1, 2, 0] = 7
        assert check_images(images).data_ptr() == images.ctypes.data
        assert check_images(images)[0, 0, 1, 2] == 7

    @pytest.mark.parametrize(
        ("images", "match"),
        [
            (np.zeros((4, 5)), r"Got shape \(4, 5\)"),
            (np.zeros((4, 5, 5, 4)), r"Got shape \(4, 5, 5, 4\)"),
            (np.zeros((0, 5, 5)), r"Got shape \(0, 5, 5\)"),
            (np.zeros((4, 5, 5), np.int64), "dtype int64"),
            (np.full((4, 5, 5), 255.0), "values from 255 to 255"),
            (np.full((4, 5, 5), -0.1), "values from -0.1"),
            (np.full((4, 5, 5), np.nan), "values from nan"),
            (torch.zeros(4, 5, 5, dtype=torch.int32), "torch.int32"),
            ([["a"]], "Got paths or other texts"),
            (torch.zeros(4, 5, 5).to_sparse(), "X can not be read"),
            (torch.zeros(4, 5, 5, device="meta"), "X can not be read"),
        ],
    )
    def test_what_is_no_image(self, images, match):
        with pytest.raises(ValueError, match=match):
            check_images(images)

    def test_grey_is_brought_to_three_channels(self):
        backbone = load_backbone(nn.Identity())
        grey = torch.rand(2, 1, 4, 4)
        assert torch.equal(backbone.images(grey), grey.expand(-1, 3, -1, -1))

    def test_bytes_and_floats_are_the_same_images(self):
        backbone = load_backbone("resnet18", weights=None)
        images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
        with torch.inference_mode():
            torch.testing.assert_close(backbone(images), backbone(images / 255))
