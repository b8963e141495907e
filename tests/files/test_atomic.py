"""Files and folders appear whole or not at all."""

import json
import os
import tempfile

import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.files.atomic import (
    folder_written_beside,
    json_text,
    read_json,
    write_json,
    write_text,
    written_beside,
)


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("good")
    with pytest.raises(RuntimeError), written_beside(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "good"
    assert [file.name for file in tmp_path.iterdir()] == ["result.txt"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(RuntimeError), folder_written_beside(out) as beside:
        (beside / "half").mkdir()
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    for number, replace in enumerate((False, False, True)):
        with folder_written_beside(out, replace=replace) as beside:
            (beside / "model").mkdir()
            (beside / "model" / f"part{number}").touch()
            (beside / f"card{number}").touch()
        inside = {path.relative_to(out).as_posix() for path in out.rglob("*")}
        kept = set() if replace else {f"card{before}" for before in range(number)}
        assert inside == {"model", f"model/part{number}", f"card{number}"} | kept
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("absolute", [False, True], ids=["own", "absolute"])
@pytest.mark.parametrize("way", ["dot", "relative", "link"])
def test_the_content_of_a_folder_that_stays_is_replaced(tmp_path, monkeypatch, way, absolute):
    """From Python 3.12 on a temporary folder in a relative one has an absolute path."""
    if absolute:
        make = tempfile.mkdtemp
        monkeypatch.setattr(tempfile, "mkdtemp", lambda *given, **named: os.path.abspath(make(*given, **named)))
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").touch()
    (tmp_path / "link").symlink_to(out)
    monkeypatch.chdir(out)
    named = {"dot": ".", "relative": "../out", "link": tmp_path / "link"}[way]
    with pytest.raises(RuntimeError), folder_written_beside(named, replace=True) as beside:
        raise RuntimeError
    assert [one.name for one in out.iterdir()] == ["old"]
    with folder_written_beside(named, replace=True) as beside:
        (beside / "new").touch()
    assert [one.name for one in out.iterdir()] == ["new"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link", "out"]


def test_json_reads_back(tmp_path):
    content = {"a": [1, 2], "per_image": {f"image{n}": [[n, 0], [0, n]] for n in range(40)}, "none": None, "é": 0.1}
    write_json(tmp_path / "x.json", content)
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == content
    assert max(map(len, json_text(content).splitlines())) < 120


def test_json_that_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(LandslideError, match=r"missing\.json: cannot be read \(No such file or directory\)"):
        read_json(tmp_path / "missing.json")
    (tmp_path / "damaged.json").write_text('{"miou": 0.')
    with pytest.raises(LandslideError, match=r"damaged\.json: is not valid JSON"):
        read_json(tmp_path / "damaged.json")


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(LandslideError, match=r"file.text: cannot be written \(.*\); choose another place"):
        write_text(tmp_path / "file" / "text", "ours")
    with (
        pytest.raises(LandslideError, match=r"file.folder: cannot be written \(.*\); choose another place"),
        folder_written_beside(tmp_path / "file" / "folder"),
    ):
        pytest.fail("there is nowhere to write to")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "mine"
