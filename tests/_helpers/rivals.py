"""The rivals of LwAL as the tests of all classifiers train them."""

from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

CLASSIFIERS = [
    LwALClassifier,
    STDClassifier,
    StaticLabelClassifier,
    LWRClassifier,
    LabelEmbedClassifier,
]
RIVALS = {
    "STD, penalties": STDClassifier(confidence_penalty=0.1, teacher_weight=0.1),
    "STD, cosine": STDClassifier(scores="cosine"),
    "STD, simplex": STDClassifier(scores="etf"),
    "StaticLabel": StaticLabelClassifier(),
    "LWR": LWRClassifier(update_every=2, l2=0.01),
    "LWR, hidden": LWRClassifier(
        variant="lwal", update_every=2, hidden_layer_sizes=(8,), dropout=0.5
    ),
    "LabelEmbed": LabelEmbedClassifier(),
    "LabelEmbed, hidden": LabelEmbedClassifier(hidden_layer_sizes=(8,)),
}
