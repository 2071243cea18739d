"""The errors of files, word for word: they tell what to do."""

import os

import pytest
import safetensors.torch
import torch
from torch import nn

from sklearn_lwal._serialization import checks
from sklearn_lwal._serialization import file as archive
from sklearn_lwal._utils.files import replacing

ADVICE = "The file is damaged or was altered: save the model again, or copy it anew."
SHORT = (
    "It is shorter than its first bytes say: it is not a file that save wrote, or only "
    "a part of one. Save the model again, or copy it anew."
)
NOT_OURS = (
    "It is not a file that the save method of a classifier wrote, or its first bytes "
    "are damaged: pass such a file, or copy it anew. Load pickle and joblib files with "
    "pickle and joblib, and only from people you trust."
)


def message_of(function, *args):
    with pytest.raises(ValueError, match=r".") as info:
        function(*args)
    return str(info.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a" * 78, repr("a" * 78)),
        ("a" * 79, "'" + "a" * 76 + "..."),
        (ValueError("a" * 200), "a" * 200),
        (ValueError("a" * 201), "a" * 197 + "..."),
        (ValueError("a\x00 \n b\u202e"), "a? b?"),
        (["a", 1], "['a', 1]"),
    ],
)
def test_values_are_shown_in_short(value, expected):
    assert archive.shown(value) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", SHORT),
        (b"1234567", SHORT),
        ((5).to_bytes(8, "little") + b"{}  ", SHORT),
        (bytes(8), NOT_OURS),
        (bytes(9), NOT_OURS),
        ((2).to_bytes(8, "little") + b"{}", NOT_OURS),
    ],
)
def test_what_is_no_file_of_ours(data, expected, tmp_path):
    (tmp_path / "model").write_bytes(data)
    assert message_of(archive.read, tmp_path / "model") == expected


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    # A pipe without a writer would block whoever opens it.
    keep = os.open(tmp_path / "pipe", os.O_RDWR)
    found = message_of(archive.read, tmp_path / "pipe")
    os.close(keep)
    assert found == "It is not a regular file. Pass the path given to save."


def test_the_number_of_another_format(tmp_path):
    metadata = {"library": "sklearn_lwal", "format": "12"}
    safetensors.torch.save_file({}, tmp_path / "model", metadata)
    assert message_of(archive.read, tmp_path / "model") == (
        "Its format has number '12', but this version of sklearn_lwal reads number 1. "
        "Install the version that wrote it, or a later one."
    )


def test_content_that_is_missing_or_no_json(tmp_path):
    for content in (None, "NaN"):
        metadata = {"library": "sklearn_lwal", "format": "1"}
        metadata |= {"sha256": archive._checksum(content, {})}
        metadata |= {} if content is None else {"content": content}
        safetensors.torch.save_file({}, tmp_path / "model", metadata)
        found = message_of(archive.read, tmp_path / "model")
        assert found.startswith("It holds no valid JSON (")
        assert found.endswith(f"). {ADVICE}")
    assert "(NaN is not valid JSON)" in found


def test_content_that_no_file_can_hold(tmp_path, monkeypatch):
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON compliant"):
            archive.write(tmp_path / "model", {"a": number}, {})
    archive.write(tmp_path / "model", {}, {})
    length = int.from_bytes((tmp_path / "model").read_bytes()[:8], "little")
    monkeypatch.setattr(archive, "MAX_HEADER", length)
    archive.write(tmp_path / "model", {}, {})
    monkeypatch.setattr(archive, "MAX_HEADER", length - 1)
    assert message_of(archive.write, tmp_path / "model", {}, {}) == (
        f"The contents other than arrays take more than {length - 1} bytes. Pass long "
        "lists of numbers, such as label_embeddings, as arrays."
    )


def test_the_checksum_tells_types_and_shapes_apart():
    alike = [torch.zeros(4), torch.zeros(2, 2), torch.zeros(4, dtype=torch.int32)]
    found = {archive._checksum("{}", {"a": tensor}) for tensor in alike}
    assert len(found) == 3


def test_tensors_of_another_model_are_listed():
    module = nn.ModuleDict({name: nn.Linear(1, 1, bias=False) for name in "abcde"})
    stored = {name: torch.zeros(1) for name in "vwxyz"}
    assert message_of(checks.check_tensors, stored, module, "network") == (
        "Its network is not the one that its parameters make (missing: ['a.weight', "
        "'b.weight', 'c.weight'], surplus: ['v', 'w', 'x']). " + ADVICE
    )


def test_buffers_that_are_too_large(monkeypatch):
    monkeypatch.setattr(checks, "UNSTORED", 0)
    module = nn.Module()
    module.register_buffer("eye", torch.eye(3), persistent=False)
    assert message_of(checks.check_unstored, module) == (
        "The model needs 36 bytes for buffers that the file does not store, which is "
        "too much for a file of this size."
    )


def test_a_link_that_leads_nowhere_is_an_error(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"), replacing(tmp_path / "a"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
