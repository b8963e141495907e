"""Files and folders appear whole or not at all."""

import json
import os
import shutil
from pathlib import Path

import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.files import atomic
from keras_landslide.files.atomic import (
    folder_written_beside,
    json_text,
    read_json,
    write_json,
    write_text,
    written_beside,
)
from keras_landslide.files.checks import free_folder


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


@pytest.mark.parametrize("way", ["dot", "relative", "link"])
def test_the_content_of_a_folder_that_stays_is_replaced(tmp_path, monkeypatch, way):
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


OLD, NEW = {"model/weights": "old", "card": "old", "notes": "old"}, {"model/weights": "new", "card": "new"}


def content(folder) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def killed_at(step: int, out, replace: bool) -> bool:
    """Replace the content of `out` in a process that is killed before its `step`-th change; whether it was."""
    child = os.fork()
    if child == 0:
        left = [step]

        def or_die(usual):
            def change(*given, **named):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
                return usual(*given, **named)

            return change

        for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
            setattr(Path, name, or_die(getattr(Path, name)))
        atomic.shutil.rmtree = or_die(shutil.rmtree)
        with folder_written_beside(out, replace=replace) as beside:
            for name, text in NEW.items():
                write_text(beside / name, text)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("replace", [False, True])
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_and_the_next_run_says_which(tmp_path, caplog, replace):
    new = NEW if replace else {**OLD, **NEW}
    ends, step = [], 0
    while True:
        out = tmp_path / str(step)
        for name, text in OLD.items():
            write_text(out / name, text)
        killed = killed_at(step, out, replace)
        half_moved = content(out) not in (OLD, new)
        caplog.clear()
        free_folder(out, overwrite=True)
        said = " ".join(caplog.messages)
        found = {name: text for name, text in content(out).items() if not name.startswith(".writing-")}
        assert found in (OLD, new)
        assert not half_moved or "complete now" in said or "the files beside it are whole" in said
        assert (found == new) or not killed or not said or "whole" in said
        ends.append((killed, found == new, "complete now" in said))
        if not killed:
            break
        step += 1
    assert ends[-1] == (False, True, False)
    assert (True, False, False) in ends and (True, True, True) in ends  # killed before it counted, and after


@pytest.mark.parametrize("left", ["replacing", "adding"])
def test_new_content_comes_after_what_a_killed_program_had_finished(tmp_path, left):
    """Also where nobody asked whether the folder is free: neither may remove the other's way."""
    for number in range(4):  # whichever the system lists first
        out = tmp_path / str(number)
        write_text(out / f".{left}-{number}" / "earlier", "earlier")
        with folder_written_beside(out) as beside:
            write_text(beside / "later", "later")
        assert content(out) == {"earlier": "earlier", "later": "later"}


def test_what_a_killed_program_left_is_said_once(tmp_path, caplog):
    write_text(tmp_path / "out" / "old", "old")
    (tmp_path / "out" / ".writing-abc").mkdir()
    with folder_written_beside(free_folder(tmp_path / "out", overwrite=True)) as beside:
        write_text(beside / "new", "new")
    (said,) = caplog.messages
    assert ".writing-abc: is of a program that was killed" in said
    assert content(tmp_path / "out") == {"old": "old", "new": "new"}


def test_files_have_the_rights_of_any_new_file_and_nobody_elses_change(tmp_path, monkeypatch):
    """The umask is the process's: while one thread changed it, files of all others would have other rights."""
    (tmp_path / "plain").touch()
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("changed"))
    write_text(tmp_path / "written", "text")
    with folder_written_beside(tmp_path / "folder") as beside:
        write_text(beside / "inside", "text")
    modes = {(tmp_path / name).stat().st_mode for name in ("plain", "written", "folder/inside")}
    assert len(modes) == 1


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
