"""Classifiers on images: a frozen backbone in front of the head."""

import pickle

import joblib
import numpy as np
import pytest
import torch
from _helpers.rivals import CLASSIFIERS
from _helpers.trained import digit_images
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn
from torch.utils.data import Subset, TensorDataset

from sklearn_lwal import Backbone, ImageFeatures, LwALClassifier, STDClassifier
from sklearn_lwal.features._images import dataset_labels

QUICK = {"random_state": 0, "max_epochs": 5, "device": "cpu"}


class Pixels(nn.Module):
    """Features that are the pixels of one channel, and a count of the images."""

    seen = 0

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        type(self).seen += len(x)
        return self.norm(x)[:, 0].flatten(1)


class Scaled(nn.Module):
    """Pixels times an attribute of any name, and one that cannot be pickled."""

    def __init__(self, name, factor):
        super().__init__()
        setattr(self, name, factor)
        self.same = lambda x: x

    def forward(self, x):
        factor = vars(self).get("factor") or self._factor
        return self.same(x).flatten(1) * factor


@pytest.fixture(scope="module")
def digits():
    return digit_images(600)


@pytest.mark.parametrize("Classifier", CLASSIFIERS)
def test_the_same_as_on_its_features(Classifier, digits):
    images, y = digits
    features = ImageFeatures(Pixels(), device="cpu").transform(images)
    on_features = Classifier(**QUICK).fit(features, y)
    on_images = Classifier(backbone=Pixels(), **QUICK).fit(images, y)
    np.testing.assert_array_equal(on_images.labels_, on_features.labels_)
    for method in ("predict", "predict_proba", "transform", "decision_function"):
        found = getattr(on_images, method)(images)
        np.testing.assert_array_equal(found, getattr(on_features, method)(features))
    assert on_images.score(images, y) == on_features.score(features, y)
    assert on_images.n_features_in_ == 64


def test_torchvision_models_by_name(digits):
    images, y = digits
    clf = LwALClassifier(Backbone("resnet18", weights=None), **QUICK)
    clf.fit(images[:100], y[:100])
    assert clf.n_features_in_ == 512
    assert clf.transform(images[:3]).shape == (3, 10)


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0", "densenet121"])
def test_the_backbones_of_the_paper(name, digits):
    images, y = digits
    clf = LwALClassifier(Backbone(name, weights=None), **QUICK)
    assert clf.fit(images[:40], y[:40]).predict(images[:7]).shape == (7,)


def test_every_form_of_images_is_the_same(digits):
    images, y = digits
    images = (images * 255).astype(np.uint8)
    clf = LwALClassifier(Pixels(), **QUICK)
    expected = clone(clf).fit(images, y).transform(images)
    tensor = torch.from_numpy(images)
    forms = [
        tensor,
        images[..., None],
        tensor[:, None].expand(-1, 3, -1, -1),
        np.repeat(images[..., None], 3, axis=3),
        TensorDataset(tensor[:, None]),
    ]
    for form in forms:
        found = clone(clf).fit(form, y).transform(form)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_data_sets_bring_their_labels(digits):
    images, y = digits
    data = TensorDataset(torch.from_numpy(images)[:, None], torch.from_numpy(y))
    clf = STDClassifier(Pixels(), **QUICK).fit(data)
    np.testing.assert_array_equal(clf.classes_, np.arange(10))
    assert clf.score(images, y) > 0.5
    assert clf.score(data) == clf.score(images, y)
    part = Subset(data, range(0, 600, 2))
    by_part = clone(clf).fit(part, eval_set=data)
    by_array = clone(clf).fit(images[::2], y[::2])
    np.testing.assert_array_equal(by_part.predict(data), by_array.predict(images))
    accuracy = pytest.approx(by_part.score(images, y))
    assert by_part.history_[-1]["valid_acc"] == accuracy
    with pytest.raises(ValueError, match="images without labels"):
        clf.fit(TensorDataset(torch.from_numpy(images)[:, None]))


def test_goes_on_with_the_same_backbone(digits):
    images, y = digits
    clf = LwALClassifier(Backbone("resnet18", weights=None), warm_start=True, **QUICK)
    backbone = clf.fit(images[:50], y[:50]).backbone_
    assert clf.fit(images[:50], y[:50]).backbone_ is backbone
    assert clf.partial_fit(images[50:90], y[50:90]).backbone_ is backbone
    with pytest.raises(ValueError, match=r"can not change \['backbone__image_size'\]"):
        clf.set_params(backbone__image_size=16).fit(images[:50], y[:50])
    other = LwALClassifier(Pixels(), warm_start=True, **QUICK).fit(images, y)
    with torch.no_grad():
        other.backbone.norm.weight.mul_(2)
    with pytest.raises(ValueError, match=r"can not change \['backbone__model'\]"):
        other.fit(images, y)


def test_the_backbone_stays_as_it_is(digits):
    images, y = digits
    module = Pixels().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    clf = LwALClassifier(module, **QUICK).fit(images, y)
    assert module.training
    for trained in (module, clf.backbone_.model):
        state = trained.state_dict()
        assert all(torch.equal(state[name], before[name]) for name in before)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict(images), clf.predict(images))


def test_labels_are_those_that_a_data_set_gives(tmp_path):
    from PIL import Image
    from torchvision.datasets import ImageFolder

    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / name / f"{i}.png")
    data = ImageFolder(tmp_path, target_transform=["cat", "dog"].__getitem__)
    names = ["cat"] * 3 + ["dog"] * 3
    assert dataset_labels(data).tolist() == names
    assert dataset_labels(Subset(data, [0, 5])).tolist() == ["cat", "dog"]
    assert dataset_labels(data + data).tolist() == 2 * names

    class Own(torch.utils.data.Dataset):
        def __len__(self):
            return len(data)

        def __getitem__(self, i):
            return data[i]

    assert dataset_labels(Subset(Own(), [5, 0])).tolist() == ["dog", "cat"]


class TestMemory:
    grid = {"output_dim": [1.0, 10.0]}

    def count(self, estimator, digits):
        Pixels.seen = 0
        search = GridSearchCV(estimator, self.grid, cv=3).fit(*digits)
        assert search.best_score_ > 0.8
        return Pixels.seen / len(digits[0])

    def test_a_grid_search_computes_features_once(self, digits, tmp_path):
        clf = LwALClassifier(Pixels(), **QUICK)
        # Three folds of two parts for each of 2 candidates, and the refit.
        assert self.count(clf, digits) == 2 * 3 + 1
        memory = clone(clf).set_params(backbone=Backbone(Pixels(), memory=tmp_path))
        assert self.count(memory, digits) == 1
        assert self.count(memory, digits) == 0
        assert self.count(clone(memory).set_params(backbone__image_size=8), digits) == 1

    def test_keeps_those_of_data_sets(self, digits, tmp_path):
        images, y = digits
        data = TensorDataset(torch.from_numpy(images)[:, None], torch.from_numpy(y))
        clf = LwALClassifier(Backbone(Pixels(), memory=tmp_path), **QUICK).fit(data)
        Pixels.seen = 0
        np.testing.assert_array_equal(clf.predict(images), clf.predict(data))
        assert clf.score(Subset(data, [3, 1])) > 0
        assert Pixels.seen == 0

    def test_what_was_computed_before_a_failure_is_kept(self, digits, tmp_path):
        images = digits[0]

        class Broken(torch.utils.data.Dataset):
            def __len__(self):
                return 100

            def __getitem__(self, i):
                if i == 70:
                    raise OSError("no such file")
                return torch.from_numpy(images[i])[None]

        clf = LwALClassifier(Backbone(Pixels(), memory=tmp_path), **QUICK)
        with pytest.raises(ValueError, match="Sample 70"):
            clf.fit(Broken(), digits[1][:100])
        Pixels.seen = 0
        clf.fit(images[:100], digits[1][:100])
        assert Pixels.seen == 100 - 64

    def test_a_few_images_are_not_written(self, digits, tmp_path):
        images, y = digits
        clf = LwALClassifier(Backbone(Pixels(), memory=tmp_path), **QUICK).fit(
            images, y
        )
        for i in range(10):
            clf.predict(1 - images[i : i + 1])
        assert len([*tmp_path.rglob("*.keys.npy")]) == 1
        Pixels.seen = 0
        clf.predict(1 - images[:10])
        assert Pixels.seen == 0
        clf.predict(1 - images)
        assert Pixels.seen == 590
        assert len([*tmp_path.rglob("*.keys.npy")]) == 2

    def test_half_written_files_are_not_read(self, digits, tmp_path):
        images, y = digits
        clf = LwALClassifier(Backbone(Pixels(), memory=tmp_path), **QUICK).fit(
            images, y
        )
        expected = clf.predict_proba(images)
        for path in tmp_path.rglob("*.keys.npy"):
            path.rename(path.with_name(f"{path.name}.part"))
        Pixels.seen = 0
        np.testing.assert_array_equal(
            clf.fit(images, y).predict_proba(images), expected
        )
        assert Pixels.seen == 600

    def test_takes_a_memory(self, digits, tmp_path):
        images, y = digits
        memory = joblib.Memory(tmp_path, verbose=0)
        clf = LwALClassifier(Backbone(Pixels(), memory=memory), **QUICK)
        Pixels.seen = 0
        one, two = (clone(clf).fit(images, y).predict(images) for _ in range(2))
        assert Pixels.seen == len(images)
        np.testing.assert_array_equal(one, two)
        memory.clear(warn=False)
        clf.fit(images, y)
        assert Pixels.seen == 2 * len(images)

    def test_the_layout_makes_no_difference(self, digits, tmp_path):
        images, y = (part[:50] for part in digits)
        clf = LwALClassifier(Backbone(Pixels(), memory=tmp_path), **QUICK)
        clf.fit(np.repeat(images[..., None], 3, axis=3), y)
        Pixels.seen = 0
        tensor = torch.from_numpy(images)[:, None].repeat(1, 3, 1, 1)
        for same in (tensor, tensor.requires_grad_(), tensor.transpose(2, 3).mT):
            clf.predict(same)
        assert Pixels.seen == 0
        clf.predict(1 - tensor)
        assert Pixels.seen == 50

    def test_other_weights_are_other_features(self, digits, tmp_path):
        images, y = digits
        other = Pixels()
        with torch.no_grad():
            other.norm.weight.mul_(2)
        parts = [
            LwALClassifier(Backbone(module, memory=str(tmp_path)), **QUICK)
            for module in (Pixels(), other)
        ]
        one, two = (clf.fit(images, y)._features(images) for clf in parts)
        np.testing.assert_allclose(two, 2 * one, rtol=1e-5)

    @pytest.mark.parametrize("name", ["factor", "_factor"])
    def test_other_attributes_are_other_features(self, name, digits, tmp_path):
        images, y = digits
        parts = [Scaled(name, factor) for factor in (1.0, 2.0)]
        one, two = (
            LwALClassifier(Backbone(part, memory=tmp_path), **QUICK).fit(images, y)
            for part in parts
        )
        np.testing.assert_allclose(two._features(images), 2 * one._features(images))


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"backbone": "resnet51"}, "resnet50"),
        ({"backbone": 3}, "'backbone' parameter"),
        ({"backbone": Backbone("resnet18", weights="none.pt")}, "no file"),
        ({"backbone": Backbone(3)}, "'model' parameter of Backbone"),
        ({"backbone__image_size": 0}, "'image_size' parameter"),
        ({"backbone__lr": 10**400}, "'backbone__lr' parameter must fit a float"),
        ({"backbone__memory": 3}, "'memory' parameter"),
    ],
)
def test_bad_parameters(parameters, match, digits):
    clf = LwALClassifier(Backbone(Pixels())).set_params(**parameters)
    with pytest.raises(ValueError, match=match):
        clf.fit(*digits)
    assert not hasattr(clf, "backbone_")


@pytest.mark.parametrize("backbone", [None, "resnet18", Pixels()], ids=str)
def test_only_a_backbone_has_parameters_of_its_own(backbone):
    clf = LwALClassifier(backbone)
    with pytest.raises(ValueError, match=r"(?s)backbone__lr.*Set backbone=Ba"):
        clf.set_params(backbone__lr=0.1)
    clf.set_params(backbone=Backbone("resnet18"), backbone__lr=0.1)
    assert clf.get_params()["backbone__lr"] == clf.backbone.lr == 0.1


def test_bad_images(digits):
    images, y = digits
    clf = LwALClassifier(Pixels(), **QUICK)
    with pytest.raises(ValueError, match=r"Got shape \(600, 64\)"):
        clf.fit(images.reshape(600, 64), y)
    clf.fit(images, y)
    with pytest.raises(ValueError, match=r"255 to 255"):
        clf.predict(np.full((2, 8, 8), 255.0))
    with pytest.raises(ValueError, match="expecting 64 features"):
        clf.predict(np.zeros((2, 9, 9)))
