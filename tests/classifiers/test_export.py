"""Fitted classifiers as torch modules and ONNX graphs, held against predict_proba."""

import io
import json
import pickle
import sys

import numpy as np
import pytest
import torch
from _helpers.rivals import CLASSIFIERS, RIVALS
from _helpers.trained import QUICK, digit_images, needs_compiler, small_net, trained
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import NotFittedError
from torch import nn

import sklearn_lwal
from sklearn_lwal import Backbone, LwALClassifier, StaticLabelClassifier, STDClassifier
from sklearn_lwal._utils.compat import EXPORTS_ONNX
from sklearn_lwal.classifiers import _export

UNEVEN = {0: 1, 1: 5, 2: 1}
CASES = RIVALS | {
    "LwAL": LwALClassifier(),
    "LwAL, hidden": LwALClassifier(hidden_layer_sizes=(16, 8)),
    "LwAL, paper": LwALClassifier(
        init="random", label_update="batch", temperature=1.0, standardize=False
    ),
    "LwAL, class weights": LwALClassifier(class_weight=UNEVEN, average=False),
    "LwAL, trained in bfloat16": LwALClassifier(
        hidden_layer_sizes=(8,), precision="bfloat16"
    ),
    "STD": STDClassifier(),
    "STD, class weights": STDClassifier(class_weight=UNEVEN),
}
SHORT = {"random_state": 0, "max_epochs": 3, "device": "cpu"}
needs_onnx = pytest.mark.skipif(not EXPORTS_ONNX, reason="torch before 2.8")


@pytest.fixture(scope="module")
def digits():
    return digit_images(200)


@pytest.fixture(scope="module")
def fitted():
    return LwALClassifier(**SHORT).fit(*load_iris(return_X_y=True))


def answer(module, X):
    with torch.inference_mode():
        return module(torch.as_tensor(X)).numpy()


def run_onnx(path, X):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    (given,) = session.get_outputs()
    assert (taken.name, given.name) == ("X", "probabilities")
    return session.run(None, {"X": np.asarray(X, np.float32)})[0]


def dynamic_program(module, X):
    batch = ({0: torch.export.Dim("batch")},)
    return torch.export.export(module, (torch.as_tensor(X),), dynamic_shapes=batch)


def assert_near(found, expected):
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def as_rgb(images):
    return np.repeat(images[:, None], 3, axis=1)


@pytest.mark.parametrize("move", ["near zero", "far from zero"])
@pytest.mark.parametrize("name", CASES)
def test_torch_module_gives_the_probabilities(name, move):
    clf = clone(CASES[name]).set_params(**SHORT)
    X, y = load_iris(return_X_y=True)
    if move == "far from zero" and clf.standardize:
        X = X * 1000 + 1e5
    clf.fit(X, y)
    module = clf.to_torch()
    for dtype in (np.float64, np.float32):
        rows = X.astype(dtype)
        assert_near(answer(module, rows), clf.predict_proba(rows))
    assert_near(answer(module, X[:1]), clf.predict_proba(X[:1]))


def test_digits_of_float64_features_count():
    X, y = load_iris(return_X_y=True)
    X = X + 1e7  # of which float32 holds no fraction
    clf = LwALClassifier(**SHORT).fit(X.astype(np.float64), y)
    assert_near(answer(clf.to_torch(), X), clf.predict_proba(X))


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, bool])
def test_features_of_any_dtype(kind):
    X, y = load_iris(return_X_y=True)
    if kind is bool:
        X = X.mean(0) < X
    elif kind is not np.uint8:
        X = X * 100 + 1_700_000_000  # seconds, which float32 can not tell apart
    X = X.astype(kind)
    clf = LwALClassifier(**SHORT).fit(X, y)
    assert_near(answer(clf.to_torch(), X), clf.predict_proba(X))


@pytest.mark.parametrize("shape", [(5, 1), (5, 5), (4,), (2, 3, 4)])
def test_other_shapes_are_refused(shape, fitted):
    with pytest.raises(ValueError, match=r"shape \(n, 4\)"):
        fitted.to_torch()(torch.zeros(shape))


def test_rows_on_their_labels():
    # Where distances are small, float32 would cancel most of their digits.
    X, y = load_breast_cancer(return_X_y=True)
    clf = StaticLabelClassifier(hidden_layer_sizes=(32,), **SHORT | {"max_epochs": 20})
    clf.fit(X, y)
    assert_near(answer(clf.to_torch(), X), clf.predict_proba(X))


def test_dates_as_classes():
    X, y = load_iris(return_X_y=True)
    days = np.array(["2001-01-01", "2002-01-01", "2003-01-01"], "M8[ns]")
    module = LwALClassifier(**SHORT).fit(X, days[y]).to_torch()
    assert module.classes == [*days.astype(str)]


@needs_onnx
@pytest.mark.parametrize(
    ("name", "move"),
    [*((name, "far from zero") for name in CASES), ("LwAL", "near zero")],
)
def test_onnx_gives_the_probabilities(name, move, tmp_path):
    clf = clone(CASES[name]).set_params(**SHORT)
    X, y = load_iris(return_X_y=True)
    if move == "far from zero" and clf.standardize:
        X = X * 1000 + 1e5
    X = X.astype(np.float32)
    clf.fit(X, y).to_onnx(tmp_path / "model.onnx")
    for n_rows in (1, 2, 17, len(X)):
        found = run_onnx(tmp_path / "model.onnx", X[:n_rows])
        assert_near(found, clf.predict_proba(X[:n_rows]))


@needs_onnx
def test_onnx_tells_the_classes_and_no_paths(tmp_path):
    onnx = pytest.importorskip("onnx")
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    clf = STDClassifier(**SHORT).fit(X, names[y])
    path = tmp_path / "model.onnx"
    path.write_bytes(b"what was there")
    clf.to_onnx(str(path))
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    known = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(known["classes"]) == [*names]
    assert known["classifier"] == "STDClassifier"
    assert known["sklearn_lwal"] == sklearn_lwal.__version__
    assert b".py" not in path.read_bytes()
    assert [*tmp_path.iterdir()] == [path]


@needs_onnx
def test_what_was_there_stays_where_export_fails(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"what was there")
    monkeypatch.setattr(_export, "FILE_LIMIT", 100)
    with pytest.raises(ValueError, match="2 GB"):
        fitted.to_onnx(path)
    assert path.read_bytes() == b"what was there"
    with pytest.raises(ValueError, match="with a backbone only"):
        fitted.to_onnx(path, image_shape=(8, 8))


@needs_onnx
@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_missing_packages_are_named(missing, fitted, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"needs {missing}: pip install onnx "):
        fitted.to_onnx(tmp_path / "model.onnx")


def test_too_old_a_torch_is_told(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(_export, "EXPORTS_ONNX", False)
    with pytest.raises(ImportError, match=r"torch 2\.8"):
        fitted.to_onnx(tmp_path / "model.onnx")


@pytest.mark.parametrize("Classifier", CLASSIFIERS)
def test_unfitted(Classifier, tmp_path):
    with pytest.raises(NotFittedError):
        Classifier().to_torch()
    with pytest.raises(NotFittedError):
        Classifier().to_onnx(tmp_path / "model.onnx")


def test_the_module_is_a_plain_copy():
    X, y = load_iris(return_X_y=True)
    clf = LwALClassifier(hidden_layer_sizes=(8,), **SHORT).fit(X, y)
    module = clf.to_torch()
    assert not any(part.training for part in module.modules())
    assert module.classes == [0, 1, 2]
    assert "classes=[0 1 2]" in repr(module)
    floats = [t for t in module.state_dict().values() if t.is_floating_point()]
    assert {(t.dtype, t.device.type) for t in floats} == {(torch.float32, "cpu")}
    before = answer(module, X)
    clf.partial_fit(X, y[::-1])
    np.testing.assert_array_equal(answer(module, X), before)
    assert np.abs(clf.predict_proba(X) - before).max() > 1e-3
    trained = clf.predict_proba(X)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(clf.predict_proba(X), trained)


def test_the_module_goes_through_torch_save(fitted):
    X, _ = load_iris(return_X_y=True)
    module = fitted.to_torch()
    file = io.BytesIO()
    torch.save(module, file)
    assert len(file.getvalue()) < 20_000
    file.seek(0)
    again = torch.load(file, weights_only=False)
    np.testing.assert_array_equal(answer(again, X), answer(module, X))


def test_gradients_reach_the_features(fitted):
    X = torch.tensor(load_iris().data, requires_grad=True)
    fitted.to_torch()(X)[:, 0].sum().backward()
    assert X.grad.isfinite().all()
    assert X.grad.abs().sum() > 0


def test_loaded_models(fitted, tmp_path):
    X, _ = load_iris(return_X_y=True)
    fitted.save(tmp_path / "model.safetensors")
    again = sklearn_lwal.load(tmp_path / "model.safetensors")
    expected = answer(fitted.to_torch(), X)
    np.testing.assert_array_equal(answer(again.to_torch(), X), expected)
    if EXPORTS_ONNX:
        again.to_onnx(tmp_path / "model.onnx")
        assert_near(run_onnx(tmp_path / "model.onnx", X), fitted.predict_proba(X))


@pytest.mark.filterwarnings("ignore:.*weights_only=False:FutureWarning")  # torch 2.4
# An ONNX graph is made of such a program, so there is one of each case above.
@pytest.mark.parametrize("name", ["LwAL", "LwAL, hidden", "STD", "LabelEmbed"])
def test_exported_programs(name):
    X, y = load_iris(return_X_y=True)
    clf = clone(CASES[name]).set_params(**SHORT).fit(X, y)
    program = dynamic_program(clf.to_torch(), X[:2])
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    again = torch.export.load(file).module()
    for n_rows in (1, 2, 17, 150):
        assert_near(answer(again, X[:n_rows]), clf.predict_proba(X[:n_rows]))


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("Classifier", [LwALClassifier, STDClassifier])
def test_compiled(Classifier):
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    clf = Classifier(hidden_layer_sizes=(8,), **SHORT).fit(X, y)
    compiled = torch.compile(clf.to_torch(), fullgraph=True)
    for n_rows in (17, 150):
        assert_near(answer(compiled, X[:n_rows]), clf.predict_proba(X[:n_rows]))


class Maps(nn.Module):
    """Gives feature maps, of images of any size."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.convolution(x).relu()


BACKBONES = {
    "frozen": Backbone(small_net),
    "trained": trained(small_net),
    "resized": trained(Maps, image_size=12),
    "augmented": trained(Maps, augment=lambda image: image.flip(-1)),
    "channels last": trained(Maps, channels_last=True),
    "bfloat16": Backbone(lambda: Maps().bfloat16()),
}


@pytest.mark.parametrize(
    ("name", "Classifier"),
    [
        *((name, LwALClassifier) for name in BACKBONES),
        *(("trained", Classifier) for Classifier in CLASSIFIERS[1:]),
    ],
)
def test_backbones(name, Classifier, digits):
    images, y = digits
    clf = Classifier(BACKBONES[name], **QUICK)
    if name == "bfloat16":
        clf.set_params(hidden_layer_sizes=(8,))
    clf.fit(images, y)
    module, expected = clf.to_torch(), clf.predict_proba(images)
    assert_near(answer(module, images[:, None]), expected)
    assert_near(answer(module, as_rgb(images)), expected)
    levels = (images * 255).astype(np.uint8)
    assert_near(answer(module, levels[:, None]), clf.predict_proba(levels))
    again = pickle.loads(pickle.dumps(module))
    assert_near(answer(again, as_rgb(images)), expected)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(clf.predict_proba(images), expected)


# onnxruntime has no convolution in bfloat16.
@needs_onnx
@pytest.mark.parametrize("name", [n for n in BACKBONES if n != "bfloat16"])
def test_backbones_in_onnx(name, digits, tmp_path):
    images, y = digits
    clf = LwALClassifier(BACKBONES[name], **QUICK).fit(images, y)
    clf.to_onnx(tmp_path / "model.onnx", image_shape=(8, 8))
    for n_rows in (1, 2, 17):
        found = run_onnx(tmp_path / "model.onnx", as_rgb(images[:n_rows]))
        assert_near(found, clf.predict_proba(images[:n_rows]))


def test_exported_program_of_a_trained_backbone(digits):
    images, y = digits
    clf = LwALClassifier(BACKBONES["trained"], **QUICK).fit(images, y)
    program = dynamic_program(clf.to_torch(), as_rgb(images[:2])).module()
    for n_rows in (1, 17):
        found = answer(program, as_rgb(images[:n_rows]))
        assert_near(found, clf.predict_proba(images[:n_rows]))


@needs_onnx
def test_image_shape_is_checked(digits, tmp_path):
    clf = LwALClassifier(BACKBONES["frozen"], **QUICK).fit(*digits)
    for shape in (None, 8, (8,), (8, 0), (8, 8.0)):
        with pytest.raises(ValueError, match="must be \\(height, width\\)"):
            clf.to_onnx(tmp_path / "model.onnx", image_shape=shape)


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("trainable", [False, True])
def test_torchvision_in_onnx(trainable, digits, tmp_path):
    images, y = digits[0][:60], digits[1][:60]
    backbone = Backbone("squeezenet1_1", trainable=trainable, weights=None, lr=1e-5)
    clf = LwALClassifier(backbone, **QUICK | {"max_epochs": 1}).fit(images, y)
    clf.to_onnx(tmp_path / "model.onnx", image_shape=(8, 8))
    expected = clf.predict_proba(images[:17])
    assert_near(answer(clf.to_torch(), images[:17, None]), expected)
    for n_rows in (1, 17):
        found = run_onnx(tmp_path / "model.onnx", as_rgb(images[:n_rows]))
        # Each runtime rounds in its own way, layer by layer.
        np.testing.assert_allclose(found, expected[:n_rows], rtol=0, atol=1e-4)


@needs_onnx
@pytest.mark.slow
def test_pretrained_torchvision_with_its_own_transforms(digits, tmp_path, monkeypatch):
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(3)
    state = models.get_model("shufflenet_v2_x0_5", weights=None).state_dict()
    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", lambda *_, **__: state)
    images, y = digits[0][:20], digits[1][:20]
    options = {"max_epochs": 1, "batch_size": 10}
    clf = STDClassifier("shufflenet_v2_x0_5", **QUICK | options).fit(images, y)
    module = clf.to_torch()
    levels = np.random.RandomState(0).randint(0, 256, (3, 48, 40)).astype(np.uint8)
    assert_near(answer(module, levels[:, None]), clf.predict_proba(levels))
    # Not quite the same: torchvision resizes bytes to bytes.
    images = levels / np.float32(255)
    expected = clf.predict_proba(images)
    program = dynamic_program(module, as_rgb(images[:2])).module()
    assert_near(answer(program, as_rgb(images)), expected)
    clf.to_onnx(tmp_path / "model.onnx", image_shape=(48, 40))
    found = run_onnx(tmp_path / "model.onnx", as_rgb(images))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
