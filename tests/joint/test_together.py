"""Networks that are trained in one program do what each of them does on its own."""

import copy
import itertools

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import ParameterGrid

from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)
from sklearn_lwal._joint.fold_batches import joint_epoch, joint_in_order
from sklearn_lwal._joint.optimizer import PerModelOptimizer
from sklearn_lwal._joint.stacked_network import StackView, stack
from sklearn_lwal._joint.trainer import JointTrainer
from sklearn_lwal._training.batches import LabelledRows
from sklearn_lwal._training.net import LabelNet
from sklearn_lwal._training.network import Network, hidden_layers
from sklearn_lwal.heads.adaptive_head import AdaptiveHead
from sklearn_lwal.heads.embedding import LabelEmbedHead
from sklearn_lwal.heads.one_hot import CosineHead, OneHotHead, Regularization
from sklearn_lwal.heads.retrospection import RetrospectionHead
from sklearn_lwal.heads.static import StaticHead
from sklearn_lwal.search._stacked_fits import (
    Fold,
    StackedFits,
    groups_of,
    reason_not_stackable,
)

N_CLASSES, N_FEATURES = 3, 4
# Two folds of three candidates; the last row of the second fold is none.
N_FOLDS, N_CANDIDATES, N_ROWS = 2, 3, 7

HEADS = {
    "lwal": lambda: AdaptiveHead(N_FEATURES, N_CLASSES, 5),
    "lwal, features": lambda: _with_features(
        AdaptiveHead(N_FEATURES, N_CLASSES, 5, label_update="features")
    ),
    "lwal, all options": lambda: AdaptiveHead(
        N_FEATURES,
        N_CLASSES,
        5,
        l2=0.1,
        repel_weight=2.0,
        label_momentum=0.3,
        update_every=2,
        temperature="learned",
    ),
    "one-hot": lambda: OneHotHead(N_FEATURES, N_CLASSES, 0.1),
    "one-hot, regularized": lambda: OneHotHead(
        N_FEATURES, N_CLASSES, 0.0, Regularization(0.1, 0.2, 0.3, 5.0, 2.0)
    ),
    "cosine": lambda: CosineHead(N_FEATURES, N_CLASSES),
    "static": lambda: StaticHead(N_FEATURES, torch.randn(N_CLASSES, 2)),
    "embed": lambda: LabelEmbedHead(N_FEATURES, N_CLASSES),
    "retrospection": lambda: RetrospectionHead(N_FEATURES, N_CLASSES),
}


def _with_features(head):
    means = torch.randn(N_CLASSES, N_FEATURES)
    head.set_class_features(means, torch.rand(N_CLASSES))
    return head


def networks(make_head, hidden=()):
    width = hidden[-1] if hidden else N_FEATURES
    assert width == N_FEATURES
    rows = []
    for _ in range(N_FOLDS):
        row = [
            Network(
                hidden_layers(N_FEATURES, hidden, 0.0), make_head(), standardize=True
            )
            for _ in range(N_CANDIDATES)
        ]
        # All candidates on a fold share these.
        for network in row:
            network.double()
            network.first_layer.set_statistics(*statistics[len(rows)])
        rows.append(row)
    return rows


statistics = [
    (torch.randn(N_FEATURES).double(), torch.rand(N_FEATURES).double() + 0.5)
    for _ in range(N_FOLDS)
]


@pytest.fixture(params=[(), (N_FEATURES,)], ids=["dense", "hidden"])
def hidden(request):
    return request.param


@pytest.mark.parametrize("head", HEADS)
def test_losses_scores_and_gradients(head, hidden):
    torch.manual_seed(0)
    rows = networks(HEADS[head], hidden)
    whole = stack(rows)
    X = torch.randn(N_FOLDS, N_ROWS, N_FEATURES).double()
    y = torch.arange(N_FOLDS * N_ROWS).view(N_FOLDS, N_ROWS) % N_CLASSES
    weight = torch.rand(N_FOLDS, N_ROWS).double()
    weight[1, -1] = 0
    is_real = weight > 0
    places = torch.arange(N_ROWS).expand(N_FOLDS, -1)
    whole.count_rows(is_real[:, None], is_real.sum(-1))
    for network in [whole, *rows[0], *rows[1]]:
        network.train()
        network.head.start_training(N_ROWS, 6)
        network.head.start_epoch()
        if getattr(network.head, "soft_labels", None) is not None:
            network.head.soft_labels = network.head.soft_labels.double()
    for _ in range(3):
        for network in [whole, *rows[0], *rows[1]]:
            network.zero_grad()
        joint = X[:, None], y[:, None], weight[:, None], places[:, None]
        losses, scores = whole.loss(*joint)
        losses.sum().backward()
        part = StackView(whole, rows[0][0])
        for s in range(N_FOLDS):
            n = int(is_real[s].sum())
            for k in range(N_CANDIDATES):
                own = rows[s][k]
                known = X[s, :n], y[s, :n], weight[s, :n], places[s, :n]
                loss, own_scores = own.loss(*known)
                loss.backward()
                torch.testing.assert_close(losses[s, k], loss)
                torch.testing.assert_close(scores[s, k, :n], own_scores)
                stacked = dict(whole.named_parameters())
                for name, parameter in own.named_parameters():
                    if parameter.grad is not None:
                        grad = stacked[name].grad[s, k]
                        torch.testing.assert_close(grad, parameter.grad)
                    with torch.no_grad():
                        step = (
                            torch.zeros(1) if parameter.grad is None else parameter.grad
                        )
                        parameter -= 0.1 * step
                other = copy.deepcopy(own)
                part.copy_into(other, s, k)
                trained = zip(
                    other.trained_buffers(), own.trained_buffers(), strict=True
                )
                for theirs, mine in trained:
                    torch.testing.assert_close(theirs, mine)
        with torch.no_grad():
            for parameter in whole.parameters():
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad


def test_narrow_latents_stay_as_narrow():
    torch.manual_seed(0)
    rows = [[Network(hidden_layers(4, (), 0), AdaptiveHead(4, 3, p)) for p in (3, 5)]]
    whole = stack(rows)
    X, y = torch.randn(1, 1, 6, 4), torch.arange(6)[None, None] % 3
    whole.train()
    losses, _ = whole.loss(X, y)
    losses.sum().backward()
    weight = whole.head.linear.weight
    assert weight.shape == (1, 2, 5, 4)
    assert (weight.grad[0, 0, 3:] == 0).all()
    assert (whole.head.labels[0, 0, :, 3:] == 0).all()
    own, _ = rows[0][0].train().loss(X[0, 0], y[0, 0])
    torch.testing.assert_close(losses[0, 0], own)


OPTIMIZERS = {
    "adam": (torch.optim.Adam, {"weight_decay": 0.1}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1}),
    "rmsprop": (torch.optim.RMSprop, {"momentum": 0.5}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
}


@pytest.mark.parametrize("max_grad_norm", [None, 0.05])
@pytest.mark.parametrize("rates", [(1e-3, 1e-2, 1e-1), (1e-2, 1e-2, 1e-2)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_network_has_its_rate(name, rates, max_grad_norm):
    torch.manual_seed(0)
    kind, options = OPTIMIZERS[name]
    row = networks(HEADS["cosine"])[0]
    nets = [
        LabelNet(
            network,
            criterion=torch.nn.Identity,
            optimizer=kind,
            lr=lr,
            max_grad_norm=max_grad_norm,
            optimizer__param_groups=[("*log_scale", {"rate": 3.0})],
            **{f"optimizer__{key}": value for key, value in options.items()},
        ).initialize()
        for network, lr in zip(row, rates, strict=True)
    ]
    for net, lr in zip(nets, rates, strict=True):
        net.set_rate(lr)
    whole = stack([[net.module_ for net in nets]])
    steps = PerModelOptimizer(
        whole, nets[0], torch.tensor([rates], dtype=torch.float64)
    )
    X, y = torch.randn(9, N_FEATURES).double(), torch.arange(9) % N_CLASSES
    for _ in range(5):
        losses, _ = whole.loss(X[None, None], y[None, None])
        steps.take(losses)
        for net in nets:
            net._step(net.module_.train(), X, y, None, None)
    stacked = dict(whole.named_parameters())
    for k, net in enumerate(nets):
        for key, parameter in net.module_.named_parameters():
            torch.testing.assert_close(stacked[key][0, k], parameter)


def rows_of(sizes, shared):
    X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    y = np.arange(40)
    whole = LabelledRows(X, y, y.astype(np.float32))
    parts = [np.arange(s, s + n) for s, n in enumerate(sizes)]
    if shared:
        return [whole.part(part) for part in parts]
    return [LabelledRows(X[part], y[part], y[part].astype("f")) for part in parts]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("sizes", [(30, 30), (30, 29, 29), (21, 20)])
def test_joint_batches_are_those_of_each_fold(sizes, shared):
    folds = rows_of(sizes, shared)
    mine, theirs = (
        [torch.Generator().manual_seed(s) for s in range(len(sizes))] for _ in range(2)
    )
    joint = [*joint_epoch(folds, 7, mine)]
    for s, (fold, generator) in enumerate(zip(folds, theirs, strict=True)):
        own = [*fold.shuffled(7, generator)]
        assert len(own) == len(joint)
        for batch, (X, y, weight, places) in zip(joint, own, strict=True):
            n = len(y)
            assert batch.is_real is None or batch.is_real[s].sum() == n
            torch.testing.assert_close(batch.X[s, 0, :n], X)
            torch.testing.assert_close(batch.y[s, 0, :n], y)
            torch.testing.assert_close(batch.weight[s, 0, :n], weight)
            torch.testing.assert_close(batch.rows[s, 0, :n], places)
            assert (batch.weight[s, 0, n:] == 0).all()
            assert (batch.rows[s, 0, n:] == max(sizes)).all()


def test_all_rows_in_order():
    folds = rows_of((30, 17), shared=True)
    batches = [*joint_in_order(folds, 8)]
    for s, fold in enumerate(folds):
        real = [
            b.X[s, 0] if b.is_real is None else b.X[s, 0][b.is_real[s, 0]]
            for b in batches
        ]
        torch.testing.assert_close(torch.cat(real), fold.X)


def test_what_is_over_is_not_computed_any_more(monkeypatch):
    X, y = load_digits(return_X_y=True)
    sizes = []
    train_epoch = JointTrainer._train_epoch
    monkeypatch.setattr(
        JointTrainer,
        "_train_epoch",
        lambda self: sizes.append(self._shape) or train_epoch(self),
    )
    clf = STDClassifier(random_state=0, max_epochs=20, early_stopping=True)
    clf.set_params(n_iter_no_change=2)
    estimators = [copy.copy(clf).set_params(lr=lr) for lr in (1e-1, 8e-2, 5e-2, 1e-4)]
    folds = [Fold(X[::2], y[::2], None, {}), Fold(X[1::2], y[1::2], None, {})]
    trained = StackedFits(estimators, folds)
    assert sizes[0] == (2, 4)
    assert sizes[-1][1] <= 2
    for s, fold in enumerate(folds):
        for k, estimator in enumerate(estimators):
            own = copy.copy(estimator).fit(fold.X, fold.y)
            assert trained.estimator(s, k).n_iter_ == own.n_iter_
            expected = own.decision_function(X)
            found = trained.scores(s, X)[k]
            np.testing.assert_allclose(found, expected, atol=0.1)


ESTIMATORS = {
    "lwal": LwALClassifier(),
    "std": STDClassifier(),
    "static": StaticLabelClassifier(),
    "lwr": LWRClassifier(update_every=2),
    "embed": LabelEmbedClassifier(),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_are_those_of_fits_of_their_own(name):
    X, y = load_iris(return_X_y=True)
    base = ESTIMATORS[name].set_params(random_state=0, max_epochs=5)
    estimators = [copy.copy(base).set_params(lr=lr) for lr in (1e-3, 1e-2)]
    assert groups_of(estimators) == [[0, 1]]
    trained = StackedFits(estimators, [Fold(X, y, np.arange(0, 150, 2), {})])
    for k, estimator in enumerate(estimators):
        assert reason_not_stackable(estimator) is None
        own = copy.copy(estimator).fit(X[::2], y[::2])
        found = trained.estimator(0, k)
        assert found.get_params() == own.get_params()
        assert found.n_iter_ == own.n_iter_ == 5
        np.testing.assert_allclose(found.labels_, own.labels_, atol=1e-4)
        np.testing.assert_allclose(found.transform(X), own.transform(X), atol=1e-4)
        for mine, theirs in zip(found.history_, own.history_, strict=True):
            assert mine["train_loss"] == pytest.approx(theirs["train_loss"], abs=1e-5)
            assert mine["train_acc"] == pytest.approx(theirs["train_acc"])
        np.testing.assert_allclose(
            trained.scores(0, X)[k], own._infer(X, "scores"), atol=1e-4
        )


def test_class_weights_are_rows_of_one_program(iris):
    X, y = iris
    weights = [{0: 3.0}, {1: 0.5, 2: 2.0}]
    grid = ParameterGrid({"class_weight": weights, "lr": [1e-3, 3e-3]})
    base = LwALClassifier(max_epochs=5, batch_size=32, random_state=0)
    estimators = [clone(base).set_params(**given) for given in grid]
    assert [sorted(group) for group in groups_of(estimators)] == [[0, 1, 2, 3]]
    folds = [Fold(X, y, np.arange(150)[k::2], {}) for k in range(2)]
    trained = StackedFits(estimators, folds)
    (program,) = {
        id(program): program for program, *_ in trained.places.values()
    }.values()
    assert (len(program.candidates), len(program.candidates[0])) == (4, 2)
    for f, k in itertools.product(range(2), range(4)):
        own = clone(estimators[k]).fit(X[f::2], y[f::2])
        found = trained.estimator(f, k)
        np.testing.assert_allclose(found.labels_, own.labels_, atol=1e-4)
        np.testing.assert_allclose(
            found.predict_proba(X), own.predict_proba(X), atol=1e-4
        )


ALONE = {
    "callbacks": [],
    "checkpoint_dir": "somewhere",
    "compile": True,
    "lr": -1,
    "net_params": {"iterator_train": None},
    "optimizer": torch.optim.Adagrad,
    "precision": "bfloat16",
    "verbose": 1,
    "warm_start": True,
}


@pytest.mark.parametrize("name", ALONE)
def test_some_have_to_be_trained_alone(name):
    clf = LwALClassifier().set_params(**{name: ALONE[name]})
    assert name in reason_not_stackable(clf)


def test_a_subclass_is_trained_alone():
    class Other(LwALClassifier):
        pass

    assert "Other" in reason_not_stackable(Other())
