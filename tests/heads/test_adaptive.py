"""AdaptiveLabels against recorded vectors, a NumPy twin and numerical gradients."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from reference_loss import Twin

from sklearn_lwal import AdaptiveLabels
from sklearn_lwal.heads.adaptive_head import AdaptiveHead

VECTORS = sorted((Path(__file__).parents[1] / "reference").glob("lwal_*.npz"))


def make_batch(n=40, dim=7, n_classes=5, dtype=torch.float64):
    z = torch.randn(n, dim, dtype=dtype)
    return z, torch.randint(n_classes, (n,))


def test_vectors_are_collected():
    assert len(VECTORS) >= 6


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_recorded_vectors(path, dtype):
    # SGD on a dense head, started from and fed with what was recorded.
    f = np.load(path)
    config = json.loads(str(f["config"]))
    head = AdaptiveHead(
        config["n_features"],
        config["n_classes"],
        config["output_dim"],
        update_every=config["update_every"],
        warmup_steps=config["warmup_steps"],
        repel_weight=config["repel_weight"],
    ).to(dtype)
    state = {"weight": torch.tensor(f["weight0"]), "bias": torch.tensor(f["bias0"])}
    head.linear.load_state_dict(state)
    optimizer = torch.optim.SGD(head.parameters(), lr=config["lr"])
    for i, (x, y) in enumerate(zip(f["x"], f["y"], strict=True)):
        optimizer.zero_grad()
        loss, _ = head.loss(head(torch.tensor(x, dtype=dtype)), torch.tensor(y))
        loss.backward()
        optimizer.step()
        np.testing.assert_allclose(loss.item(), f["total_loss"][i], atol=2e-5)
        np.testing.assert_allclose(head.labels, f["labels"][i], atol=2e-5)
    for name in ("weight", "bias"):
        trained = getattr(head.linear, name).detach()
        np.testing.assert_allclose(trained, f[name], atol=2e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 2e-5)]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 2.5},
        {"label_momentum": 0.7},
        {"repel_weight": 10.0},
        {"update_every": 3, "warmup_steps": 2, "repel_weight": 3.0},
        {"update_every": 2, "label_momentum": 0.5, "repel_weight": 1.0},
    ],
    ids=str,
)
def test_twin(options, dtype, atol, weighted):
    labels = AdaptiveLabels(5, 7, **options).to(dtype)
    names = {"update_every": "k", "warmup_steps": "w", "label_momentum": "momentum"}
    twin = Twin(5, 7, **{names.get(key, key): v for key, v in options.items()})
    for _ in range(9):
        z, y = make_batch(dtype=dtype)
        # The last class is sometimes missing, sometimes without weight.
        weight = torch.rand(len(y)) * (y != 4) if weighted else None
        y = y.clamp_max(3) if torch.rand(()) < 0.3 else y
        expected = twin.loss(
            z.double().numpy(),
            y.numpy(),
            None if weight is None else weight.double().numpy(),
        )
        assert labels(z, y, weight).item() == pytest.approx(expected, abs=atol)
        np.testing.assert_allclose(labels.labels, twin.labels, atol=atol)
    assert labels.step.item() == 9


@pytest.mark.parametrize("repel_weight", [0.0, 10.0])
@pytest.mark.parametrize("momentum", [0.0, 0.6])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients(repel_weight, momentum, weighted):
    z, y = make_batch(n=12, dim=4, n_classes=3)
    weight = torch.rand(12, dtype=z.dtype) if weighted else None
    options = {"repel_weight": repel_weight, "label_momentum": momentum}
    labels = AdaptiveLabels(3, 4, **options).double()
    z.requires_grad_()
    # A fresh copy each time: a call moves the labels.
    assert torch.autograd.gradcheck(lambda z: copy.deepcopy(labels)(z, y, weight), z)


def test_gradient_flows_through_the_means_at_update_steps_only():
    z, y = make_batch(n=10, dim=3, n_classes=3)
    z.requires_grad_()
    labels = AdaptiveLabels(3, 3, warmup_steps=1).double()
    labels(z, y).backward()
    fixed = z.grad.clone()
    # Pulling every sample's own gradient apart: with constant labels a sample's
    # gradient depends on that sample alone.
    alone = z.detach()[:1].requires_grad_()
    AdaptiveLabels(3, 3, warmup_steps=1).double()(alone, y[:1]).backward()
    torch.testing.assert_close(fixed[:1] * len(y), alone.grad)
    z.grad = None
    labels(z, y).backward()
    # Moving all samples together moves their means along: nothing changes.
    torch.testing.assert_close(z.grad.sum(0), torch.zeros(3, dtype=z.dtype))
    assert fixed.sum(0).abs().max() > 1e-3


def test_evaluation_mode_measures_only():
    labels = AdaptiveLabels(5, 7, repel_weight=10.0).double()
    z, y = make_batch()
    labels(z, y)
    before = copy.deepcopy(labels.state_dict())
    labels.eval()
    loss = labels(*make_batch())
    assert loss.ndim == 0
    torch.testing.assert_close(labels.state_dict(), before)


def test_state_travels_in_the_state_dict():
    first = AdaptiveLabels(5, 7, update_every=2)
    z, y = make_batch(dtype=torch.float32)
    first(z, y)
    second = AdaptiveLabels(5, 7, update_every=2)
    second.load_state_dict(first.state_dict())
    z, y = make_batch(dtype=torch.float32)
    assert first(z, y).item() == second(z, y).item()
    torch.testing.assert_close(first.labels, second.labels)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_latents_are_scored_in_float32(dtype):
    labels = AdaptiveLabels(5, 7)
    z, y = make_batch(dtype=torch.float32)
    assert labels(z.to(dtype), y).dtype == torch.float32
    assert labels.scores(z.to(dtype)).dtype == torch.float32
    assert labels.labels.dtype == torch.float32


def test_a_plain_torch_loop_learns():
    torch.manual_seed(3)
    centres = 3 * torch.randn(4, 6)
    y = torch.arange(200) % 4
    x = centres[y] + torch.randn(200, 6)
    encoder, labels = torch.nn.Linear(6, 4), AdaptiveLabels(4, 4, repel_weight=1.0)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = labels(encoder(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert (labels.scores(encoder(x)).argmax(1) == y).float().mean() > 0.97


@pytest.mark.parametrize(
    "z",
    [torch.zeros(6, 3), torch.full((6, 3), 1e6), 1e6 * torch.randn(6, 3)],
    ids=["zero", "constant", "huge"],
)
def test_degenerate_latents_give_finite_gradients(z):
    z = z.clone().requires_grad_()
    labels = AdaptiveLabels(3, 3, repel_weight=10.0)
    loss = labels(z, torch.tensor([0, 0, 1, 1, 2, 2]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


def test_a_batch_of_one_sample():
    z = torch.randn(1, 3, requires_grad=True)
    labels = AdaptiveLabels(3, 3, repel_weight=10.0)
    labels(z, torch.tensor([1])).backward()
    assert torch.isfinite(z.grad).all()
    torch.testing.assert_close(labels.labels[1], z.detach()[0])
    torch.testing.assert_close(labels.labels[[0, 2]], torch.eye(3)[[0, 2]])


def test_a_batch_without_weight_changes_nothing():
    z, y = make_batch()
    z.requires_grad_()
    labels = AdaptiveLabels(5, 7, repel_weight=10.0).double()
    loss = labels(z, y, torch.zeros(len(y)))
    loss.backward()
    assert loss.item() == 0
    assert z.grad.abs().max() == 0
    torch.testing.assert_close(labels.labels, torch.eye(5, 7, dtype=z.dtype))


def test_refined_head_has_the_class_means_of_all_data():
    head = AdaptiveHead(6, 3, 4)
    x, y = torch.randn(30, 6), torch.arange(30) % 3
    means = torch.stack([x[y == c].mean(0) for c in range(3)])
    head.refine(means, torch.tensor([True, True, False]))
    expected = torch.stack([head(x[y == c]).mean(0) for c in range(2)])
    torch.testing.assert_close(head.labels[:2], expected)
    torch.testing.assert_close(head.labels[2], torch.eye(3, 4)[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_leaves_labels_and_distances_alone(dtype):
    z, y = make_batch(dtype=torch.float32)
    plain, labels = AdaptiveLabels(5, 7), AdaptiveLabels(5, 7)
    expected = plain(z.to(dtype), y), plain.scores(z.to(dtype))
    with torch.autocast("cpu", torch.bfloat16):
        found = labels(z.to(dtype), y), labels.scores(z.to(dtype))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("update_every", 0),
        ("update_every", -2),
        ("update_every", 1.5),
        ("warmup_steps", -1),
        ("repel_weight", -1.0),
        ("label_momentum", 1.0),
        ("temperature", 0.0),
        ("output_dim", 0),
        ("n_classes", 0),
    ],
)
def test_options_out_of_range(option, value):
    options = {"n_classes": 3, "output_dim": 3, option: value}
    with pytest.raises(ValueError, match=rf"{option} must be .*Got {value}"):
        AdaptiveLabels(**options)


def test_class_weights_move_the_scores():
    labels, plain = AdaptiveLabels(3, 3), AdaptiveLabels(3, 3)
    z = torch.randn(10, 3)
    labels.set_class_weights(torch.tensor([1.0, 1.0, 1.0]))
    torch.testing.assert_close(labels.scores(z), plain.scores(z))
    labels.set_class_weights(torch.tensor([1.0, 4.0, 1.0]))
    moved = labels.scores(z) - plain.scores(z)
    expected = torch.tensor([0.5, 2.0, 0.5]).log().expand(10, 3)
    torch.testing.assert_close(moved, expected)
    plain.load_state_dict(labels.state_dict())
    torch.testing.assert_close(labels.scores(z), plain.scores(z))


BAD_BATCHES = {
    "no class": (
        {"y": torch.tensor([0, 3])},
        r"indices from 0 to 2\. Got some from 0 to 3",
    ),
    "ignored": ({"y": torch.tensor([0, -100])}, r"Got some from -100 to 0"),
    "fractions": ({"y": torch.tensor([0.0, 1.0])}, "y must be a tensor of integers"),
    "masks": ({"y": torch.tensor([True, False])}, "y must be a tensor of integers"),
    "one-hot": ({"y": torch.eye(2).long()}, r"y must be of shape \(n,\).*\(2, 2\)"),
    "sequences": (
        {"z": torch.ones(2, 5, 4)},
        r"z must be of shape \(2, 4\).*\(2, 5, 4\)",
    ),
    "width": ({"z": torch.ones(2, 5)}, r"z must be of shape \(2, 4\)"),
    "rows": ({"z": torch.ones(3, 4)}, r"z must be of shape \(2, 4\)"),
    "whole": ({"z": torch.ones(2, 4).long()}, "z must be a tensor of floats"),
    "nothing": ({"z": torch.ones(0, 4), "y": torch.ones(0).long()}, "n at least 1"),
    "weight": ({"sample_weight": torch.ones(2, 1)}, "sample_weight must be of shape"),
}


@pytest.mark.parametrize(("bad", "match"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_a_bad_batch_changes_nothing(bad, match):
    labels = AdaptiveLabels(3, 4)
    batch = {"z": torch.ones(2, 4), "y": torch.tensor([0, 1])}
    with pytest.raises(ValueError, match=match):
        labels(**batch | bad)
    assert labels.step == 0
    assert torch.equal(labels.labels, torch.eye(3, 4))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_integers_of_any_width(dtype):
    z, y = make_batch()
    expected = AdaptiveLabels(5, 7).double()(z, y)
    assert AdaptiveLabels(5, 7).double()(z, y.to(dtype)) == expected
