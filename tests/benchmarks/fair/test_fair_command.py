"""``python -m benchmarks fair``, and the runs that it keeps."""

import json

import pytest
from _helpers.made_up_runs import kept, tables

from benchmarks.__main__ import main
from benchmarks.fair import views


@pytest.mark.slow
def test_fair_as_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(views, "RATES", (1e-3, 1e-2))
    options = ["fair", "--scale", "smoke", "--out", str(tmp_path), "--methods", "LwAL"]
    options += ["--seeds", "12", "--epochs", "2"]
    main([*options, "--device", "cpu", "--data-root", str(tmp_path)])
    printed = capsys.readouterr().out
    seconds, rates, few = tables(printed)
    assert [*seconds] == ["method", "LwAL"]
    assert [*rates] == ["data", "digits"]
    assert len(rates["data"]) == 2 + len(views.RATES)
    assert few["data"][2:] == ["5", "20", "50", "all"]
    pictures = [*tmp_path.glob("*.png")]
    assert len(pictures) == 3
    for path in pictures:
        assert str(path) in printed
        assert path.read_bytes().startswith(b"\x89PNG\r\n")
        assert path.stat().st_size < 200_000
    before = kept(tmp_path)
    runs = [json.loads(line)["run"] for line in before]
    parts = {(run["tested"], run["per_class"]) for run in runs}
    assert parts == {(tested, n) for tested in (False, True) for n in (0, 5, 20, 50)}
    main(options)
    assert tables(capsys.readouterr().out) == [seconds, rates, few]
    assert kept(tmp_path) == before
