"""Distances in WordNet: those that are shipped, and those that nltk computes."""

import contextlib
import csv
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _helpers.small_wordnet import write_wordnet

from sklearn_lwal.structure import (
    TaxonomyDistances,
    paper_distances,
    structure_correlation,
    wordnet_distances,
)
from sklearn_lwal.structure.wordnet import _reader

DEBIAN = Path("/usr/share/wordnet")
PAPER = {"cifar10": 10, "fashion_mnist": 8, "awa2": 23}
papers = pytest.mark.parametrize("dataset", PAPER)


class TestPaper:
    @papers
    def test_shipped(self, dataset):
        reference = paper_distances(dataset)
        n = PAPER[dataset]
        assert len(set(reference.names)) == len(set(reference.synsets)) == n
        assert np.asarray(reference).shape == (n, n)
        np.testing.assert_array_equal(reference.distances, reference.distances.T)
        np.testing.assert_array_equal(reference.distances == 0, np.eye(n) == 1)
        assert structure_correlation(reference, reference) == pytest.approx(1)

    def test_some_known_paths(self):
        frame = paper_distances("cifar10").to_frame()
        assert frame.loc["automobile", "truck"] == 2  # both are motor vehicles
        assert frame.loc["dog", "cat"] == 4  # canine, carnivore, feline
        assert frame.loc["airplane", "horse"] == frame.to_numpy().max()

    @papers
    def test_plain_files(self, dataset):
        path = files("sklearn_lwal.structure") / "taxonomies" / f"{dataset}.csv"
        frame = pd.read_csv(path, index_col="name").drop(columns="synset")
        reference = paper_distances(dataset)
        pd.testing.assert_frame_equal(
            frame.astype(float).rename_axis(None), reference.to_frame()
        )
        assert b"\r" not in path.read_bytes()

    def test_an_unknown_one(self):
        with pytest.raises(ValueError, match=r"\['awa2', 'cifar10', 'fashion_mnist'\]"):
            paper_distances("imagenet")

    @papers
    def test_recomputed(self, dataset, wordnet):
        shipped = paper_distances(dataset)
        senses = dict(zip(shipped.names, shipped.synsets, strict=True))
        found = wordnet_distances(shipped.names, senses, wordnet=wordnet)
        assert found.names == shipped.names
        assert found.synsets == shipped.synsets
        np.testing.assert_array_equal(found.distances, shipped.distances)
        # All but the eight animals are the first noun sense.
        first = wordnet_distances(shipped.names, wordnet=wordnet).synsets
        others = {b for a, b in zip(first, shipped.synsets, strict=True) if a != b}
        animals = "dalmatian skunk tiger leopard chihuahua weasel otter raccoon"
        expected = set(animals.split()) if dataset == "awa2" else set()
        assert {synset.split(".")[0] for synset in others} == expected


@pytest.fixture(scope="module")
def wordnet():
    """A reader of WordNet itself, whose files take seconds to read."""
    pytest.importorskip("nltk", reason="nltk is not installed")
    with contextlib.ExitStack() as closing:
        try:
            known = DEBIAN if DEBIAN.is_dir() else None
            yield closing.enter_context(_reader(known))
        except FileNotFoundError:
            pytest.skip("WordNet is not installed: apt-get install wordnet-base")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    pytest.importorskip("nltk", reason="nltk is not installed")
    return write_wordnet(tmp_path_factory.mktemp("small") / "wordnet")


class TestWordNet:
    def test_shortest_paths(self, small):
        names = ["Siamese cat", "dog", "person", "Paris"]
        found = wordnet_distances(names, wordnet=small)
        expected = [
            [0, 3, 5, 5],  # siamese - cat - animal - dog
            [3, 0, 3, 4],  # dog - pet - entity - person, not through animal
            [5, 3, 0, 4],  # ... - object - city - Paris, an instance of it
            [5, 4, 4, 0],
        ]
        np.testing.assert_array_equal(found.distances, expected)
        assert found.names == tuple(names)
        assert found.synsets == (
            "siamese_cat.n.01",
            "dog.n.01",
            "person.n.01",
            "paris.n.01",
        )
        assert isinstance(found, TaxonomyDistances)
        backwards = wordnet_distances(names[::-1], wordnet=str(small))
        np.testing.assert_array_equal(backwards, np.array(expected)[::-1, ::-1])

    @pytest.mark.parametrize(
        "name",
        ["siamese_cat", "SIAMESE CAT", "siamese+cat", " Siamese  cat ", "siamese"],
    )
    def test_spellings(self, small, name):
        found = wordnet_distances([name, "kitties"], wordnet=small)
        assert found.synsets == ("siamese_cat.n.01", "cat.n.01")
        assert found.names == (name, "kitties")

    @pytest.mark.parametrize(
        "senses",
        [
            {"tiger": "tiger.n.02"},
            ["tiger.n.02", None],
            ("TIGER.n.2", "dog.n.01"),
            np.array(["tiger.n.02", "dog.n.01"]),
        ],
    )
    def test_senses(self, small, senses):
        plain = wordnet_distances(["tiger", "dog"], wordnet=small)
        assert plain.synsets[0] == "tiger.n.01"
        assert plain.distances[0, 1] == 4
        chosen = wordnet_distances(["tiger", "dog"], senses, wordnet=small)
        assert chosen.synsets == ("tiger.n.02", "dog.n.01")
        assert chosen.distances[0, 1] == 3

    @pytest.mark.parametrize(
        ("names", "senses", "match"),
        [
            (["ankle boot"], None, r"no noun 'ankle boot'. Candidates: 'boot.n.01' \("),
            (["dogg"], None, r"Candidates: 'dog.n.01' \(what dog means\)"),
            (["run"], None, r"no noun 'run'. Candidates: 'run.v.01'"),
            (["zyx"], None, r"no noun 'zyx'. Choose by senses=\{'zyx': SYNSET\}"),
            ([""], None, "no noun ''"),
            (["dog"], {"dog": "tiger.n.03"}, r"'tiger.n.03'.*Candidates: 'tiger.n.01'"),
            (["dog"], {"dog": "wug.n.01"}, "no synset 'wug.n.01', which senses has"),
            (["dog"], {"dog": "tiger.n.00"}, "must look like 'bank.n.02'"),
            (["dog"], ["dog"], "must look like 'bank.n.02'. Got 'dog'. Candidates"),
            (["dog"], {"Dog": "dog.n.01"}, "senses has 'Dog', which is not one of"),
            (["dog"], [], "for each of the 1 names"),
            (["dog"], "dog.n.01", "for each of the 1 names"),
            (["dog", "abyss"], None, "no path between 'abyss.n.01' and 'dog.n.01'"),
            (["a", "b"], ["run.v.01", "think.v.01"], "pass senses that are nouns"),
            (["dog", "dog"], None, "more than one 'dog'"),
            ("dog", None, r"pass \[name\]"),
            ([1, 2], None, r"sequence of str. Got \[1, 2\]"),
            ([], None, "sequence of str"),
        ],
    )
    def test_errors(self, small, names, senses, match):
        with pytest.raises(ValueError, match=match):
            wordnet_distances(names, senses, wordnet=small)

    def test_nltk_is_left_as_it_was(self, small):
        import nltk

        before = list(nltk.data.path)
        wordnet_distances(["dog"], wordnet=small)
        with pytest.raises(ValueError, match="no noun"):
            wordnet_distances(["wug"], wordnet=small)
        assert nltk.data.path == before

    def test_the_corpus_of_nltk(self, tmp_path):
        pytest.importorskip("nltk", reason="nltk is not installed")
        folder = write_wordnet(tmp_path / "corpora" / "wordnet")
        (folder / "index.sense").write_bytes(b"")
        lexnames = (f"{i:02d}\tnoun.{i:02d}\t1\n" for i in range(45))
        (folder / "lexnames").write_text("".join(lexnames))
        # In a process of its own: nltk keeps the corpus that it found first.
        code = (
            "import nltk; nltk.data.path[:] = []\n"
            "from sklearn_lwal.structure import wordnet_distances\n"
            "try:\n"
            "    wordnet_distances(['dog'])\n"
            "except FileNotFoundError as error:\n"
            "    print(error)\n"
            f"nltk.data.path[:] = [{str(tmp_path)!r}]\n"
            "found = wordnet_distances(['dog', 'paris'])\n"
            "again = wordnet_distances(['dog', 'paris'], wordnet=nltk.corpus.wordnet)\n"
            "print(found.distances[0, 1], again.distances[0, 1])\n"
        )
        missing, distances = _run(code).splitlines()
        assert "nltk.download('wordnet')" in missing
        assert distances == "4.0 4.0"

    def test_without_wordnet(self, tmp_path):
        pytest.importorskip("nltk", reason="nltk is not installed")
        for directory in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(FileNotFoundError, match=r"has no data\.adj"):
                wordnet_distances(["dog"], wordnet=directory)
        with pytest.raises(TypeError, match="Got int"):
            wordnet_distances(["dog"], wordnet=3)

    def test_without_nltk(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "nltk", None)
        with pytest.raises(ImportError, match="pip install nltk"):
            wordnet_distances(["dog"])
        assert len(paper_distances("awa2").names) == 23

    def test_threads_take_turns(self):
        pytest.importorskip("nltk", reason="nltk is not installed")
        inside = []

        class Synset:
            def name(self):
                return "dog.n.01"

        class Reader:
            def synsets(self, lemma, pos):
                inside.append(len(inside))
                time.sleep(0.02)
                return [Synset()] if inside.pop() == 0 else []

        with ThreadPoolExecutor(4) as pool:
            work = [
                pool.submit(wordnet_distances, ["dog"], wordnet=Reader())
                for _ in range(4)
            ]
        assert [w.result().synsets for w in work] == [("dog.n.01",)] * 4


def test_imports_neither_nltk_nor_pandas():
    sources = files("sklearn_lwal.structure").glob("*.py")
    lines = [line for file in sources for line in file.read_text().splitlines()]
    top = [line for line in lines if line.startswith(("import", "from"))]
    packages = {line.split()[1].split(".")[0] for line in top}
    assert packages - sys.stdlib_module_names <= {"numpy", "scipy", "sklearn", ""}


def test_the_files_have_a_column_for_each_row():
    for dataset in PAPER:
        path = files("sklearn_lwal.structure") / "taxonomies" / f"{dataset}.csv"
        header, *rows = csv.reader(path.read_text().splitlines())
        assert header == ["name", "synset", *(row[0] for row in rows)]


def _run(code):
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
