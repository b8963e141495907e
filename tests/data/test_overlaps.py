"""Pairs of images that share ground: found with their offsets, and never where nothing is shared."""

import csv
import resource
import time

import numpy as np
import pytest

from keras_landslide.data import overlaps
from keras_landslide.data.layouts import find_samples
from keras_landslide.data.overlaps import Overlap, find_overlaps, overlap_groups, shared_ground
from keras_landslide.errors import LandslideError
from keras_landslide.files.images import write_image


@pytest.fixture
def terrain():
    """Textured ground from which the tests cut."""
    return np.random.default_rng(5).integers(0, 256, (300, 400, 3), np.uint8)


@pytest.fixture
def found(tmp_path):
    """The overlaps of the arrays given by name."""

    def find(**arrays):
        for name, array in arrays.items():
            write_image(tmp_path / f"{name}.png", np.ascontiguousarray(array))
        return find_overlaps({name: tmp_path / f"{name}.png" for name in arrays})

    return find


def test_pairs_and_offsets_are_those_of_the_crops(terrain, found):
    # b begins 30 rows below and 50 columns right of a; c 20 rows above and 60 columns right of b; d apart from all.
    a, b, c, d = terrain[40:140, 10:110], terrain[70:150, 60:190], terrain[50:120, 120:250], terrain[200:, 300:]
    assert found(a=a, b=b, c=c, d=d) == [Overlap("a", "b", 30, 50), Overlap("b", "c", -20, 60)]


@pytest.mark.parametrize("offset", range(-9, 10))
@pytest.mark.parametrize("height", [14, 15, 21])
def test_the_smallest_overlap_is_found_wherever_it_lies(terrain, found, offset, height):
    """A cross: neither image's corner is shared, so only the grid inside can find it."""
    upright, flat = terrain[0:100, 200:214], terrain[50 + offset : 50 + offset + height, 150 - offset : 260]
    assert found(flat=flat, upright=upright) == [Overlap("flat", "upright", -50 - offset, 50 + offset)]


def test_a_narrower_strip_does_not_count_but_a_whole_tiny_image_does(terrain, found):
    assert found(a=terrain[:100, :100], b=terrain[:100, 87:200]) == []
    assert found(a=terrain[:100, :100], b=terrain[:100, 86:200]) == [Overlap("a", "b", 0, 86)]
    assert found(a=terrain[:100, :100], b=terrain[31:40, 43:52]) == [Overlap("a", "b", 31, 43)]


def test_of_several_offsets_that_fit_the_largest_overlap_counts(terrain, found):
    twice, thrice = (np.tile(terrain[:60, :60], (1, count, 1)) for count in (2, 3))
    assert found(a=twice, b=twice) == [Overlap("a", "b", 0, 0)]
    assert found(c=thrice, d=thrice[:, 60:]) == [Overlap("c", "d", 0, 60)]


def test_a_full_table_keeps_some_patches_of_every_image(terrain, found, tmp_path, monkeypatch):
    """Whatever the order: the last image's are thinned like the first one's."""
    parts = {"a": terrain[:150, :200], "b": terrain[40:200, 60:300], "c": terrain[100:, 150:]}
    whole = found(**parts)
    assert len(whole) == 3
    for most in (1000, 200):
        monkeypatch.setattr(overlaps, "MAX_PATCHES", most)
        assert found(**parts) == whole
        kept = overlaps._thinned(overlaps._grid_patches(tmp_path / f"{name}.png") for name in parts)
        assert most / 3 < sum(map(len, kept)) <= most and min(map(len, kept)) > most / 20


def test_a_logo_that_all_images_have_is_not_looked_into(terrain, found, monkeypatch):
    """It is rejected without a look at the pixels, which would be half a million looks for a thousand images."""
    parts = {name: terrain[60 * number : 60 * number + 60, :200].copy() for number, name in enumerate("abcd")}
    for part in parts.values():
        part[40:55, 5:40] = terrain[250:265, 300:335]
    looked = []
    monkeypatch.setattr(overlaps, "_proved", lambda candidates, paths: looked.extend(candidates) or [])
    found(**parts)
    assert looked == []
    found(**parts, e=parts["a"][:, 100:])  # the control: shared ground without the logo
    assert looked == [[0, 4, 0, 100]]


def test_ground_that_repeats_itself_is_found_by_the_little_that_does_not(terrain, found):
    """Twenty-five equal fields and a strip of others: what shows too often is not expected to say where it lies."""
    fields = np.vstack([np.tile(terrain[:40, :40], (5, 5, 1)), terrain[100:114, :200]])
    assert found(a=fields, b=fields[20:]) == [Overlap("a", "b", 20, 0)]


def test_duplicates_have_offset_zero(terrain, found):
    assert found(a=terrain, b=terrain, c=terrain[:, ::-1]) == [Overlap("a", "b", 0, 0)]


def test_one_differing_pixel_of_the_shared_ground_refutes_a_pair(terrain, found):
    other = terrain[50:, 50:].copy()
    other[7, 9, 2] ^= 1
    assert found(a=terrain[:200, :200], b=other) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda y, x: np.zeros_like(y),
        lambda y, x: 255 * (y // 6 % 2),
        lambda y, x: 255 * ((y // 4 + x // 4) % 2),
        lambda y, x: x % 256,
        lambda y, x: (x + y) % 256,
        lambda y, x: 255 * ((y - 50) ** 2 + (x - 50) ** 2 < 900),
    ],
    ids="black stripes checks ramp diagonal disc".split(),
)
def test_flat_and_patterned_images_prove_nothing(found, make):
    pattern = make(*np.mgrid[:120, :130]).astype(np.uint8)
    picture = np.dstack([pattern] * 3)
    assert found(a=picture, b=picture[20:, 30:], c=picture[:60, :70]) == []


def test_a_repeated_texture_says_nothing_about_place(terrain, found):
    tiled = np.tile(terrain[:16, :16], (10, 12, 1))
    assert found(a=tiled, b=tiled[5:, 3:]) == []


def test_different_images_with_the_same_flat_border_are_no_pair(terrain, found):
    a, b = terrain[:100, :100].copy(), terrain[150:250, 200:300].copy()
    for image in (a, b):
        image[:20] = image[-20:] = image[:, :20] = image[:, -20:] = 255
    assert found(a=a, b=b) == []


def test_images_smaller_than_a_patch(terrain, found):
    assert found(a=terrain[:7, :7], b=terrain[:1, :1], c=terrain[:3, :200], d=terrain) == []
    assert found() == []


def test_an_unreadable_image_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(LandslideError, match=r"a\.png: is not a readable image"):
        find_overlaps({"a": tmp_path / "a.png"})


def test_shared_ground_of_images_apart_is_empty():
    for offset in ((10, 0), (0, -10), (25, 0)):
        in_a, in_b = shared_ground((10, 10), (10, 10), *offset)
        assert np.zeros((10, 10))[in_a].size == np.zeros((10, 10))[in_b].size == 0


def test_groups_link_through_others_in_whatever_order():
    pairs = [Overlap("d", "e", 0, 1), Overlap("a", "c", 0, 1), Overlap("c", "e", 0, 1)]
    assert overlap_groups({name: name for name in "abcdef"}, pairs) == {
        "a": "a",
        "b": "b",
        "c": "a",
        "d": "a",
        "e": "a",
        "f": "f",
    }


@pytest.mark.slow
def test_the_pairs_of_the_real_images_are_the_published_ones(bijie):
    """All 700 landslide and 300 other images: pairs, offsets and groups, within a minute and 4 GB."""
    images = {path.stem: path for kind in ("landslide", "non-landslide") for path in (bijie / kind / "image").iterdir()}
    started = time.monotonic()
    overlaps = find_overlaps(images)
    assert time.monotonic() - started < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20  # in KiB
    with (bijie / "overlaps.csv").open(newline="") as file:
        pairs = [Overlap(row["a"], row["b"], int(row["dy"]), int(row["dx"])) for row in csv.DictReader(file)]
    published = [pair for pair in pairs if pair.a in images and pair.b in images]
    assert overlaps == sorted(published) and len(published) == 158
    names = [sample.name for sample in find_samples(bijie)]
    with (bijie / "splits.csv").open(newline="") as file:
        groups = {row["name"]: row["group"] for row in csv.DictReader(file)}
    assert overlap_groups({name: name for name in names}, overlaps) == {name: groups[name] for name in names}
