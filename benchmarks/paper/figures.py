"""The paper's figures, drawn from kept runs."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.cluster.hierarchy import linkage

from benchmarks._shared.figures import save
from benchmarks._shared.grouping import grouped
from benchmarks._shared.methods import REFINED
from benchmarks.paper.experiments import FEATURES
from benchmarks.paper.tables import accuracies, correlations, reference_distances
from sklearn_lwal.plots import LabelDendrogramDisplay, LearningCurvesDisplay
from sklearn_lwal.structure import label_linkage

STYLES = {
    "STD": {"color": "black"},
    "StaticLabel": {"color": "C7"},
    "LWR2k": {"color": "C4", "ls": ":"},
    "LWR3k": {"color": "C4", "ls": "-."},
    "LWR5k": {"color": "C4", "ls": "--"},
    "LabelEmbed": {"color": "C5"},
    "LwAL": {"color": "C1"},
    # Wide, because the next method's curve often lies upon it.
    "LwAL10": {"color": "C3", "lw": 5, "alpha": 0.4},
    "LwAL10+rpl": {"color": "C2"},
    "library default": {"color": "C0", "lw": 2.5},
}
REFINED_STYLE = {"ls": "--", "lw": 1, "alpha": 1.0}
TREES_A_ROW = 4


def draw_curves(found, path):
    """Figure 2: mean test accuracy over the epochs, a panel a backbone and rate."""
    panels = grouped(found, "dataset", "network", "lr")
    if not panels:
        return
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(1 + 4.5 * len(panels), 4.2),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for ax, ((_, network, lr), pairs) in zip(axes[0], panels.items(), strict=True):
        draw_panel(ax, dict(pairs))
        ax.set_title(f"{network}, rate {lr:g}")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", frameon=False)
    save(figure, path)


def draw_panel(ax, found):
    """One curve a method, and a line at STD's best accuracy."""
    by_method = grouped(found, "method")
    curves = {
        method: (np.arange(curve.shape[1]) + 1, curve.mean(0))
        for (method,), pairs in by_method.items()
        for curve in [accuracies(pairs)]
    }
    reference = "STD" if "STD" in curves else None
    display = LearningCurvesDisplay(curves, reference=reference).plot(ax)
    for line in ax.get_lines():
        line.set(**style_of(line.get_label()))
    display.ax_.set_ylabel("test accuracy, %")
    ax.get_legend().remove()


def style_of(method):
    """A method whose labels are refined looks like that without, but dashed."""
    style = STYLES.get(method.removesuffix(REFINED), {})
    return style | REFINED_STYLE if method.endswith(REFINED) else style


def draw_hierarchies(found, path):
    """Figure 3: average linkage of WordNet's distances and of each method's labels.

    Of several seeds of a method the first is drawn.
    """
    groups = grouped(found, "dataset", "method")
    if not groups:
        return
    dataset = next(iter(groups))[0]
    trees = {"WordNet": (label_linkage(reference_distances(dataset)), None)}
    for method, pairs in with_one_lwr(groups, dataset).items():
        tree = linkage(pairs[0][1]["label_distances"], "average")
        trees[method] = tree, correlations(pairs)[0]
    order = sorted(trees, key=lambda name: (name != "WordNet", name != FEATURES))
    n_rows = -(-len(order) // TREES_A_ROW)
    figure, axes = plt.subplots(
        n_rows,
        TREES_A_ROW,
        figsize=(3.2 * TREES_A_ROW, 2.7 * n_rows),
        squeeze=False,
        layout="constrained",
    )
    for ax, name in zip(axes.flat, order, strict=False):
        draw_tree(ax, name, *trees[name], class_labels(dataset, len(trees[name][0])))
    for ax in axes.flat[len(order) :]:
        ax.remove()
    save(figure, path)


def with_one_lwr(groups, dataset):
    """The methods' runs on a data set; LWR only with the k that does best."""
    own = {method: pairs for (of, method), pairs in groups.items() if of == dataset}
    lwr = [method for method in own if method.startswith("LWR")]
    lwr.sort(key=lambda method: -np.mean(correlations(own[method])))
    return {method: pairs for method, pairs in own.items() if method not in lwr[1:]}


def draw_tree(ax, name, tree, correlation, names):
    LabelDendrogramDisplay(tree, names).plot(ax)
    title = name if correlation is None else f"{name} ({correlation:.2f})"
    ax.set_title(title, fontsize=10)
    ax.set_xlabel("")
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)


def class_labels(dataset, n_merges):
    reference = reference_distances(dataset)
    if hasattr(reference, "names"):
        return list(reference.names)
    return [str(number) for number in range(n_merges + 1)]
