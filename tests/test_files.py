"""Paths, files that are replaced, and what is left of those that were not."""

import errno
import os
import time
from pathlib import Path

import pytest

from sklearn_lwal._utils import files
from sklearn_lwal._utils.files import (
    LEFT_OVER,
    as_path,
    naming,
    remove_leftovers,
    replacing,
)


@pytest.mark.parametrize("path", ["a/ü", Path("a/ü"), "a/ü".encode()])
def test_paths(path):
    assert as_path(path) == "a/ü"


def test_home(monkeypatch):
    monkeypatch.setenv("HOME", "/at/home")
    monkeypatch.setenv("USERPROFILE", "/at/home")
    assert as_path("~/a") == "/at/home/a"
    assert as_path("a~") == "a~"


def test_what_is_no_path():
    with pytest.raises(
        TypeError,
        match=r"^The 'path' parameter must be the path of a file, a str or "
        r"os\.PathLike\. Got int\. Bytes in memory go through a file, such as one in "
        r"tempfile\.TemporaryDirectory\(\)\.$",
    ) as caught:
        as_path(3)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("error", "number", "words"),
    [
        (OSError(errno.ENOSPC, "No space", "other"), errno.ENOSPC, "No space"),
        (OSError("Odd"), errno.EIO, "Odd"),
        (FileNotFoundError(errno.ENOENT, "None", "x"), errno.ENOENT, "None"),
    ],
)
def test_errors_name_the_file(error, number, words):
    with pytest.raises(OSError, match=words) as caught, naming(Path("asked for")):
        raise error
    found = caught.value
    assert (found.errno, found.strerror, found.filename) == (number, words, "asked for")
    assert type(found) is type(OSError(number, words))
    assert found.__cause__ is error


def test_other_errors_stay():
    with pytest.raises(KeyError), naming("a"):
        raise KeyError


def written(path, data=b"new"):
    with replacing(path) as file:
        file.write(data)
    return Path(path).read_bytes()


def test_a_file_is_there_once_it_is_complete(tmp_path):
    path = tmp_path / "model"
    assert written(path) == b"new"
    with replacing(path) as file:
        file.write(b"other")
        assert path.read_bytes() == b"new"
        (beside,) = (p for p in tmp_path.iterdir() if p != path)
        assert beside.name.startswith(".sklearn_lwal-")
        assert beside.suffix == ".tmp"
    assert path.read_bytes() == b"other"
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert written("model") == b"new"


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_nothing_stays_of_what_was_broken_off(tmp_path, error):
    path = tmp_path / "model"
    written(path, b"old")

    def fail():
        with replacing(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [path]


def test_rights_are_those_of_the_file_before(tmp_path):
    path = tmp_path / "model"
    written(path)
    for mode in (0o600, 0o640, 0o444):
        path.chmod(mode)
        written(path)
        assert path.stat().st_mode & 0o777 == mode


def test_links_are_followed(tmp_path):
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder / "model")
    # At first it leads to nothing.
    for data in (b"a", b"b"):
        assert written(link, data) == data
        assert link.is_symlink()
        assert [p.name for p in folder.iterdir()] == ["model"]


def test_what_is_no_file(tmp_path):
    with pytest.raises(OSError, match="Not a regular file") as caught:
        written(tmp_path)
    assert caught.value.errno == errno.EINVAL
    assert caught.value.filename == str(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(OSError, match="link"):
        written(link)


def test_leftovers(tmp_path):
    folder = tmp_path / "[a]*"
    folder.mkdir()
    ages = {"old": LEFT_OVER + 60, "new": LEFT_OVER - 60}
    for name, age in ages.items():
        path = folder / f".sklearn_lwal-{name}.tmp"
        path.touch()
        os.utime(path, (0, time.time() - age))
    others = [folder / ".sklearn_lwal-a.txt", folder / "other.tmp", folder / "model"]
    for path in others:
        path.touch()
        os.utime(path, (0, 0))
    remove_leftovers(folder)
    left = {p.name for p in folder.iterdir()}
    assert left == {".sklearn_lwal-new.tmp", *(path.name for path in others)}
    # Writing tidies up, too.
    os.utime(folder / ".sklearn_lwal-new.tmp", (0, 0))
    written(folder / "model")
    assert not (folder / ".sklearn_lwal-new.tmp").exists()


def test_a_leftover_that_is_gone_already(tmp_path):
    files.remove_if_old(tmp_path / "none")


@pytest.mark.skipif(os.name != "posix", reason="folders can not be opened")
def test_the_folder_is_on_the_disk_as_well(tmp_path, monkeypatch):
    synced, closed = [], []
    fsync, close = os.fsync, os.close

    def note(descriptor):
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def note_close(descriptor):
        closed.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "close", note_close)
    written(tmp_path / "model")
    assert synced == [(tmp_path / "model").stat().st_ino, tmp_path.stat().st_ino]
    assert len(closed) == 1
    # Some can not be.
    files._sync_folder(tmp_path / "none")
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        files._sync_folder(tmp_path)
    assert len(synced) == 2
