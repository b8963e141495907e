"""A zip archive is unpacked into its folder or not at all."""

import errno
import stat
import struct
import zipfile

import numpy as np
import pytest

from keras_landslide.data.prepare import archive
from keras_landslide.data.prepare.archive import unpack_images, unpacked
from keras_landslide.errors import LandslideError


@pytest.fixture
def zipped(tmp_path):
    """An archive of files by name; the target is made too."""
    (tmp_path / "target").mkdir()

    def make(**files):
        path = tmp_path / "in.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in files.items():
                file.writestr(name, content)
        return path

    return make


def refused(path, tmp_path, text):
    with pytest.raises(LandslideError, match=text) as error:
        unpack_images(path, tmp_path / "target")
    assert not list((tmp_path / "target").iterdir())
    return error.value


def test_images_are_unpacked_and_the_folder_that_holds_them_is_found(zipped, tmp_path):
    path = zipped(
        **{"Bijie/data/landslide/image/a.png": "1", "Bijie/data/landslide/mask/a.PNG": "22", "Bijie/x.txt": ""}
    )
    folder = unpack_images(path, tmp_path / "target")
    assert folder == tmp_path / "target/Bijie/data"
    files = {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}
    assert files == {"landslide/image/a.png": "1", "landslide/mask/a.PNG": "22"}


def test_names_that_lead_out_are_refused_all_at_once(zipped, tmp_path):
    outside = ["../evil.png", "image/../../evil.png", "/evil.png", "C:/evil.png", "..\\evil.png"]
    error = refused(zipped(**{"image/a.png": "1"}, **dict.fromkeys(outside, "x")), tmp_path, "is not safe to unpack")
    assert len(error.files) == len(outside)
    assert not list(tmp_path.parent.rglob("evil.png"))


def test_links_are_refused(zipped, tmp_path):
    path = zipped(**{"image/a.png": "1"})
    link = zipfile.ZipInfo("image/b.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(link, "/etc")
    assert refused(path, tmp_path, "not safe").files == ["image/b.png: is a link"]


def test_a_bomb_is_refused(zipped, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "BOMB_BYTES", 10**6)
    refused(zipped(**{"image/a.png": bytes(3 * 10**6)}), tmp_path, "would unpack to 1 images")
    noise = np.random.default_rng(0).bytes(3 * 10**6)  # as large, but it does not grow
    assert unpack_images(zipped(**{"image/a.png": noise}), tmp_path / "target").is_dir()


def test_too_many_files_or_bytes_are_refused(zipped, tmp_path, monkeypatch):
    path = zipped(**{f"image/{number}.png": "12345" for number in range(10)})
    for limit in ("MAX_FILES", "MAX_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(archive, limit, 9)
            refused(path, tmp_path, "unpack it yourself if you trust it")


def test_a_size_that_lies_stops_the_unpacking(zipped, tmp_path):
    content = b"\x07" * 5000
    path = zipped(**{"image/a.png": content})
    packed = path.read_bytes()
    assert packed.count((5000).to_bytes(4, "little")) == 2  # in the entry and in the directory
    path.write_bytes(packed.replace((5000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    with pytest.raises(LandslideError, match="is damaged"):
        unpack_images(path, tmp_path / "target")
    assert all(file.stat().st_size <= 50 for file in (tmp_path / "target").rglob("*.png"))


def test_a_damaged_entry_is_said(zipped, tmp_path):
    path = zipped(**{"image/a.png": np.random.default_rng(0).integers(0, 4, 5000, np.uint8).tobytes()})
    packed = bytearray(path.read_bytes())
    packed[60:400] = bytes(255 - value for value in packed[60:400])
    path.write_bytes(packed)
    with pytest.raises(LandslideError, match="is damaged"):
        unpack_images(path, tmp_path / "target")


def test_a_name_in_another_encoding_and_a_list_at_another_place_are_damage(zipped, tmp_path):
    path = zipped(**{"image/é.png": "1"})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xc8\xc9"))
    with pytest.raises(LandslideError, match=r"in\.zip: is damaged or not a zip archive"):
        unpack_images(path, tmp_path / "target")
    path = zipped(**{"image/a.png": "x" * 50, "mask/a.png": "x" * 50})
    packed = bytearray(path.read_bytes())
    place = packed.rfind(b"PK\x05\x06") + 16
    (offset,) = struct.unpack_from("<L", packed, place)
    struct.pack_into("<L", packed, place, offset + 90)
    path.write_bytes(packed)
    with pytest.raises(LandslideError, match=r"in\.zip: is damaged"):
        unpack_images(path, tmp_path / "target")


def test_a_name_that_the_disk_refuses_is_no_damage(zipped, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EINVAL, "Invalid argument", "a:b.png")

    monkeypatch.setattr(zipfile.ZipFile, "extract", refused)
    with pytest.raises(OSError, match=r"Invalid argument: 'a:b\.png'"):
        unpack_images(zipped(**{"image/a.png": "1"}), tmp_path / "target")


def test_what_is_no_archive_or_has_no_images(zipped, tmp_path):
    refused(zipped(**{"readme.txt": "1"}), tmp_path, "holds no images")
    path = tmp_path / "in.zip"
    path.write_bytes(b"no archive")
    refused(path, tmp_path, "is damaged or not a zip archive")


def test_the_unpacked_files_go_when_they_are_not_needed(zipped, tmp_path):
    with unpacked(zipped(**{"image/a.png": "1"})) as folder:
        assert (folder / "image" / "a.png").is_file()
    assert not folder.exists()
    with unpacked(tmp_path) as folder:
        assert folder == tmp_path
    assert tmp_path.is_dir()
