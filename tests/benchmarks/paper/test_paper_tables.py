"""Tables of the paper, recomputed from made-up curves."""

import numpy as np
import pytest
from _helpers import made_up_runs as made_up
from _helpers.made_up_runs import numbers, rows

from benchmarks._shared.grouping import grouped
from benchmarks.paper import tables

RNG = np.random.default_rng(0)
# Seeds 12, 123 and 1234, in percent: the best of STD is 60, 50 and 70, in epochs 4, 2
# and 4.
STD = [[20, 30, 50, 60], [20, 50, 30, 40], [10, 20, 30, 70]]

# Columns of the tables.
TIME, SECONDS, BEST, AUAC = 3, 4, 5, 7


def printed(cells):
    """The paper's: epochs reduced, best accuracy, AUAC."""
    return [cells[2], cells[6], cells[8]]


def by_hand(curve, reference):
    """100 (1 - e / E), or None."""
    for epoch, accuracy in enumerate(curve, 1):
        if accuracy >= max(reference):
            return 100 * (1 - epoch / len(curve))
    return None


def table_of(curves, **settings):
    shares = {m: np.array(own) / 100 for m, own in curves.items()}
    return rows(tables.speed_tables(made_up.found(shares, **settings)))


def test_accuracy_and_area_of_random_curves():
    curves = {m: RNG.uniform(5, 95, (3, 7)) for m in ("STD", "LWR2k", "LwAL10")}
    table = table_of(curves)
    for method, own in curves.items():
        best, area = [max(c) for c in own], [sum(c) / 7 for c in own]
        for values, cell in ((best, table[method][BEST]), (area, table[method][AUAC])):
            mean = sum(values) / 3
            spread = (sum((v - mean) ** 2 for v in values) / 3) ** 0.5
            np.testing.assert_allclose(numbers(cell), [mean, spread], atol=0.051)


def test_epochs_reduced_of_random_curves():
    curves = {m: RNG.uniform(5, 95, (3, 7)) for m in ("STD", "LWR2k", "LwAL10")}
    curves["LwAL"] = np.maximum(curves["STD"], RNG.uniform(50, 100, (3, 7)))
    table = table_of(curves)
    for method in ("LWR2k", "LwAL10", "LwAL"):
        values = map(by_hand, curves[method], curves["STD"])
        values = [v for v in values if v is not None]
        cell = numbers(table[method][1])
        if not values:
            assert cell == []
            continue
        expected = [np.mean(values), np.std(values)]
        np.testing.assert_allclose(cell[:2], expected, atol=0.51)
        assert cell[2:] == ([] if len(values) == 3 else [len(values), 3])
    # A curve that is nowhere below STD's reaches its best with each seed.
    assert len(numbers(table["LwAL"][1])) == 2


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        # The first epoch counts, not the best; epochs 1, 2 and 3 of 4.
        ([[61, 10, 80, 90], [10, 51, 99, 10], [0, 0, 71, 99]], [75, 50, 25]),
        # A tie is reached, a hair below it is not.
        ([[60, 0, 0, 0], [49.99, 0, 0, 50], [0, 70, 0, 0]], [75, 0, 50]),
        ([[59.99] * 4, [50] * 4, [69.99] * 4], [None, 75, None]),
        ([[59] * 4, [49] * 4, [69] * 4], [None, None, None]),
    ],
    ids=["all", "ties", "one seed", "never"],
)
def test_epochs_reduced_is_to_the_same_seeds_best(curves, expected):
    found = made_up.found({"STD": np.divide(STD, 100), "x": np.divide(curves, 100)})
    pairs = grouped(found, "method")
    values = tables.epochs_reduced(pairs[("x",)], pairs[("STD",)])
    assert values == expected
    cell = tables.reduced_cell(values)
    there = [v for v in expected if v is not None]
    if not there:
        assert cell == "-"
    else:
        assert numbers(cell)[0] == round(np.mean(there))
        assert ("of 3" in cell) == (len(there) < 3)


def test_std_is_the_reference_of_its_own_backbone_and_rate():
    low, high = ([[[a] * 5] * 3 for a in pair] for pair in ((0.2, 0.3), (0.6, 0.5)))
    found = {}
    for lr, (std, other) in ((1e-4, low), (1e-3, high)):
        found |= made_up.found({"STD": std, "LwAL": other}, lr=lr)
    first, second = made_up.tables(tables.speed_tables(found))
    assert numbers(first["LwAL"][1]) == [80, 0]
    assert first["LwAL"][BEST] == "30.0 ± 0.0"
    assert second["LwAL"][1] == "-"
    # STD reaches its own best in the first epoch of five.
    assert first["STD"][1] == second["STD"][1] == "(80 ± 0)"
    assert second["STD"][BEST] == "60.0 ± 0.0"


def test_without_std_there_is_nothing_to_compare_with():
    table = table_of({"LwAL": [[50.0, 60.0]] * 3})
    assert table["LwAL"][1] == table["LwAL"][TIME] == ""
    assert table["LwAL"][BEST] == "60.0 ± 0.0"


def test_seeds_that_are_not_there_yet():
    found = made_up.found({"STD": np.divide(STD, 100), "x": np.ones((3, 4))})
    found[made_up.run("STD", 123, max_epochs=4)] = None
    table = rows(tables.speed_tables(found))
    assert table["x"][1] == "75 ± 0"
    np.testing.assert_allclose(numbers(table["STD"][BEST]), [65, 5])


def test_time_reduced_counts_the_fastest_epoch():
    # STD's best of 70 in epoch 4 of 4; LwAL reaches it in epoch 2 and 1.
    found = made_up.found({"STD": [[0.4, 0.5, 0.6, 0.7]] * 2})
    for seed, curve in ((12, [0.6, 0.7, 0.7, 0.7]), (123, [0.7, 0.7, 0.7, 0.6])):
        found[made_up.run("LwAL", seed, max_epochs=4)] = made_up.result(curve, 0.5)
    for run, result in found.items():
        seconds = result["curves"]["seconds"]
        seconds[:] = [0.2] * 4 if run.method == "STD" else [9.0, 0.5, 0.6, 0.5]
        result["fit_seconds"] = sum(seconds)
    table = rows(tables.speed_tables(found))
    assert [table[m][SECONDS] for m in ("STD", "LwAL")] == ["0.2", "0.5"]
    assert table["STD"][TIME] == "(0)"
    # 1.5 epochs of 0.5 s where STD takes 4 of 0.2 s, 0.75 / 0.8; to the nearest ten.
    assert table["LwAL"][TIME] == "10"
    slow = {run: result for run, result in found.items() if run.method == "LwAL"}
    for result in slow.values():
        result["curves"]["seconds"] = [5.0] * 4
        result["fit_seconds"] = 20.0
    assert rows(tables.speed_tables(found))["LwAL"][TIME] == "-840"
    # Time before and after the epochs counts as well: (1.6 + 0.75) / 0.8.
    for result in slow.values():
        result["curves"]["seconds"] = [0.5] * 4
        result["fit_seconds"] = 3.6
    assert rows(tables.speed_tables(found))["LwAL"][TIME] == "-190"


def test_printed_values_stand_beside_ours():
    curves = {m: [[50.0] * 20] * 3 for m in ("STD", "LWR2k", "LwAL", "LwAL, refined")}
    table = table_of(curves)
    assert table["STD"][6::2] == ["40.5 ± 0.5", "35.4 ± 0.4"]
    assert printed(table["LwAL"]) == ["65", "43.2 ± 0.2", "38.6 ± 0.3"]
    # The paper has no such row.
    assert printed(table["LwAL, refined"]) == ["", "", ""]
    # The paper did not reach this.
    assert table["LWR2k"][2] == "-"
    # A backbone that the paper lacks has the printed values of another.
    table = table_of({"LwAL": curves["LwAL"]}, backbone="efficientnet_lite0")
    assert table["LwAL"][6] == "43.2 ± 0.2"
    texts = {"dataset": "imdb", "backbone": "minilm", "lr": 1e-4}
    found = made_up.found({"LwAL": curves["LwAL"]}, **texts)
    (texts,) = made_up.tables(tables.text_tables(found))
    assert printed(texts["LwAL"]) == ["30", "84.3 ± 0.1", "83.5 ± 0.2"]


def test_table_4_has_a_column_for_each_number_of_warmup_steps():
    found, curves = {}, {}
    for w in (5, 0, 2):
        curves[w] = RNG.uniform(10, 90, (3, 6))
        found |= made_up.found({"LwAL": curves[w] / 100}, warmup_steps=w)
    table = rows(tables.warmup_table(found), 3)
    cells = table[("CIFAR-100", "efficientnet_b0, rate 0.001", "LwAL")]
    for w, cell in zip((0, 2, 5), cells[3::2], strict=True):
        best = curves[w].max(1)
        np.testing.assert_allclose(numbers(cell), [best.mean(), best.std()], atol=0.051)
    assert cells[4::2] == ["43.2 ± 0.2", "42.5 ± 0.1", "42.5 ± 0.2"]


def test_table_4_keeps_backbones_apart():
    found = {}
    for backbone, accuracy in (("resnet50", 0.2), ("densenet121", 0.8)):
        curves = {"LwAL": [[accuracy] * 3] * 3}
        found |= made_up.found(curves, backbone=backbone, lr=1e-4)
    printed = tables.warmup_table(found)
    assert "20.0 ± 0.0" in printed
    assert "80.0 ± 0.0" in printed


def test_table_2_keeps_backbones_apart():
    found = {}
    for backbone in ("resnet50", "densenet121"):
        one = made_up.run("LwAL", dataset="cifar10", backbone=backbone)
        found[one] = {"label_distances": made_up.label_distances(10, RNG)}
    each = [tables.correlations([pair])[0] for pair in found.items()]
    printed = tables.structure_table(found)
    assert all(f"{value:.2f}" in printed for value in each)
