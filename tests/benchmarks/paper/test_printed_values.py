"""The file of the values that the paper prints."""

import csv
from collections import Counter

import pytest

from benchmarks.paper.experiments import RATES
from benchmarks.paper.printed_values import NEIGHBOUR, VALUES, paper_value
from benchmarks.paper.printed_values import printed as printed_rows
from benchmarks.paper.training import Run

IMAGES = {"mnist", "fashion_mnist", "cifar10", "cifar100", "food101"}
BACKBONES = {"resnet50", "efficientnet_b0", "densenet121"}
LWAL = {"LwAL", "LwAL10", "LwAL10+rpl"}
METHODS = {"STD", "StaticLabel", "LWR2k", "LWR3k", "LWR5k", "LabelEmbed", *LWAL}
KEYS = ("table", "dataset", "backbone", "method", "warmup_steps", "quantity")


@pytest.fixture(scope="module")
def printed():
    with VALUES.open() as f:
        return list(csv.DictReader(f))


# Copied from the paper's tables by hand.
SPOT_CHECKS = [
    ("1,mnist,efficientnet_b0,LWR2k,,epochs_reduced", "70", ""),
    ("1,mnist,resnet50,LWR2k,,epochs_reduced", "", ""),
    ("1,fashion_mnist,densenet121,LabelEmbed,,best_accuracy", "92.9", "0.1"),
    ("1,cifar10,densenet121,LwAL10+rpl,,best_accuracy", "80.5", "0.3"),
    ("1,cifar10,resnet50,LwAL,,best_accuracy", "72.8", "0.2"),
    ("1,cifar100,efficientnet_b0,LwAL,,epochs_reduced", "65", ""),
    ("1,food101,densenet121,LabelEmbed,,epochs_reduced", "35", ""),
    ("1,food101,resnet50,StaticLabel,,best_accuracy", "2.6", "0.5"),
    ("2,cifar10,resnet50,LWR,,correlation", "-0.017", "0.068"),
    ("2,fashion_mnist,resnet50,LwAL10,,correlation", "0.494", "0.054"),
    ("2,awa2,resnet50,LabelEmbed,,correlation", "0.088", "0.078"),
    ("3,imdb,bert,LwAL10+rpl,,epochs_reduced", "60", ""),
    ("3,yelp,bert,LWR5k,,auac", "88.5", "0.1"),
    ("4,cifar10,efficientnet_b0,LwAL10,2,best_accuracy", "76.1", "0.8"),
    ("4,food101,efficientnet_b0,LwAL10+rpl,5,best_accuracy", "20.8", "0.4"),
    ("5,mnist,efficientnet_b0,LWR2k,,auac", "99.3", "0.1"),
    ("5,cifar10,resnet50,LwAL,,best_accuracy", "72.0", "0.5"),
    ("5,cifar100,densenet121,LabelEmbed,,auac", "32.0", "1.4"),
    ("5,food101,efficientnet_b0,LwAL,,auac", "19.6", "0.4"),
]


@pytest.mark.parametrize(("key", "mean", "spread"), SPOT_CHECKS)
def test_spot_checks(printed, key, mean, spread):
    (row,) = [r for r in printed if ",".join(r[k] for k in KEYS) == key]
    assert (row["mean"], row["spread"]) == (mean, spread)


def test_nothing_is_there_twice_and_nothing_lacks(printed):
    keys = [tuple(row[k] for k in KEYS) for row in printed]
    assert len(set(keys)) == len(keys)
    # The benchmark finds these rows by their six keys.
    assert printed_rows().keys() == set(keys)
    grid = 5 * 3 * 9
    # STD's own epochs are not reduced.
    count = {"1": 2 * grid - 15, "2": 3 * 5, "3": 2 * (9 * 3 - 1), "4": 5 * 3 * 3}
    count["5"] = 2 * grid
    assert Counter(row["table"] for row in printed) == count
    for table in "15":
        rows = [row for row in printed if row["table"] == table]
        assert {r["dataset"] for r in rows} == IMAGES
        assert {r["backbone"] for r in rows} == BACKBONES
        assert {r["method"] for r in rows} == METHODS
    fourth = [row for row in printed if row["table"] == "4"]
    assert {r["warmup_steps"] for r in fourth} == {"0", "2", "5"}
    assert {r["method"] for r in fourth} == LWAL
    assert {r["backbone"] for r in fourth} == {"efficientnet_b0"}


def test_values_are_in_their_ranges(printed):
    for row in printed:
        if not row["mean"]:
            assert row["note"] in ("not reached", "not run")
            assert not row["spread"]
            continue
        mean, kind = float(row["mean"]), row["quantity"]
        if kind == "epochs_reduced":
            assert 0 < mean < 100
            assert mean % (5 if row["dataset"] in ("cifar100", "food101") else 10) == 0
            assert not row["spread"]
        elif kind == "correlation":
            assert -1 < mean < 1
            assert 0 < float(row["spread"]) < 0.2
        else:
            assert 1 < mean < 100
            assert 0 <= float(row["spread"]) <= 2.5


def test_the_mean_over_the_epochs_is_below_the_best(printed):
    both = {}
    for row in printed:
        if row["table"] in "35" and row["mean"]:
            of = both.setdefault(tuple(row[k] for k in KEYS[:4]), {})
            of[row["quantity"]] = float(row["mean"])
    assert len(both) == 18 + 5 * 27 - 3
    for of in both.values():
        assert of["auac"] <= of["best_accuracy"]


def test_w_0_of_table_4_is_table_1(printed):
    at = {tuple(row[k] for k in KEYS): row["mean"] for row in printed}
    own = [key for key in at if key[0] == "4" and key[4] == "0"]
    assert len(own) == 15
    for key in own:
        assert at[key] == at[("1", *key[1:4], "", key[5])]


def test_where_the_paper_lacks_a_value_nothing_is_printed():
    run = Run("digits", "pixels", "LwAL", 12, 5, 1e-3, 500)
    assert paper_value(1, run, "best_accuracy") == ""
    default = Run("cifar10", "resnet50", "library default", 12, 5, 1e-4, 500)
    assert paper_value(1, default, "best_accuracy") == ""
    assert {b for b, _ in NEIGHBOUR} < set(RATES)
    for (backbone, lr), other in NEIGHBOUR.items():
        assert lr in RATES[backbone]
        # The paper trains the other with the same rate.
        assert RATES[other] == (lr,)
