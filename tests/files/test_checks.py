"""Whether a path may be written is only asked."""

import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.files.checks import free_folder


def test_a_free_folder_is_only_checked(tmp_path):
    free_folder(tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(LandslideError, match="is a file"):
        free_folder(tmp_path / "file")
    with pytest.raises(LandslideError, match="--overwrite"):
        free_folder(tmp_path)
    free_folder(tmp_path, overwrite=True)
