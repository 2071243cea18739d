"""Inputs of a trained backbone: augmented images, Datasets."""

import numpy as np
import pytest
import torch
from _helpers.trained import (
    QUICK,
    assert_same,
    digit_images,
    small_net,
    trained,
    weights,
)
from sklearn.base import clone
from torch.utils.data import Dataset, TensorDataset

from sklearn_lwal import Backbone, LwALClassifier, STDClassifier


@pytest.fixture(scope="module")
def digits():
    return digit_images(300)


class TestAugmentation:
    def test_changes_each_training_image_and_nothing_else(self, digits):
        shapes = []

        def noted(image):
            shapes.append(tuple(image.shape))
            return image

        clf = STDClassifier(trained(small_net, augment=noted), **QUICK).fit(*digits)
        assert shapes == 3 * 300 * [(1, 8, 8)]
        clf.score(*digits)
        assert len(shapes) == 900
        assert_same(clf, clone(clf).set_params(backbone__augment=None).fit(*digits))

    def test_is_for_trained_backbones_only(self, digits):
        def fail(image):
            raise AssertionError

        STDClassifier(Backbone(small_net, augment=fail), **QUICK).fit(*digits)

    def test_draws_from_the_seed(self, digits):
        def noisy(image):
            return (image + 0.1 * torch.rand_like(image)).clamp(0, 1)

        clf = STDClassifier(trained(small_net, augment=noisy), **QUICK).fit(*digits)
        torch.manual_seed(77)
        assert_same(clf, clone(clf).fit(*digits))
        plain = clone(clf).set_params(backbone__augment=None).fit(*digits)
        other, own = (weights(c)["head.linear.weight"] for c in (plain, clf))
        assert not torch.equal(other, own)


class TestDataSets:
    @pytest.mark.parametrize("n_workers", [0, 1])
    def test_the_same_as_arrays(self, n_workers, digits):
        images, y = digits
        data = TensorDataset(torch.from_numpy(images)[:, None], torch.from_numpy(y))
        clf = LwALClassifier(trained(small_net, n_workers=n_workers), **QUICK)
        # DataLoader draws a seed for its workers, as in a bare loop.
        first = clone(clf).fit(data)
        assert_same(first, clone(clf).fit(data))
        score = first.score(data)
        assert score == first.score(images, y) > 0.8
        np.testing.assert_allclose(first.transform(data), first.transform(images))

    @pytest.mark.parametrize("trainable", [False, True])
    def test_that_augment_by_themselves(self, trainable, digits):
        images, y = digits

        class Noisy(Dataset):
            def __len__(self):
                return len(images)

            def __getitem__(self, i):
                image = torch.from_numpy(images[i])[None]
                return (image + 0.1 * torch.rand_like(image)).clamp(0, 1), y[i]

        before = torch.get_rng_state()
        backbone = Backbone(small_net, trainable=trainable)
        clf = LwALClassifier(backbone, **QUICK).fit(Noisy())
        expected = clf.predict_proba(Noisy())
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(5)
        again = clone(clf).fit(Noisy()).predict_proba(Noisy())
        np.testing.assert_array_equal(again, expected)

    def test_images_of_several_sizes(self, digits):
        images, y = digits
        larger = np.repeat(np.repeat(images, 2, 1), 2, 2)

        class Sizes(Dataset):
            def __len__(self):
                return 100

            def __getitem__(self, i):
                return torch.from_numpy((images, larger)[i % 2][i])[None], y[i]

        clf = LwALClassifier(trained(small_net, image_size=8), **QUICK).fit(Sizes())
        assert clf.score(images[:100], y[:100]) > 0.8
        assert clf.score(Sizes()) > 0.8
        with pytest.raises(ValueError, match=r"one size after resizing. Set image_si"):
            clf.set_params(backbone__image_size=None).fit(Sizes())

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path):
        from PIL import Image
        from torchvision.datasets import ImageFolder

        for name in ("cat", "dog"):
            (tmp_path / name).mkdir()
            for i in range(3):
                path = tmp_path / name / f"{i}.png"
                Image.new("RGB", (8, 8), (80 * i, 0, 0)).save(path)
        clf = STDClassifier(trained(small_net), **QUICK).fit(ImageFolder(tmp_path))
        assert clf.n_features_in_ == 72
        path.write_bytes(b"no image")
        with pytest.raises(ValueError, match=r"dog/2\.png"):
            clf.fit(ImageFolder(tmp_path))
