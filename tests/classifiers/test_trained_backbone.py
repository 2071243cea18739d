"""Classifiers that train their backbone, too."""

import functools
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from _helpers.rivals import CLASSIFIERS
from _helpers.trained import (
    BARE,
    QUICK,
    Seen,
    as_batch,
    assert_same,
    digit_images,
    small_net,
    trained,
    weights,
)
from sklearn.base import clone
from sklearn.metrics import log_loss
from torch import nn
from torch.utils.data import TensorDataset

from sklearn_lwal import LwALClassifier, STDClassifier

# A backbone whose batch-norm statistics are those of the steps.
PLAIN = {"recalibrate_batch_norm": False}


@pytest.fixture(scope="module")
def digits():
    return digit_images(300)


@pytest.fixture(scope="module")
def unseen():
    return digit_images(300, 700)


@pytest.mark.parametrize("Classifier", CLASSIFIERS)
def test_learns_and_leaves_the_given_module_alone(Classifier, digits, unseen):
    module = small_net().train()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    generator = torch.get_rng_state()
    clf = Classifier(trained(module), **QUICK | {"max_epochs": 15}).fit(*digits)
    assert clf.score(*unseen) > 0.75
    assert module.training
    assert all(torch.equal(before[key], module.state_dict()[key]) for key in before)
    after = clf.backbone_.model.state_dict()
    assert not torch.equal(after["0.weight"], before["0.weight"])
    assert torch.equal(generator, torch.get_rng_state())
    proba = clf.predict_proba(unseen[0])
    assert (proba.argmax(1) == clf.predict(unseen[0])).all()
    assert log_loss(unseen[1], proba) < np.log(10)
    assert clf.n_features_in_ == 72
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.transform(unseen[0]), clf.transform(unseen[0]))
    assert again.backbone_ is again.net_.module_.backbone


def test_an_int_seed_gives_the_model_of_a_bare_loop(digits):
    images, y = digits
    torch.manual_seed(12)
    backbone = small_net()
    torch.manual_seed(12)
    layer = nn.Linear(72, 10)
    X, target = as_batch(images), torch.from_numpy(y)
    both = [*layer.parameters(), *backbone.parameters()]
    optimizer = torch.optim.Adam(both, lr=1e-3)
    for _ in range(3):
        for index in torch.randperm(300).split(50):
            optimizer.zero_grad()
            scores = layer(backbone(X[index]))
            nn.functional.cross_entropy(scores, target[index]).backward()
            optimizer.step()
    clf = STDClassifier(
        trained(small_net, **PLAIN), **QUICK | {"random_state": 12}, **BARE
    )
    found = clf.fit(images, y).backbone_.model.state_dict()
    torch.testing.assert_close(found, backbone.state_dict())
    expected = layer(backbone.eval()(X)).detach()
    np.testing.assert_allclose(clf.transform(images), expected, atol=1e-5)


def test_the_same_again_with_one_seed_only(digits):
    clf = LwALClassifier(trained(small_net), **QUICK).fit(*digits)
    assert_same(clone(clf).fit(*digits), clf)
    other = clone(clf).set_params(random_state=1).fit(*digits)
    first = other.backbone_.model[0].weight
    assert not torch.equal(first, clf.backbone_.model[0].weight)


def test_labels_are_the_class_means_of_what_is_predicted(digits):
    images, y = digits
    for options in ({}, {"init": "random", "label_update": "batch"}):
        clf = LwALClassifier(trained(small_net), **QUICK, **options).fit(images, y)
        latent = clf.transform(images)
        means = np.stack([latent[y == c].mean(0) for c in range(10)])
        np.testing.assert_allclose(clf.labels_, means, atol=1e-4)


def test_labels_follow_the_features(digits):
    images, y = digits
    still = QUICK | {"lr": 1e-12, "max_epochs": 10}
    clf = LwALClassifier(trained(Seen), refine_labels=False, **still).fit(images, y)
    latent = clf.transform(images)
    means = np.stack([latent[y == c].mean(0) for c in range(10)])
    spread = np.linalg.norm(means - means.mean(0))
    assert np.linalg.norm(clf.labels_ - means) < 0.1 * spread


def test_starts_where_discriminant_analysis_of_the_features_would(
    digits, unseen, monkeypatch
):
    monkeypatch.setattr("sklearn_lwal.heads.discriminant.SHRINKAGES", (0.9,))
    monkeypatch.setattr("sklearn_lwal.heads.discriminant.SPARE_LENGTH", 1.0)
    untrained = {"lr": 1e-12, "max_epochs": 1}
    clf = LwALClassifier(trained(small_net), **QUICK | untrained).fit(*digits)
    features = clf.backbone_.eval()(as_batch(digits[0])).detach().numpy()
    held_out = clf.backbone_(as_batch(unseen[0])).detach().numpy()
    start = LwALClassifier(random_state=0, output_dim=10.0, **untrained)
    start.fit(features, digits[1])
    expected = start.score(held_out, unseen[1])
    assert clf.score(*unseen) == pytest.approx(expected, abs=0.02)
    assert expected > 0.7


class TestBatchNorm:
    def test_statistics_are_averages_over_the_training_data(self, digits):
        images, y = digits
        clf = STDClassifier(trained(small_net), **QUICK | {"batch_size": 300}).fit(
            images, y
        )
        conv, norm = clf.backbone_.model[:2]
        inputs = conv(as_batch(images)).detach().transpose(0, 1).flatten(1)
        torch.testing.assert_close(norm.running_mean, inputs.mean(1))
        torch.testing.assert_close(norm.running_var, inputs.var(1), rtol=1e-4, atol=0)
        assert norm.momentum == 0.1
        assert not norm.training

    def test_helps_after_few_steps(self, digits, unseen):
        few = QUICK | {"max_epochs": 1, "lr": 0.01, "standardize": False}
        with_it, without = (
            STDClassifier(trained(small_net, recalibrate_batch_norm=on), **few).fit(
                *digits
            )
            for on in (True, False)
        )
        assert with_it.score(*unseen) > without.score(*unseen)

    def test_rows_without_weight_do_not_count(self, digits):
        images, y = digits
        white = np.concatenate([images, np.ones_like(images[:100])])
        weight = np.repeat([1.0, 0.0], [300, 100])
        clf = STDClassifier(trained(small_net), **QUICK | {"batch_size": 400})
        clf.fit(white, np.append(y, y[:100]), sample_weight=weight)
        conv, norm = clf.backbone_.model[:2]
        inputs = conv(as_batch(images)).detach().transpose(0, 1).flatten(1)
        torch.testing.assert_close(norm.running_mean, inputs.mean(1))

    def test_is_measured_in_full_precision(self, digits):
        images, y = digits
        low = QUICK | {"batch_size": 300, "precision": "bfloat16"}
        clf = STDClassifier(trained(small_net), **low).fit(images, y)
        conv, norm = clf.backbone_.model[:2]
        inputs = conv(as_batch(images)).detach().transpose(0, 1).flatten(1)
        torch.testing.assert_close(norm.running_var, inputs.var(1), rtol=1e-4, atol=0)

    def test_a_few_rows_more_do_not_replace_them(self, digits):
        images, y = digits
        clf = STDClassifier(trained(small_net), **QUICK).fit(images, y)
        norm = clf.backbone_.model[1]
        before = norm.running_mean.clone()
        clf.partial_fit(images[y == 3][:10], y[y == 3][:10])
        batch = clf.backbone_.model[0](as_batch(images[y == 3][:10])).mean((0, 2, 3))
        assert (norm.running_mean - before).norm() < 0.2 * (batch - before).norm()

    def test_of_data_sorted_by_class(self, digits):
        images, y = digits
        order = np.argsort(y)
        clf = STDClassifier(trained(small_net), **QUICK).fit(images[order], y[order])
        conv, norm = clf.backbone_.model[:2]
        inputs = conv(as_batch(images)).detach().transpose(0, 1).flatten(1)
        # Batches of one class each would vary far less.
        torch.testing.assert_close(norm.running_var, inputs.var(1), rtol=0.02, atol=0)


def test_the_backbones_own_learning_rate(digits):
    clf = STDClassifier(trained(small_net, lr=1e-12), lr=0.01, **QUICK).fit(*digits)
    start = clone(clf).set_params(lr=1e-12, max_epochs=1).fit(*digits)
    for one, other in zip(
        clf.backbone_.model.parameters(),
        start.backbone_.model.parameters(),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8)
    head = [part.net_.module_.head.linear.weight for part in (clf, start)]
    assert (head[0] - head[1]).abs().max() > 0.01


def test_learning_rates_of_a_model_that_goes_on(digits):
    def rates():
        groups = clf.net_.optimizer_.param_groups
        return sorted(group["lr"] for group in groups)

    clf = STDClassifier(trained(small_net), lr=0.01, warm_start=True, **QUICK).fit(
        *digits
    )
    assert rates() == pytest.approx([1e-3, 0.01])
    clf.set_params(lr=1e-4).fit(*digits)
    assert rates() == pytest.approx([1e-4, 1e-4])
    clf.set_params(backbone__lr=5e-3, lr=0.01).fit(*digits)
    assert rates() == pytest.approx([5e-3, 0.01])
    clf.set_params(lr=0.1).fit(*digits)
    assert rates() == pytest.approx([5e-3, 0.1])


def test_gradients_are_clipped(digits):
    step = {"optimizer": "sgd", "max_epochs": 1, "batch_size": 300, "lr": 1.0}
    lengths = []
    for max_grad_norm in (None, 0.01):
        backbone = trained(small_net, lr=1.0, **PLAIN)
        clf = STDClassifier(backbone, max_grad_norm=max_grad_norm, **QUICK | step)
        clf.set_params(**BARE)
        after = clf.fit(*digits).net_.module_.parameters()
        clf.set_params(lr=1e-12, backbone__lr=1e-12)
        before = clf.fit(*digits).net_.module_.parameters()
        moves = [
            (a - b).detach().square().sum() for a, b in zip(after, before, strict=True)
        ]
        lengths.append(float(sum(moves)) ** 0.5)
    assert lengths[0] > 0.1
    assert lengths[1] == pytest.approx(0.01, rel=0.01)


def test_precision_and_memory_format(digits):
    backbone = trained(Seen, channels_last=True)
    clf = LwALClassifier(backbone, precision="bfloat16", **QUICK).fit(*digits)
    clf.predict(digits[0])
    seen = clf.backbone_.model.seen
    assert {given for *_, given, _, _ in seen} == {torch.float32}
    assert {made for training, *_, made, _ in seen if training} == {torch.bfloat16}
    assert {made for training, *_, made, _ in seen if not training} == {torch.float32}
    assert all(channels_last for *_, channels_last in seen)
    assert clf.labels_.dtype == np.float32
    assert clf.score(*digits) > 0.8


class TestValidation:
    @pytest.mark.parametrize("recalibrate", [False, True])
    def test_leaves_training_alone(self, recalibrate, digits, unseen):
        rare = {"label_update": "batch", "update_every": 7, "average": False}
        clf = LwALClassifier(
            trained(small_net, recalibrate_batch_norm=recalibrate), **rare, **QUICK
        )
        measured = clone(clf).fit(*digits, eval_set=unseen)
        assert_same(measured, clf.fit(*digits))

    def test_measures_the_model_as_it_would_be_finished(self, digits, unseen):
        clf = LwALClassifier(trained(small_net), **QUICK, average=False)
        clf.fit(*digits, eval_set=unseen)
        # Fewer training images than the sample: the same statistics and labels.
        score = pytest.approx(clf.score(*unseen), abs=0.005)
        assert clf.history_[-1]["valid_acc"] == score

    def test_early_stopping_brings_the_best_back(self, digits):
        clf = STDClassifier(trained(small_net), early_stopping=True, n_iter_no_change=2)
        clf.set_params(**QUICK | {"max_epochs": 60, "lr": 0.01}).fit(*digits)
        assert clf.n_iter_ < 60
        assert clf.score(*digits) > 0.95


def test_goes_on_training(digits):
    images, y = digits
    clf = LwALClassifier(trained(small_net), warm_start=True, **QUICK).fit(images, y)
    backbone = clf.backbone_
    before = backbone.model[0].weight.clone()
    clf.fit(images, y).partial_fit(images[:100], y[:100])
    assert clf.backbone_ is backbone is clf.net_.module_.backbone
    assert not torch.equal(before, backbone.model[0].weight)
    assert clf.n_iter_ == 7
    assert clf.score(images, y) > 0.8
    with pytest.raises(ValueError, match=r"can not change \['backbone__trainable'\]"):
        clf.set_params(backbone__trainable=False).fit(images, y)


def test_a_model_that_goes_on_stays_as_it_was_on_error(digits):
    images, y = digits
    clf = LwALClassifier(trained(small_net), warm_start=True, **QUICK).fit(images, y)
    before = {key: value.clone() for key, value in weights(clf).items()}
    expected = clf.predict_proba(images)
    with pytest.raises(ValueError, match="backbone__lr"):
        clf.set_params(lr=1e30).fit(images, y)
    torch.testing.assert_close(weights(clf), before, rtol=0, atol=0, equal_nan=True)
    np.testing.assert_array_equal(clf.predict_proba(images), expected)


def test_partial_fit_from_the_start(digits):
    images, y = digits
    clf = LwALClassifier(trained(small_net), **QUICK)
    for part in np.array_split(np.arange(300), 3):
        clf.partial_fit(images[part], y[part], classes=np.arange(10))
    assert clf.n_iter_ == 3
    assert clf.score(images, y) > 0.7


def test_torchvision_models_by_name(digits):
    images, y = digits
    clf = LwALClassifier(trained("mobilenet_v3_small", weights=None, image_size=32))
    clf.set_params(**QUICK).fit(images[:60], y[:60])
    assert clf.predict(images[:5]).shape == (5,)
    assert clf.n_features_in_ == 1024


@pytest.mark.parametrize("images", [np.zeros((2, 9, 9)), np.zeros((2, 16, 8))])
def test_images_of_another_size(images, digits):
    clf = STDClassifier(trained(small_net), **QUICK).fit(*digits)
    for use in (clf.predict, lambda X: clf.fit(*digits, eval_set=(X, [0, 1]))):
        with pytest.raises(ValueError, match="but was fitted to give 72"):
            use(images)


def test_no_images(digits):
    clf = STDClassifier(trained(small_net), **QUICK)
    nothing = TensorDataset(torch.zeros(0, 1, 8, 8), torch.zeros(0))
    for use in (clf.fit(*digits).predict, clone(clf).fit):
        with pytest.raises(ValueError, match="without images"):
            use(nothing)


def test_a_backbone_that_gives_no_numbers(digits):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    nn.init.constant_(net[0].weight, 1e38)
    with pytest.raises(ValueError, match="NaN or infinity"):
        LwALClassifier(trained(net), **QUICK).fit(*digits)


def test_threads_may_predict_at_once(digits):
    clf = LwALClassifier(trained(small_net), **QUICK).fit(*digits)
    expected = clf.predict_proba(digits[0])
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(clf.predict_proba, 40 * [digits[0]]):
            np.testing.assert_allclose(found, expected, atol=1e-6)
    assert {p.dtype for p in clf.net_.module_.parameters()} == {torch.float32}


def test_hidden_layers_on_top(digits):
    clf = LwALClassifier(trained(small_net), hidden_layer_sizes=(20,), **QUICK).fit(
        *digits
    )
    assert clf.score(*digits) > 0.7


def test_compiled_steps_train_the_same(digits, monkeypatch):
    # This backend traces forward and backward as the others do, and compiles no C++.
    traced = functools.partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", traced)
    # Compiled, dropout draws other numbers.
    backbone = trained(small_net(0.0), **PLAIN)
    clf = STDClassifier(backbone, compile=True, **QUICK, **BARE).fit(*digits)
    assert_same(clf, clone(clf).set_params(compile=False).fit(*digits), atol=1e-4)
    pickle.dumps(clf)


def test_steps_with_dropout_are_compiled(digits, monkeypatch):
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    monkeypatch.setattr(
        torch, "compile", functools.partial(torch.compile, backend=backend)
    )
    clf = STDClassifier(trained(small_net()), compile=True, **QUICK)
    before = torch.get_rng_state()
    clf.fit(*digits)
    assert graphs
    assert torch.equal(torch.get_rng_state(), before)
    again = clone(clf).fit(*digits)
    np.testing.assert_array_equal(
        clf.predict_proba(digits[0]), again.predict_proba(digits[0])
    )
