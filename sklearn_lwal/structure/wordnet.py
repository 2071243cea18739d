"""WordNet distances between class names, computed by nltk or shipped as tables."""

from __future__ import annotations

import contextlib
import csv
import difflib
import io
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    import pandas as pd
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

# Files that nltk's reader opens; it needs no others of a WordNet directory.
PARTS = ("adj", "adv", "noun", "verb")
NEEDED = tuple(
    name for part in PARTS for name in (f"data.{part}", f"index.{part}", f"{part}.exc")
)
# nltk is not thread-safe: it loads its corpus at first use and seeks in shared files.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, eq=False)
class TaxonomyDistances:
    """Distances between classes in a taxonomy, with the names of the classes.

    ``np.asarray(reference)`` is the matrix of distances. The parameters are also the
    attributes.

    Parameters
    ----------
    names : tuple of n_classes str
        Names of the classes.
    distances : ndarray of shape (n_classes, n_classes)
        Distances in the order of ``names``.
    synsets : tuple of n_classes str
        The WordNet meaning assumed for each name.
    """

    names: tuple[str, ...]
    distances: np.ndarray
    synsets: tuple[str, ...]

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray:
        matrix = np.asarray(self.distances, dtype=dtype)
        return matrix.copy() if copy else matrix

    def to_frame(self) -> pd.DataFrame:
        """The distances as a pandas DataFrame with names as index and columns."""
        import pandas as pd

        return pd.DataFrame(self.distances, index=self.names, columns=self.names)


def paper_distances(dataset: str) -> TaxonomyDistances:
    """WordNet distances between the classes that the paper compares.

    These are lengths of shortest paths in WordNet 3.0, as in the paper [1]_ and in
    :func:`wordnet_distances`. They ship with the library, so neither nltk nor WordNet
    has to be installed.

    Parameters
    ----------
    dataset : {"cifar10", "fashion_mnist", "awa2"}
        All 10 classes of CIFAR-10, 8 of Fashion-MNIST (without T-shirt/top and Ankle
        boot) or 23 of Animals with Attributes 2.

    Returns
    -------
    reference : TaxonomyDistances
        Distances under the data set's own class names, in its own order.

    Raises
    ------
    ValueError
        If the data set is unknown.

    Notes
    -----
    The paper gives the numbers of classes, but neither lists the 23 nor says which
    sense of a name it uses. Both come from the authors' code: the first noun sense,
    except for eight animals whose first sense is something else (tiger.n.01 is a
    person). So Bag is any flexible container, bag.n.01, not the handbag, bag.n.04.

    WordNet 3.0 is copyright 2006 by Princeton University.

    References
    ----------
    .. [1] Xiao Yu and Nakul Verma, "Improving Model Training via Self-learned Label
       Representations", 2022, section "Semantic Label Representation".

    Examples
    --------
    >>> from sklearn_lwal.structure import paper_distances
    >>> reference = paper_distances("fashion_mnist")
    >>> reference.names[:3], reference.synsets[:3]
    (('Trouser', 'Pullover', 'Dress'), ('trouser.n.01', 'pullover.n.01', 'dress.n.01'))
    >>> reference.distances[:3, :3]
    array([[0., 3., 4.],
           [3., 0., 5.],
           [4., 5., 0.]])
    """
    folder = files(__package__) / "taxonomies"
    known = sorted(file.name[:-4] for file in folder.iterdir() if ".csv" in file.name)
    if dataset not in known:
        raise ValueError(f"dataset must be one of {known}. Got {dataset!r}.")
    text = (folder / f"{dataset}.csv").read_text(encoding="utf-8")
    _, *rows = csv.reader(text.splitlines())
    names, synsets, *columns = zip(*rows, strict=True)
    return TaxonomyDistances(names, np.array(columns, dtype=float).T, synsets)


def wordnet_distances(
    names: Sequence[str] | NDArray,
    senses: dict[str, str] | Sequence[str | None] | None = None,
    *,
    wordnet: str | PathLike[str] | WordNetCorpusReader | None = None,
) -> TaxonomyDistances:
    """Lengths of the shortest paths between names in WordNet.

    The path between two meanings (synsets) leads up to a common hypernym and down
    again; its length is the number of its edges. An edge also links an instance to its
    class.

    Parameters
    ----------
    names : sequence of n_classes str
        Class names. Case does not matter, and the words of a name may be separated by
        spaces, underscores or plus signs.
    senses : dict or sequence of n_classes str, default=None
        The synsets to use: a dict from names to synsets such as ``"bank.n.02"``, or one
        synset (or None) for each name. A name without one gets its first noun sense,
        which is the most frequent, but not always the one meant: the first ``tiger`` is
        a person. Check ``synsets`` of the result.
    wordnet : path or nltk reader, default=None
        A directory with WordNet's files, such as /usr/share/wordnet of Debian's package
        wordnet-base, or a reader of nltk; None takes ``nltk.corpus.wordnet``.

    Returns
    -------
    reference : TaxonomyDistances
        ``names``, ``distances`` of shape (n_classes, n_classes) and ``synsets``.

    Raises
    ------
    ValueError
        If a name or sense is not in WordNet; the message lists candidates. Also if two
        senses have no common hypernym, as may happen with verbs.
    ImportError
        If nltk is missing.
    FileNotFoundError
        If WordNet is missing.

    See Also
    --------
    paper_distances : Distances between the paper's classes, without nltk.

    Notes
    -----
    nltk reads only below the folders in ``nltk.data.path``, so a directory passed here
    is added to it during the call.

    Examples
    --------
    >>> from sklearn_lwal.structure import wordnet_distances
    >>> wordnet_distances(
    ...     ["house cat", "tiger", "dog"],
    ...     {"tiger": "tiger.n.02"},
    ...     wordnet="/usr/share/wordnet",
    ... ).distances  # doctest: +SKIP
    array([[0., 4., 2.],
           [4., 0., 5.],
           [2., 5., 0.]])
    """
    names = check_names(names)
    chosen = _senses_by_name(names, senses)
    with _one_at_a_time, _reader(wordnet) as reader:
        synsets = [_synset(reader, name, chosen.get(name)) for name in names]
        distances = np.zeros((len(names), len(names)))
        for i, one in enumerate(synsets):
            for j, other in enumerate(synsets[:i]):
                distances[i, j] = distances[j, i] = _path_length(one, other)
        found = tuple(synset.name() for synset in synsets)
    return TaxonomyDistances(tuple(names), distances, found)


def check_names(names):
    """The names as a list of distinct str."""
    if isinstance(names, str):
        raise ValueError("names is a sequence of str. Got a single str: pass [name].")
    names = np.asarray(names, dtype=object).ravel().tolist()
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong or not names:
        raise ValueError(f"names is a sequence of str. Got {names[:3]!r}.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"names must differ. There is more than one {twice[0]!r}.")
    return names


def _senses_by_name(names, senses):
    if senses is None:
        return {}
    if isinstance(senses, dict):
        unknown = [name for name in senses if name not in names]
        if unknown:
            raise ValueError(
                f"senses has {unknown[0]!r}, which is not one of the names {names}."
            )
        return senses
    if isinstance(senses, str) or len(senses) != len(names):
        raise ValueError(
            "senses must be a dict from names to synsets or have a synset (or None) "
            f"for each of the {len(names)} names. Got {senses!r}."
        )
    return dict(zip(names, senses, strict=True))


@contextlib.contextmanager
def _reader(wordnet):
    try:
        import nltk
    except ImportError as error:
        raise ImportError(
            "wordnet_distances needs nltk: pip install nltk. For the paper's classes, "
            "paper_distances works without it."
        ) from error
    if wordnet is None:
        yield _nltk_corpus()
    elif isinstance(wordnet, (str, PathLike)):
        directory = _check_directory(wordnet)
        with contextlib.ExitStack() as cleanup:
            nltk.data.path.append(str(directory))
            cleanup.callback(nltk.data.path.remove, str(directory))
            yield _directory_reader(directory, cleanup)
    elif hasattr(wordnet, "synsets"):
        yield wordnet
    else:
        raise TypeError(
            "wordnet must be None, a directory or an nltk reader. Got "
            f"{type(wordnet).__name__}."
        )


def _nltk_corpus():
    from nltk.corpus import wordnet

    try:
        wordnet.ensure_loaded()
    except LookupError as error:
        raise FileNotFoundError(
            "nltk finds no WordNet. Download it with nltk.download('wordnet'), or pass "
            "wordnet=DIRECTORY, such as '/usr/share/wordnet' of Debian's package "
            "wordnet-base."
        ) from error
    return wordnet


def _check_directory(directory):
    directory = Path(directory).expanduser().resolve()
    missing = [name for name in NEEDED if not (directory / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"wordnet={str(directory)!r} has no {missing[0]}. Pass the directory of "
            "WordNet's files, such as '/usr/share/wordnet' of Debian's package "
            "wordnet-base."
        )
    return directory


def _directory_reader(directory, cleanup):
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class DirectoryReader(WordNetCorpusReader):
        def open(self, file):
            if file == "lexnames" and not (directory / file).exists():
                # Debian leaves this file out. It holds the names of the lexicographers'
                # files, and no distance depends on them.
                lines = (f"{i:02d}\tunnamed.{i:02d}\t0\n" for i in range(100))
                return io.StringIO("".join(lines))
            # The reader never closes its files.
            return cleanup.enter_context(super().open(file))

        def map_wn(self, version="wordnet"):
            # The original looks for nltk's corpora to map other languages to this one.
            return None

    # False disables other languages; None would warn that they are missing.
    return DirectoryReader(str(directory), omw_reader=False)


def _lemma(name):
    """The spelling of a name in WordNet."""
    return re.sub(r"[\s_+]+", "_", name.strip()).lower()


def _synset(reader, name, sense):
    if sense is not None:
        return _synset_by_name(reader, name, sense)
    found = reader.synsets(_lemma(name), pos="n")
    if not found:
        raise ValueError(
            f"WordNet has no noun {name!r}. {_candidates(reader, _lemma(name))}"
            f"Choose by senses={{{name!r}: SYNSET}}, or leave the class out."
        )
    return found[0]


def _synset_by_name(reader, name, sense):
    from nltk.corpus.reader.wordnet import WordNetError

    text = str(sense)
    parts = re.fullmatch(r"(.+)\.([nvars])\.(\d+)", _lemma(text))
    # nltk treats number 0 as the last sense.
    if parts is None or int(parts[3]) == 0:
        raise ValueError(
            f"The sense of {name!r} must look like 'bank.n.02'. Got {text!r}. "
            f"{_candidates(reader, _lemma(text.split('.')[0]))}".rstrip()
        )
    try:
        return reader.synset(parts[0])
    except WordNetError as error:
        raise ValueError(
            f"WordNet has no synset {text!r}, which senses has for {name!r}. "
            f"{_candidates(reader, parts[1])}".rstrip()
        ) from error


def _candidates(reader, lemma, at_most=6):
    """A sentence that lists the closest synsets, or an empty string."""
    found = list(reader.synsets(lemma))
    if not found:
        # The last word of a name is usually its most general part.
        words = re.split(r"[^\w-]+|_", lemma)[::-1]
        alike = (word for word in reader.all_lemma_names("n") if word[0] == lemma[0])
        close = difflib.get_close_matches(lemma, alike) if lemma else []
        for word in [*words, *close]:
            found += reader.synsets(word, pos="n")[:2]
    listed = {synset.name(): synset.definition() for synset in found}
    if not listed:
        return ""
    lines = [f"{name!r} ({text})" for name, text in listed.items()][:at_most]
    return f"Candidates: {', '.join(lines)}. "


def _path_length(one, other):
    length = one.shortest_path_distance(other)
    if length is None:
        raise ValueError(
            f"WordNet has no path between {one.name()!r} and {other.name()!r}: they "
            "have no common hypernym. All nouns have one; pass senses that are nouns."
        )
    return length
