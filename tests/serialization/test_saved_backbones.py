"""Saved classifiers on images: backbones by name, by weights, and of one's own."""

import numpy as np
import pytest
import torch
from _helpers.saved import assert_same_model, forge, reloaded
from _helpers.trained import QUICK, digit_images, small_net, trained
from safetensors.torch import save_file
from torch import nn
from torchvision import models

import sklearn_lwal
from sklearn_lwal import Backbone, LwALClassifier, STDClassifier

# Small, and fast on images of any size.
NAME = "shufflenet_v2_x0_5"
FROZEN = {"random_state": 0, "device": "cpu", "max_epochs": 2}
QUICK = QUICK | {"max_epochs": 1}


@pytest.fixture(scope="module")
def digits():
    return digit_images(60, n_class=3)


@pytest.fixture
def torchvision_weights(monkeypatch):
    """Random weights in the place of those that would be downloaded."""
    torch.manual_seed(3)
    state = models.get_model(NAME, weights=None).state_dict()
    asked = []

    def get_state_dict(self, *args, **kwargs):
        asked.append(self)
        return state

    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", get_state_dict)
    return state, asked


def assert_trains_on_alike(one, two, images, y):
    for clf in (one, two):
        clf.partial_fit(images[:30], y[:30])
        clf.set_params(warm_start=True).fit(images, y)
        for row in (*clf.history_, *clf.net_.history):
            row["dur"] = 0.0
    assert_same_model(one, two, images)


def size_of(folder):
    return (folder / "model.safetensors").stat().st_size


@pytest.mark.parametrize("Classifier", [LwALClassifier, STDClassifier])
def test_frozen_by_name(Classifier, digits, tmp_path):
    backbone = Backbone(NAME, weights=None, image_size=32, channels_last=True)
    clf = Classifier(backbone, **FROZEN).fit(*digits)
    again = reloaded(clf, tmp_path)
    assert size_of(tmp_path) < 400_000
    assert again.backbone.get_params() == backbone.get_params()
    assert_same_model(clf, again, digits[0])
    assert_trains_on_alike(clf, again, *digits)


def test_frozen_with_torchvision_weights(digits, torchvision_weights, tmp_path):
    state, asked = torchvision_weights
    clf = STDClassifier(Backbone(NAME, image_size=32), **FROZEN).fit(*digits)
    again = reloaded(clf, tmp_path)
    assert len(asked) == 2
    assert size_of(tmp_path) < 400_000
    assert_same_model(clf, again, digits[0])
    # As when torchvision brings out better ones under the same name.
    state["conv1.0.weight"][0, 0, 0, 0] += 1
    with pytest.raises(ValueError, match=r"other weights.*Install the versions"):
        sklearn_lwal.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_frozen_with_weights_of_a_file(suffix, digits, tmp_path, torchvision_weights):
    weights = tmp_path / f"weights{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save(torchvision_weights[0], weights)
    backbone = Backbone(NAME, weights=weights, image_size=32)
    clf = STDClassifier(backbone, **FROZEN).fit(*digits)
    clf.save(tmp_path / "model")
    # Loading opens no file but the one.
    weights.unlink()
    again = sklearn_lwal.load(tmp_path / "model")
    assert again.backbone.weights == weights
    assert_same_model(clf, again, digits[0])
    assert not torchvision_weights[1]
    assert again.backbone_.images.preset is None


@pytest.mark.parametrize("image_size", [None, 32])
def test_trained_by_name(image_size, digits, tmp_path, torchvision_weights):
    images, y = digits[0][::4], digits[1][::4]
    clf = LwALClassifier(trained(NAME, image_size=image_size), **QUICK).fit(images, y)
    assert torchvision_weights[1]
    torchvision_weights[1].clear()
    again = reloaded(clf, tmp_path)
    # Its own weights are in the file.
    assert not torchvision_weights[1]
    assert again.backbone_ is again.net_.module_.backbone
    assert (again.backbone_.images.preset is None) == (image_size is not None)
    if image_size is None:
        np.testing.assert_array_equal(
            again.predict_proba(images), clf.predict_proba(images)
        )
    else:
        assert_same_model(clf, again, images)
        assert_trains_on_alike(clf, again, images, y)


def own(seed=0, wide=8):
    torch.manual_seed(seed)
    layers = nn.Conv2d(3, wide, 3), nn.BatchNorm2d(wide), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers)


def test_frozen_module(digits, tmp_path):
    clf = LwALClassifier(own(), **FROZEN).fit(*digits)
    path = tmp_path / "model"
    clf.save(path)
    with pytest.raises(
        ValueError, match=r"\('Sequential'\). Pass that: load\(path, backb"
    ):
        sklearn_lwal.load(path)
    for other in (own(seed=1), own(wide=9), nn.Flatten()):
        with pytest.raises(ValueError, match=r"other weights.*Pass the one"):
            sklearn_lwal.load(path, backbone=other)
    for same in (own(), own, clf.backbone, clf.backbone_.model):
        again = sklearn_lwal.load(path, backbone=same)
        assert again.backbone is same
        np.testing.assert_array_equal(
            again.transform(digits[0]), clf.transform(digits[0])
        )
    again = sklearn_lwal.load(path, backbone=clf.backbone)
    assert_same_model(clf, again, digits[0])
    assert_trains_on_alike(clf, again, *digits)


def test_own_function(digits, tmp_path):
    clf = STDClassifier(own, **FROZEN).fit(*digits)
    again = reloaded(clf, tmp_path, backbone=own)
    assert_same_model(clf, again, digits[0])
    with pytest.raises(ValueError, match="returned int"):
        reloaded(clf, tmp_path, backbone=lambda: 3)
    with pytest.raises(ValueError, match="'backbone' parameter"):
        reloaded(clf, tmp_path, backbone=3)

    def fails():
        raise KeyError("my weights")

    with pytest.raises(ValueError, match=r"passed to load.* KeyError: 'my weights'"):
        reloaded(clf, tmp_path, backbone=fails)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_trained_module(channels_last, optimizer, digits, tmp_path):
    options = {"optimizer": optimizer, "dropout": 0.5}
    options["net_params"] = {"optimizer__momentum": 0.9} if optimizer == "sgd" else None
    backbone = trained(small_net, channels_last=channels_last)
    clf = LwALClassifier(backbone, hidden_layer_sizes=(5,), **options, **QUICK)
    clf.fit(*digits)
    again = reloaded(clf, tmp_path, backbone=small_net)
    assert again.backbone_ is again.net_.module_.backbone
    assert_same_model(clf, again, digits[0])
    assert_trains_on_alike(clf, again, *digits)
    given = small_net()
    before = given[0].weight.clone()
    again = reloaded(clf, tmp_path, backbone=given)
    assert torch.equal(given[0].weight, before)
    np.testing.assert_array_equal(again.predict(digits[0]), clf.predict(digits[0]))
    for other in (own(), nn.Flatten()):
        with pytest.raises(ValueError, match=r"Its (backbone|tensor).*Pass a backb"):
            reloaded(clf, tmp_path, backbone=other)


class Tied(nn.Module):
    """Two layers of one weight, a parameter without use and a layer made late."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 3, 3)
        self.same = nn.Conv2d(3, 3, 3)
        self.same.weight = self.one.weight
        self.unused = nn.Parameter(torch.ones(2))
        self.fixed = nn.Linear(2, 2).requires_grad_(False)
        self.late = nn.LazyLinear(7)

    def forward(self, x):
        return self.late(self.same(self.one(x)).flatten(1))


def test_module_with_peculiar_parameters(digits, tmp_path):
    clf = STDClassifier(trained(Tied), **QUICK).fit(*digits)
    again = reloaded(clf, tmp_path, backbone=Tied)
    model = again.backbone_.model
    assert model.one.weight is model.same.weight
    assert len(again.net_.optimizer_.state) == len(clf.net_.optimizer_.state)
    np.testing.assert_array_equal(again.transform(digits[0]), clf.transform(digits[0]))
    for one in (clf, again):
        one.partial_fit(*digits)
    np.testing.assert_array_equal(again.transform(digits[0]), clf.transform(digits[0]))


def turned(image):
    return image.flip(-1)


def test_augmentation_is_given_anew(digits, tmp_path):
    clf = STDClassifier(trained(small_net, augment=turned), **QUICK).fit(*digits)
    again = reloaded(clf, tmp_path, backbone=small_net)
    assert again.backbone.augment is None
    np.testing.assert_array_equal(again.transform(digits[0]), clf.transform(digits[0]))
    # Saved once more, it is still not forgotten.
    again = reloaded(again, tmp_path, backbone=small_net)
    for other in (None, np.flip):
        with pytest.raises(
            ValueError, match=r"can not change \['backbone__augment'\].*function tur"
        ):
            again.set_params(backbone__augment=other).partial_fit(*digits)
    again.set_params(backbone__augment=turned)
    assert_trains_on_alike(clf, again, *digits)
    assert again.net_.module_.augment is turned


def test_a_module_where_there_was_none(digits, tmp_path):
    X = digits[0].reshape(60, -1)
    clf = STDClassifier(**FROZEN).fit(X, digits[1])
    with pytest.raises(ValueError, match="Load it without one"):
        reloaded(clf, tmp_path, backbone=own())


def backbone_parameter(name, value):
    def change(content, tensors):
        content["parameters"]["backbone"][name] = value

    return change


def without_weights(content, tensors):
    """A file of a few bytes that asks for a model of gigabytes."""
    content["parameters"]["backbone"].update(model="regnet_y_128gf", trainable=True)
    content["fitted"]["backbone"]["hash"] = None


FORGED = {
    "path of weights": (
        backbone_parameter("weights", "/etc/weights.pth"),
        "weights of the backbone can not be",
    ),
    "path": (backbone_parameter("model", "../../weights"), "no torchvision model"),
    "function": (backbone_parameter("model", "list_models"), "no torchvision model"),
    "huge": (without_weights, "does not hold the 64.* weights"),
    "another": (backbone_parameter("model", "squeezenet1_1"), "other weights"),
    "weights and hash": (
        backbone_parameter("trainable", True),
        "origin of the backbone",
    ),
    "image size": (backbone_parameter("image_size", 0), "'image_size' parameter of Ba"),
    "cache": (backbone_parameter("memory", "/etc"), "backbone can not be"),
    "unknown": (backbone_parameter("lr_", 0.1), "backbone can not be"),
    "a million workers": (backbone_parameter("n_workers", 10**6), "n_workers' can not"),
    "as many in 64 bits": (
        backbone_parameter("n_workers", {"$scalar": [10**6, "<i8"]}),
        "n_workers' can not",
    ),
    "no dict": (
        lambda content, _: content["parameters"].update(backbone=3),
        "'backbone' param",
    ),
    "none": (backbone_parameter("model", None), "origin of the backbone"),
}


@pytest.mark.parametrize(("change", "message"), FORGED.values(), ids=FORGED)
def test_forged_backbones(change, message, digits, tmp_path):
    path = tmp_path / "model"
    backbone = Backbone(NAME, weights=None, image_size=32)
    STDClassifier(backbone, **FROZEN).fit(*digits).save(path)
    forge(path, change)
    with pytest.raises(ValueError, match=message):
        sklearn_lwal.load(path)


def test_earlier_names_of_parameters(digits, tmp_path):
    """Files of the first version have a backbone's parameters as the classifier's."""
    path = tmp_path / "model"
    backbone = trained(small_net, image_size=8, recalibrate_batch_norm=False)
    clf = STDClassifier(backbone, **QUICK).fit(*digits)
    clf.save(path)

    def change(content, tensors):
        own = content["parameters"].pop("backbone")
        del own["model"]
        content["parameters"] |= {
            "freeze_backbone": not own.pop("trainable"),
            "backbone_weights": own.pop("weights"),
            "backbone_lr": own.pop("lr"),
            **own,
        }

    forge(path, change)
    again = sklearn_lwal.load(path, backbone=small_net)
    assert_same_model(clf, again, digits[0])
    assert again.backbone.get_params() == clf.backbone.get_params()
    forge(path, lambda c, _: c["parameters"].update(freeze_backbone="no"))
    with pytest.raises(ValueError, match="freeze_backbone"):
        sklearn_lwal.load(path, backbone=small_net)
