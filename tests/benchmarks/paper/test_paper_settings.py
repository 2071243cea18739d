"""The experiments have the paper's settings."""

import numpy as np
import pytest

from benchmarks._shared.methods import paper_methods
from benchmarks._shared.runs import keep, kept
from benchmarks._shared.scope import NETWORKS, Scope
from benchmarks.paper import experiments, training

EPOCHS = {"mnist": 10, "fashion_mnist": 10, "cifar10": 10, "cifar100": 20}
EPOCHS["food101"] = 20
CLASSES = {"mnist": 10, "fashion_mnist": 10, "cifar10": 10, "cifar100": 100}
CLASSES["food101"] = 101
RATES = {"resnet50": 1e-4, "densenet121": 1e-4, "efficientnet_b0": 1e-3}
EXPERIMENTS = {
    "images": experiments.image_runs,
    "texts": experiments.text_runs,
    "warmup": experiments.warmup_runs,
    "structure": experiments.structure_runs,
    "curves": experiments.curve_runs,
    "hierarchy": experiments.hierarchy_runs,
}
# Digits need no files.
NOWHERE = "nowhere"
scales = pytest.mark.parametrize("scale", ["smoke", "frozen", "full"])


def one_run(method, dataset="digits", backbone="pixels", **settings):
    settings = {"seed": 12, "max_epochs": 2, "lr": 1e-3, "batch_size": 100, **settings}
    return training.Run(dataset, backbone, method, **settings)


def fitted(method, **settings):
    """A method of the paper on digits."""
    clf = training.classifier(one_run(method, **settings), NOWHERE, "cpu")
    X, y, *_ = training.load("digits", "pixels", False, False, NOWHERE)
    return clf.fit(X, y)


def test_images_are_trained_as_in_the_paper():
    runs = experiments.image_runs(Scope("full"))
    assert {run.dataset for run in runs} == set(EPOCHS)
    assert {run.backbone for run in runs} == set(RATES)
    for run in runs:
        assert run.trained
        assert run.max_epochs == EPOCHS[run.dataset]
        assert run.batch_size == 50 * CLASSES[run.dataset]
        assert run.lr == RATES[run.backbone]
        assert run.warmup_steps == 0
        assert run.hidden_layer_sizes == ()
    methods = {run.method for run in runs}
    of_paper = {"STD", "StaticLabel", "LWR2k", "LWR3k", "LWR5k", "LabelEmbed"}
    assert methods >= of_paper | {"LwAL", "LwAL10", "LwAL10+rpl"}
    assert len(set(runs)) == len(runs) == 5 * 3 * 3 * len(methods)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@scales
def test_seeds_and_files(experiment, scale):
    runs = EXPERIMENTS[experiment](Scope(scale))
    trained = [run for run in runs if run.max_epochs]
    for seed in (12, 123, 1234):
        assert 3 * sum(run.seed == seed for run in trained) == len(trained)
    assert len(set(runs)) == len(runs)
    # A file for each data set and backbone.
    files = {(run.dataset, run.backbone): run.path for run in runs}
    assert len({*files.values()}) == len(files)
    assert all(run.path == files[run.dataset, run.backbone] for run in runs)


def test_runs_that_differ_in_anything_are_kept_apart(tmp_path):
    first = one_run("LwAL", warmup_steps=1)
    others = {
        "dataset": "breast_cancer",
        "backbone": "resnet50",
        "method": "LwAL10",
        "seed": 13,
        "max_epochs": 3,
        "lr": 2e-3,
        "batch_size": 101,
        "warmup_steps": 2,
        "hidden_layer_sizes": (7,),
        "trained": True,
        "mapped": True,
    }
    assert others.keys() == vars(first).keys()
    runs = [first]
    runs += [one_run(**vars(first) | {name: other}) for name, other in others.items()]
    runs += [one_run(name) for name in paper_methods()]
    results = {run: {"accuracy": i} for i, run in enumerate(runs)}
    assert len(results) == 1 + len(others) + len(paper_methods())
    for run, result in results.items():
        keep(run, result, tmp_path)
    assert kept(runs, tmp_path) == results


def test_every_network_has_a_rate():
    assert {*NETWORKS} == {*experiments.RATES}


def test_texts_have_a_hidden_layer():
    runs = experiments.text_runs(Scope("full"))
    assert {run.dataset for run in runs} == {"imdb", "yelp"}
    for run in [*runs, *experiments.text_runs(Scope())]:
        assert (run.lr, run.max_epochs, run.batch_size) == (1e-4, 10, 100)
        assert run.hidden_layer_sizes == (768,)
    net = fitted("LwAL", hidden_layer_sizes=(768,)).net_.module_
    assert (768, 64) in {tuple(p.shape) for p in net.parameters()}


def test_warmup_steps():
    runs = experiments.warmup_runs(Scope("full", backbones=("efficientnet_b0",)))
    settings = {(r.dataset, r.method, r.seed, r.warmup_steps) for r in runs}
    assert len(settings) == len(runs) == 5 * 3 * 3 * 3
    assert {run.warmup_steps for run in runs} == {0, 2, 5}
    assert {run.method for run in runs} == {"LwAL", "LwAL10", "LwAL10+rpl"}
    assert {run.lr for run in runs} == {1e-3}
    for w in (0, 2, 5):
        run = one_run("LwAL", warmup_steps=w)
        assert training.classifier(run, NOWHERE, "cpu").warmup_steps == w


@pytest.mark.parametrize(
    ("method", "dim", "repel"),
    [("LwAL", 10, 0), ("LwAL10", 100, 0), ("LwAL10+rpl", 100, 10)],
)
@pytest.mark.parametrize("ending", ["", ", refined"])
def test_lwal(method, dim, repel, ending):
    clf = fitted(method + ending)
    assert clf.labels_.shape == (10, dim)
    assert clf.repel_weight == repel
    assert (clf.update_every, clf.warmup_steps) == (1, 0)
    assert clf.refine_labels == bool(ending)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_learning_with_retrospection(k):
    clf = paper_methods()[f"LWR{k}k"]
    assert clf.update_every == k
    assert clf.temperature == 5


@pytest.mark.parametrize("method", paper_methods())
def test_a_run_decides_how_a_method_trains(method):
    settings = {"seed": 99, "max_epochs": 7, "lr": 0.02, "batch_size": 33}
    run = one_run(method, **settings, hidden_layer_sizes=(5, 4))
    params = training.classifier(run, NOWHERE, "cpu").get_params()
    assert params["random_state"] == 99
    assert params["hidden_layer_sizes"] == (5, 4)
    for name in ("max_epochs", "lr", "batch_size"):
        assert params[name] == settings[name]
    assert params["device"] == "cpu"
    assert params["optimizer"] == "adam"


def test_structure_is_learned_of_the_classes_that_wordnet_has():
    runs = experiments.structure_runs(Scope("full"))
    assert {run.dataset for run in runs} == {"cifar10", "fashion_mnist", "awa2"}
    assert {run.backbone for run in runs} == {"resnet50"}
    for run in runs:
        n_classes = {"cifar10": 10, "fashion_mnist": 8, "awa2": 23}[run.dataset]
        assert run.batch_size == 50 * n_classes
        if run.method == experiments.FEATURES:
            assert run.max_epochs == 0
        else:
            assert (run.max_epochs, run.lr) == (10, 1e-4)
    assert "StaticLabel" not in {run.method for run in runs}
    for dataset in ("mnist", "cifar100"):
        with pytest.raises(ValueError, match="taxonomy"):
            experiments.structure_runs(Scope("frozen", datasets=(dataset,)))


def test_a_backbone_of_another_kind_of_data_is_an_error_before_any_training():
    for dataset, backbone in (
        ("mnist", "minilm"),
        ("imdb", "resnet50"),
        ("digits", "resnet50"),
        ("cifar10", "pixels"),
    ):
        scope = Scope("frozen", datasets=(dataset,), backbones=(backbone,))
        with pytest.raises(ValueError, match="--backbone"):
            experiments.image_runs(scope)


def test_of_two_rates_each_table_has_its_own():
    """The paper's Table 2 is of ResNet50, its Table 4 of EfficientNetB0."""
    structure = experiments.structure_runs(Scope())
    assert {run.lr for run in structure if run.max_epochs} == {1e-4}
    assert {run.lr for run in experiments.warmup_runs(Scope())} == {1e-3}
    assert {run.lr for run in experiments.image_runs(Scope())} == {1e-4, 1e-3}


def test_fashion_mnist_without_its_first_and_last_class(tmp_path):
    labels = np.arange(40) % 10
    X = np.stack([labels, np.arange(40)], axis=1).astype(np.float32)
    parts = {"X_train": X, "y_train": labels, "X_test": X[:20], "y_test": labels[:20]}
    (tmp_path / "features").mkdir()
    np.savez(tmp_path / "features" / "fashion_mnist_resnet50.npz", **parts)
    runs = experiments.structure_runs(Scope("frozen", backbones=("resnet50",)))
    (run, *_) = [r for r in runs if r.dataset == "fashion_mnist"]
    loaded = training.load(run.dataset, "resnet50", False, run.mapped, tmp_path)
    X, y, X_test, y_test = loaded
    assert (len(X), len(X_test)) == (32, 16)
    for features, own in ((X, y), (X_test, y_test)):
        # Trouser to Bag, in this order.
        assert np.unique(own).tolist() == [*range(8)]
        raw = features[:, 0] * labels.std() + labels.mean()
        np.testing.assert_allclose(raw, own + 1, atol=1e-4)
    # CIFAR-10 keeps all its classes.
    assert not any(r.mapped for r in runs if r.dataset == "cifar10")


def test_mean_features_do_not_depend_on_the_seed():
    runs = experiments.structure_runs(Scope())
    features = [run for run in runs if run.method == experiments.FEATURES]
    assert sorted(run.dataset for run in features) == ["cifar10", "fashion_mnist"]
    # Nothing is trained for mean features, but for all other methods.
    full = experiments.structure_runs(Scope("full"))
    assert all(run.trained != (run.method == experiments.FEATURES) for run in full)


def test_what_is_asked_for_takes_the_place_of_the_papers():
    scope = Scope("full", ("mnist",), ("resnet50",), ("STD", "LwAL"), (5, 6), 3)
    runs = experiments.image_runs(scope)
    assert [(r.method, r.seed) for r in runs] == [
        ("STD", 5),
        ("LwAL", 5),
        ("STD", 6),
        ("LwAL", 6),
    ]
    assert {(r.dataset, r.backbone, r.max_epochs) for r in runs} == {
        ("mnist", "resnet50", 3)
    }


def test_pixels_of_images_are_not_a_backbones_features(tmp_path):
    (tmp_path / "features").mkdir()
    X, y = np.ones((20, 3), np.float32), np.arange(20) % 10
    parts = {"X_train": X, "y_train": y, "X_test": X, "y_test": y}
    np.savez(tmp_path / "features" / "mnist.npz", **parts)
    with pytest.raises((ValueError, FileNotFoundError)):
        training.load("mnist", "pixels", False, False, tmp_path)
