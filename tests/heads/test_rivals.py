"""The rivals' heads against recorded vectors, NumPy twins and numerical gradients."""

import json
from pathlib import Path

import numpy as np
import pytest
import rival_twins as twins
import torch

from sklearn_lwal.heads.embedding import LabelEmbedHead
from sklearn_lwal.heads.one_hot import (
    CosineHead,
    OneHotHead,
    Regularization,
    SimplexHead,
)
from sklearn_lwal.heads.retrospection import RetrospectionHead
from sklearn_lwal.heads.static import StaticHead

REFERENCE = Path(__file__).parents[1] / "reference"
STATIC = sorted(REFERENCE.glob("static_*.npz"))
LWR = sorted(REFERENCE.glob("lwr_*.npz"))

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
WEIGHTED = pytest.mark.parametrize("weighted", [False, True])
VARIANT = pytest.mark.parametrize("variant", ["paper", "lwal"])
ATOL = {torch.float32: 1e-5, torch.float64: 1e-10}

TEACHER = {"teacher_weight": 0.2, "teacher_temperature": 20, "teacher_multiplier": 100}
OPTIONS = [
    {},
    {"label_smoothing": 0.15},
    {"confidence_penalty": 0.3},
    TEACHER,
    {"teacher_weight": 0.6, "teacher_temperature": 0.5, "teacher_multiplier": 3.0},
    {"label_smoothing": 0.1, "confidence_penalty": 0.2, **TEACHER},
]
ALL_OPTIONS = Regularization(**OPTIONS[-1])
EMBED_OPTIONS = [{}, {"hard_weight": 0.2, "temperature": 3.0, "confidence_cap": 0.7}]

# Features of length 6 and 5 classes throughout.
HEADS = {
    "static": lambda l2: StaticHead(6, torch.randn(5, 4), l2),
    "one_hot": lambda l2: OneHotHead(6, 5, l2, ALL_OPTIONS),
    "cosine": lambda l2: CosineHead(6, 5, l2, ALL_OPTIONS),
    "simplex": lambda l2: SimplexHead(6, 5, l2, ALL_OPTIONS),
    "lwr_paper": lambda l2: RetrospectionHead(6, 5, l2, "paper", update_every=2),
    "lwr_lwal": lambda l2: RetrospectionHead(6, 5, l2, "lwal", update_every=2),
    "label_embed": lambda l2: LabelEmbedHead(6, 5, l2, confidence_cap=0.3),
}
ALL_HEADS = pytest.mark.parametrize("name", HEADS)
BUT_LABEL_EMBED = pytest.mark.parametrize("name", list(HEADS)[:-1])


def make_head(name, l2=0.0):
    torch.manual_seed(1)
    return HEADS[name](l2).double()


def make_batch(weighted=False, n=24, dtype=torch.float64):
    x, y = 2 * torch.randn(n, 6, dtype=dtype), torch.randint(5, (n,))
    return x, y, torch.rand(n) + 0.1 if weighted else None


def numpy(*tensors):
    return [None if t is None else t.detach().double().numpy() for t in tensors]


def run_epochs(head, x, y, weight=None, n_epochs=4):
    """The losses of one batch seen again and again, each time a little different."""
    head.start_training(len(y), 2 * n_epochs)
    for epoch in range(1, n_epochs + 1):
        head.start_epoch()
        z, _ = head.training_latents(x / epoch)
        yield head.loss(z, y, weight, rows=torch.arange(len(y)))[0]


def check_gradients(head, x, y, weight):
    """By numerical differences, by the features (so by the latents) and parameters."""
    table = getattr(head, "soft_labels", None)

    def loss(x, *_):
        # The parameters are moved in place; a call may write into the table.
        if table is not None:
            head.soft_labels = table.clone()
        rows = torch.arange(len(y))
        return head.loss(head.training_latents(x)[0], y, weight, rows=rows)[0]

    learned = [p for p in head.parameters() if p.requires_grad]
    assert torch.autograd.gradcheck(loss, (x.requires_grad_(), *learned))


def train_on_record(f, head, epochs):
    """SGD from the recorded start over the recorded batches; all losses."""
    state = {"weight": torch.tensor(f["weight0"]), "bias": torch.tensor(f["bias0"])}
    head.linear.load_state_dict(state)
    lr = json.loads(str(f["config"]))["lr"]
    optimizer = torch.optim.SGD(head.parameters(), lr=lr)
    losses, (n_batches, size) = [], f["y"].shape
    head.start_training(n_batches * size, epochs)
    for _ in range(epochs):
        head.start_epoch()
        rows = torch.arange(n_batches * size).split(size)
        for x, y, mine in zip(f["x"], f["y"], rows, strict=True):
            optimizer.zero_grad()
            z = head(torch.tensor(x, dtype=head.linear.weight.dtype))
            loss, _ = head.loss(z, torch.tensor(y), rows=mine)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    for name, trained in head.linear.named_parameters():
        np.testing.assert_allclose(trained.detach(), f[name], rtol=0, atol=2e-5)
    np.testing.assert_allclose(losses, f["loss"].ravel(), rtol=0, atol=2e-5)


def test_vectors_are_collected():
    assert len(STATIC) >= 1
    assert len(LWR) >= 2


@pytest.mark.parametrize("path", STATIC, ids=lambda path: path.stem)
@DTYPES
def test_recorded_static_label(path, dtype):
    f = np.load(path)
    head = StaticHead(f["x"].shape[2], torch.tensor(f["label_embeddings"])).to(dtype)
    train_on_record(f, head, epochs=1)


@pytest.mark.parametrize("path", LWR, ids=lambda path: path.stem)
@DTYPES
def test_recorded_retrospection(path, dtype):
    f = np.load(path)
    config = json.loads(str(f["config"]))
    shape, k, t = f["weight0"].shape[::-1], config["k"], config["temperature"]
    head = RetrospectionHead(*shape, 0.0, "lwal", k, t).to(dtype)
    train_on_record(f, head, config["epochs"])
    np.testing.assert_allclose(head.soft_labels, f["soft_labels"], rtol=0, atol=2e-5)


@WEIGHTED
@DTYPES
def test_static_twin(dtype, weighted):
    head = StaticHead(6, torch.randn(5, 7, dtype=dtype)).to(dtype)
    x, y, weight = make_batch(weighted, dtype=dtype)
    z = head(x)
    loss, scores = head.loss(z, y, weight)
    z, w, embeddings = numpy(z, weight, head.labels)
    # Both branches of the Huber loss.
    assert 0.1 < (abs(z - embeddings[y]) > 1).mean() < 0.9
    expected = twins.static_loss(z, y.numpy(), embeddings, w)
    assert loss.item() == pytest.approx(expected, rel=0, abs=ATOL[dtype])
    # The nearest embedding wins.
    expected = twins.static_scores(z, embeddings)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=ATOL[dtype])
    assert (scores.argmax(1).numpy() == expected.argmax(1)).all()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("n_classes", [2, 5])
@WEIGHTED
@DTYPES
def test_one_hot_twin(dtype, weighted, n_classes, options):
    head = OneHotHead(6, n_classes, regularization=Regularization(**options)).to(dtype)
    x, y, weight = make_batch(weighted, dtype=dtype)
    z, y = head(x), y % n_classes
    loss, scores = head.loss(z, y, weight)
    (latents, w), target = numpy(z, weight), y.numpy()
    expected = twins.one_hot_loss(latents, target, w, **options)
    assert loss.item() == pytest.approx(expected, rel=0, abs=ATOL[dtype])
    torch.testing.assert_close(scores, z, rtol=0, atol=0)
    # The additional terms count in training only.
    expected = twins.one_hot_loss(latents, target, w)
    loss, _ = head.eval().latent_loss(z, y, weight)
    assert loss.item() == pytest.approx(expected, rel=0, abs=ATOL[dtype])


@pytest.mark.parametrize("eps", [0.0, 0.1, 0.5])
def test_label_smoothing_is_that_of_torch(eps):
    head = OneHotHead(6, 5, regularization=Regularization(label_smoothing=eps))
    x, y, _ = make_batch(dtype=torch.float32)
    expected = torch.nn.functional.cross_entropy(head(x), y, label_smoothing=eps)
    torch.testing.assert_close(head.loss(head(x), y)[0], expected)


@pytest.mark.parametrize("make", [CosineHead, SimplexHead])
@WEIGHTED
@DTYPES
def test_cosine_twin(dtype, weighted, make):
    head = make(6, 5, regularization=ALL_OPTIONS).to(dtype)
    assert head.class_offset.abs().max() == 0
    lengths = np.linalg.norm(*numpy(head.labels), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=0, atol=ATOL[dtype])
    x, y, weight = make_batch(weighted, dtype=dtype)
    target = y.numpy(), *numpy(weight)
    for offset in (torch.zeros(5), torch.randn(5)):
        head.class_offset.copy_(offset)
        z = head(x)
        loss, scores = head.loss(z, y, weight)
        made_of = numpy(z, head.labels, head.log_scale, head.class_offset)
        expected = twins.cosine_scores(*made_of)
        np.testing.assert_allclose(scores.detach(), expected, rtol=0, atol=ATOL[dtype])
        expected = twins.one_hot_loss(expected, *target, **OPTIONS[-1])
        assert loss.item() == pytest.approx(expected, rel=0, abs=ATOL[dtype])


@VARIANT
@pytest.mark.parametrize(("k", "n_epochs"), [(1, 4), (2, 7), (3, 6), (5, 3)])
@WEIGHTED
@DTYPES
def test_retrospection_twin(dtype, weighted, k, n_epochs, variant):
    head = RetrospectionHead(6, 5, variant=variant, update_every=k).to(dtype)
    twin = twins.Retrospection(variant, k, 24, 5, n_epochs)
    x, y, weight = make_batch(weighted, dtype=dtype)
    atol = max(ATOL[dtype], 1e-6)
    head.start_training(24, n_epochs)
    for _ in range(n_epochs):
        head.start_epoch()
        twin.epoch += 1
        # Other batches and other outputs in each epoch.
        for rows in torch.randperm(24).split(10):
            z = head(x[rows] + torch.randn(len(rows), 6, dtype=dtype))
            part = None if weight is None else weight[rows]
            loss, scores = head.loss(z, y[rows], part, rows=rows)
            latents, w = numpy(z, part)
            expected = twin.loss(latents, y[rows].numpy(), rows.tolist(), w)
            assert loss.item() == pytest.approx(expected, rel=0, abs=atol)
            torch.testing.assert_close(scores, z, rtol=0, atol=0)
        if n_epochs > k:
            assert head.soft_labels.dtype == torch.float32
            np.testing.assert_allclose(head.soft_labels, twin.table, rtol=0, atol=1e-6)
    head.end_training()
    assert head.soft_labels is None


def label_embed_problem(weighted, dtype=torch.float64, **options):
    """A head amid training: confident and doubtful, right and wrong on some."""
    head = LabelEmbedHead(6, 5, **options).to(dtype)
    torch.testing.assert_close(head.labels.data, torch.eye(5, dtype=dtype))
    head.embeddings.data += 0.5 * torch.randn(5, 5, dtype=dtype)
    x, y, weight = make_batch(weighted, dtype=dtype)
    x *= 4
    believed = (x @ head.linear.weight[5:].T + head.linear.bias[5:]).detach()
    y = torch.where(torch.arange(len(y)) % 3 > 0, believed.argmax(1), y)
    assert 0 < (believed.softmax(1).gather(1, y[:, None]) > 0.9).sum() < len(y)
    assert (believed.argmax(1) != y).any()
    return head, x, y, weight


@pytest.mark.parametrize("options", EMBED_OPTIONS, ids=["default", "other"])
@WEIGHTED
@DTYPES
def test_label_embed_twin(dtype, weighted, options):
    head, x, y, weight = label_embed_problem(weighted, dtype, **options)
    values = numpy(x, *head.linear.parameters(), head.embeddings)
    expected = twins.label_embed_loss(values, y.numpy(), *numpy(weight), **options)
    # With and without a backbone that learns.
    for features in (x, x.clone().requires_grad_()):
        loss, scores = head.loss(head.training_latents(features)[0], y, weight)
        assert loss.item() == pytest.approx(expected, rel=0, abs=ATOL[dtype])
        o1 = head.linear(x)[:, :5]
        torch.testing.assert_close([scores, head(features)], [o1, o1])


@WEIGHTED
@pytest.mark.parametrize("n_epochs", [2, 3, 4])
@BUT_LABEL_EMBED
def test_gradients(name, n_epochs, weighted):
    # Retrospection: before stored predictions count, while they do, at an update.
    head, batch = make_head(name, l2=0.1), make_batch(weighted, n=8)
    for _ in run_epochs(head, *batch, n_epochs):
        pass
    check_gradients(head, *batch)


@WEIGHTED
def test_gradients_of_label_embed(weighted):
    # Terms behind a stop-gradient stay constant when the rest moves.
    head, x, y, weight = label_embed_problem(weighted)
    x.requires_grad_()
    head.loss(head.training_latents(x)[0], y, weight)[0].backward()
    moved = [x, *head.linear.parameters(), head.embeddings]
    expected = twins.label_embed_gradients(numpy(*moved), y.numpy(), *numpy(weight))
    for tensor, numerical in zip(moved, expected, strict=True):
        np.testing.assert_allclose(tensor.grad, numerical, rtol=0, atol=1e-7)


def test_label_embed_features_get_no_gradient_from_the_auxiliary_layer():
    head, x, *_ = label_embed_problem(False)
    x.requires_grad_()
    both = head.training_latents(x)[0]
    both[:, 5:].square().sum().backward(retain_graph=True)
    assert x.grad is None or x.grad.abs().max() == 0
    assert head.linear.weight.grad[5:].abs().max() > 0
    both[:, :5].square().sum().backward()
    assert x.grad.abs().max() > 0


def test_label_embed_outputs_get_no_gradient_from_the_lesson():
    # The rest is the softmax minus the targets; the cap is out of reach.
    head, x, y, _ = label_embed_problem(False, confidence_cap=1.0)
    both = head.training_latents(x)[0].detach().requires_grad_()
    head.loss(both, y)[0].backward()
    truth, soft = torch.eye(5)[y], head.embeddings.detach().softmax(1)[y]
    o1, o2 = (o.softmax(1) for o in both.detach().split(5, dim=1))
    torch.testing.assert_close(both.grad[:, :5], (o1 - (truth + soft) / 2) / len(y))
    torch.testing.assert_close(both.grad[:, 5:], (o2 - truth) / len(y))


def test_label_embeddings_get_no_gradient_from_the_classifier():
    # There is no lesson where the auxiliary layer is wrong on all samples.
    head, x, *_ = label_embed_problem(False)
    both = head.training_latents(x)[0]
    believed = both[:, 5:].argmax(1)
    head.loss(both, (believed + 1) % 5)[0].backward(retain_graph=True)
    assert head.embeddings.grad.abs().max() == 0
    head.loss(both, believed)[0].backward()
    assert head.embeddings.grad.abs().max() > 0


@VARIANT
def test_stored_predictions_have_no_gradient(variant):
    head = RetrospectionHead(6, 5, variant=variant, update_every=1).double()
    x, y, _ = make_batch()
    before, now = x.clone().requires_grad_(), x.requires_grad_()
    head.start_training(len(y), 2)
    for features in (before, now):
        head.start_epoch()
        loss, _ = head.loss(head(features), y, rows=torch.arange(len(y)))
        assert not head.soft_labels.requires_grad
    loss.backward()
    assert now.grad.abs().max() > 0
    assert before.grad is None


@WEIGHTED
@ALL_HEADS
def test_only_the_ratios_of_the_sample_weights_count(name, weighted):
    # Equal weights are as none.
    x, y, weight = make_batch(weighted)
    scaled = 7 * weight if weighted else torch.full((len(y),), 0.3)
    found = []
    for w in (weight, scaled):
        head = make_head(name, l2=0.1)
        losses = torch.stack(list(run_epochs(head, x, y, w)))
        losses.sum().backward()
        pulls = [p.grad for p in head.parameters() if p.requires_grad]
        found.append([losses.detach(), *pulls])
    torch.testing.assert_close(*found, rtol=0, atol=1e-6)


@BUT_LABEL_EMBED
def test_integer_sample_weights_are_repeated_rows(name):
    x, y, _ = make_batch()
    times = torch.arange(len(y)) % 4
    weighted = list(run_epochs(make_head(name), x, y, times))
    x, y = x.repeat_interleave(times, 0), y.repeat_interleave(times)
    repeated = list(run_epochs(make_head(name), x, y))
    torch.testing.assert_close(weighted, repeated, rtol=0, atol=1e-6)


@WEIGHTED
@ALL_HEADS
def test_the_penalty_is_added_once_and_whole(name, weighted):
    batch = make_batch(weighted)
    plain = torch.stack(list(run_epochs(make_head(name), *batch)))
    head = make_head(name, l2=0.3)
    penalised = torch.stack(list(run_epochs(head, *batch)))
    penalty = 0.3 * twins.squared_norm(*numpy(head.linear.weight, head.linear.bias))
    torch.testing.assert_close(penalised - plain, torch.full_like(plain, penalty))


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_simplex_labels_are_far_apart_and_stay(n_classes):
    head = SimplexHead(6, n_classes)
    corners = head.labels.clone()
    expected = torch.full((n_classes, n_classes), -1 / (n_classes - 1))
    expected.fill_diagonal_(1)
    torch.testing.assert_close(corners @ corners.T, expected, rtol=0, atol=1e-6)
    x, y, _ = make_batch(dtype=torch.float32)
    head.loss(head(x), y % n_classes)[0].backward()
    torch.optim.SGD(head.parameters(), lr=0.1).step()
    assert not head.labels.requires_grad
    assert head.log_scale.grad.abs() > 0
    torch.testing.assert_close(head.labels, corners, rtol=0, atol=0)


@pytest.mark.parametrize("make", [CosineHead, SimplexHead])
@DTYPES
def test_a_zero_latent_has_finite_scores_and_no_gradient(make, dtype):
    head = make(6, 5, regularization=ALL_OPTIONS).to(dtype)
    z = torch.randn(4, 5, dtype=dtype)
    z[1] = 0
    loss, scores = head.loss(z.requires_grad_(), torch.tensor([0, 1, 2, 3]))
    loss.backward()
    assert torch.isfinite(scores).all()
    assert z.grad[1].abs().max() == 0
    for tensor in (z, *(p for p in head.parameters() if p.grad is not None)):
        assert torch.isfinite(tensor.grad).all()
