"""The values that the paper prints, to stand beside this library's."""

import csv
from functools import cache
from pathlib import Path

VALUES = Path(__file__).with_suffix(".csv")
# A backbone that the paper lacks stands beside one of the paper's: for images beside
# the one that the paper trains with the same rate.
NEIGHBOUR = {
    ("efficientnet_lite0", 1e-4): "resnet50",
    ("efficientnet_lite0", 1e-3): "efficientnet_b0",
    ("minilm", 1e-4): "bert",
}


@cache
def printed():
    """All of them, {(table, dataset, backbone, method, w, quantity): row}."""
    with VALUES.open() as f:
        return {tuple(row.values())[:6]: row for row in csv.DictReader(f)}


def paper_value(table, run, quantity, warmup_steps=""):
    """The printed value next to a run, as text; "" if there is none."""
    backbone = NEIGHBOUR.get((run.backbone, run.lr), run.backbone)
    backbone = "resnet50" if table == 2 else backbone
    # Table 2 has the best k of learning with retrospection.
    method = "LWR" if table == 2 and run.method.startswith("LWR") else run.method
    where = (run.dataset, backbone, method, str(warmup_steps), quantity)
    row = printed().get((str(table), *where))
    if row is None:
        return ""
    if not row["mean"]:
        return "-"
    star = "*" if row["note"] else ""
    return row["mean"] + (f" ± {row['spread']}" if row["spread"] else "") + star
