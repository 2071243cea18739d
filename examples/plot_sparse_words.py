"""
Words as sparse columns
=======================

Short messages, each made from a few words of its topic, go through TF-IDF into the
classifier as a sparse matrix. A map shows the topics.
"""

# %%
# The messages
# ------------
# The four topics have their own words, words that two topics share, and words that
# occur everywhere.
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_lwal import LwALClassifier
from sklearn_lwal.plots import LabelMapDisplay
from sklearn_lwal.structure import nearest_classes

WORDS = {
    "bank": "account card balance transfer interest loan payment invoice due",
    "shop": "order parcel delivery return size discount payment invoice due",
    "school": "lesson homework teacher exam class timetable trip monday week",
    "sports": "match training coach team league goal trip monday week",
}
COMMON = "dear please thank you we are the your for with and of in on"
random = np.random.default_rng(0)


def message(topic):
    own = random.choice(WORDS[topic].split(), 4)
    return " ".join([*own, *random.choice(COMMON.split(), 10)])


topics = np.repeat([*WORDS], 150)
texts = [message(topic) for topic in topics]
print(texts[0])

# %%
# The pipeline
# ------------
# Word columns are mostly zero. The classifier keeps their proportions, because
# standardising them would enlarge the rarest words most.
train, test, y, y_test = train_test_split(
    texts, topics, stratify=topics, random_state=0
)
pipeline = make_pipeline(TfidfVectorizer(), LwALClassifier(random_state=0))
pipeline.fit(train, y)
words, clf = pipeline
print(f"{pipeline.score(test, y_test):.1%} right")
print(nearest_classes(clf))

# %%
# The map
# -------
# Topics that share words have nearby labels.
LabelMapDisplay.from_estimator(clf, words.transform(test), y_test, s=14, alpha=0.5)
