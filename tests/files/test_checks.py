"""Whether a path may be written is only asked."""

from pathlib import Path

import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.files.checks import check_image_path, check_made_by, continued, free_folder, nearest_existing


def test_a_free_folder_is_only_checked(tmp_path):
    free_folder(tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(LandslideError, match="is a file"):
        free_folder(tmp_path / "file")
    with pytest.raises(LandslideError, match="--overwrite"):
        free_folder(tmp_path)
    free_folder(tmp_path, overwrite=True)


def test_nothing_is_replaced_and_gone_on_with_at_once(tmp_path):
    (tmp_path / "mark.json").write_text("{}")
    with pytest.raises(LandslideError, match="Give --overwrite or --resume, not both"):
        continued(tmp_path, "mark.json", {}, made_by="a test", overwrite=True, resume=True)
    for how in ("overwrite", "resume"):
        assert continued(tmp_path, "mark.json", {}, made_by="a test", **{how: True}) == (how == "resume")


def test_above_a_drive_that_is_not_there_is_nothing(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert nearest_existing("/a/b") == Path("/")


def test_a_folder_and_a_name_of_no_image_are_no_places_for_a_picture(tmp_path):
    with pytest.raises(LandslideError, match=r"map\.txt: is no image; give a name that ends in one of \.png, "):
        check_image_path(tmp_path / "map.txt")
    (tmp_path / "map.png").mkdir()
    with pytest.raises(LandslideError, match=r"map\.png: is a folder; give the name of a file"):
        check_image_path(tmp_path / "map.png")
    check_image_path(tmp_path / "new" / "map.png")
    assert [path.name for path in tmp_path.iterdir()] == ["map.png"]


def test_only_what_was_made_so_before_may_be_replaced(tmp_path):
    check_made_by(tmp_path / "new.html", "mine")
    (tmp_path / "old.html").write_text(f"<!-- made by mine -->{'x' * 5000}")
    check_made_by(tmp_path / "old.html", "mine")
    for name, text in (("other.html", "<p>a thesis"), ("late.html", f"{'x' * 5000}mine"), ("empty.html", "")):
        (tmp_path / name).write_text(text)
        with pytest.raises(LandslideError, match=f"{name}: exists and was not made so before; choose another --out"):
            check_made_by(tmp_path / name, "mine")
    with pytest.raises(LandslideError, match="is a folder"):
        check_made_by(tmp_path, "mine")
