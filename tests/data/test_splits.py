"""Named splits of Bijie as they are, and splits dealt from a seed."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from keras_landslide.data.folder import Sample, find_negatives, find_samples
from keras_landslide.data.splits import BIJIE_SPLITS, bijie_table, split_samples
from keras_landslide.errors import LandslideError


def samples(names, group=None):
    return [Sample(name, Path(name), Path(name), group(name) if group else name) for name in names]


def every_bijie_sample():
    return samples([row["name"] for row in bijie_table()])


@pytest.mark.parametrize(
    ("name", "train", "val", "test"),
    [("paper510", 413, 46, 51), ("random510", 413, 46, 51), ("bijie770", 539, 77, 154), ("county_split", 625, 75, 70)],
)
def test_counts_of_the_whole_data_set(name, train, val, test):
    split = split_samples(every_bijie_sample(), name)
    assert split.counts == f"{train} train, {val} val, {test} test"
    everything = [sample.name for part in split.subsets.values() for sample in part]
    assert len(set(everything)) == len(everything) == train + val + test


@pytest.mark.parametrize("name", BIJIE_SPLITS)
def test_ground_is_shared_across_sides_only_where_it_is_meant_to_show(name):
    sides = {}
    for part, inside in split_samples(every_bijie_sample(), name).subsets.items():
        for sample in inside:
            sides.setdefault(sample.group, set()).add(part)
    leaks = sum(len(parts) > 1 for parts in sides.values())
    assert leaks == (29 if name == "random510" else 0)


def test_the_shipped_table_is_the_published_one(bijie):
    with (bijie / "splits.csv").open(newline="") as file:
        published = list(csv.DictReader(file))
    assert [{key: row[key] for key in bijie_table()[0]} for row in published] == bijie_table()


def test_the_real_folder_holds_the_papers_split(bijie):
    split = split_samples(find_samples(bijie), "paper510")
    assert split.counts == "413 train, 46 val, 51 test"
    partial = split_samples(find_samples(bijie), "bijie770")
    assert partial.counts == "489 of 539 train, 70 of 77 val, 141 of 154 test"
    with pytest.raises(LandslideError, match="test part of split county_split has no image here"):
        split_samples(find_samples(bijie), "county_split").subset("test")


def test_images_of_another_data_set():
    with pytest.raises(LandslideError, match="--split auto"):
        split_samples(samples(["a", "b"]), "paper510")


def test_auto_deals_every_sample_once_and_the_same_again():
    names = [f"n{number}" for number in range(200)]
    split = split_samples(samples(names), "auto", seed=4)
    assert split.counts == "162 train, 18 val, 20 test"
    assert sorted(sample.name for part in split.subsets.values() for sample in part) == sorted(names)
    assert split_samples(samples(names), "auto", seed=4) == split
    assert split_samples(samples(names), "auto", seed=5) != split


def test_auto_keeps_a_group_on_one_side():
    split = split_samples(samples([f"n{n}" for n in range(100)], lambda name: name[:2]), "auto")
    sides = Counter(group for part in split.subsets.values() for group in {sample.group for sample in part})
    assert max(sides.values()) == 1


def test_auto_with_two_images_has_no_training_part():
    with pytest.raises(LandslideError, match="train part of split auto has no image"):
        split_samples(samples(["a", "b"]), "auto").subset("train")


def test_unknown_names_list_the_choices():
    with pytest.raises(LandslideError, match="did you mean 'paper510'"):
        split_samples(samples(["a"]), "paper51")
    with pytest.raises(LandslideError, match="train, val, test"):
        split_samples(samples(["a"]), "auto").subset("tset")


def test_negatives_have_the_published_roles_in_every_split(bijie):
    with (bijie / "negatives.csv").open(newline="") as file:
        published = {row["name"]: row["role"] for row in csv.DictReader(file)}
    assert Counter(published.values()) == {"train": 200, "val": 30, "test": 70}
    landslides, negatives = find_samples(bijie), find_negatives(bijie)
    for name, seed in (("paper510", 0), ("auto", 3)):
        split = split_samples(landslides, name, seed=seed, negatives=negatives)
        assert {sample.name: part for part, inside in split.negatives.items() for sample in inside} == published
        assert not {sample.image for part in split.subsets.values() for sample in part} & {
            sample.image for sample in negatives
        }


def test_negatives_of_another_folder_are_dealt_in_the_same_shares():
    negatives = samples([f"calm{number}" for number in range(90)])
    split = split_samples(samples("abc"), "auto", seed=1, negatives=negatives)
    assert {name: len(part) for name, part in split.negatives.items()} == {"train": 60, "val": 9, "test": 21}
    assert sorted(s.name for part in split.negatives.values() for s in part) == sorted(s.name for s in negatives)
    assert split_samples(samples("abc"), "auto", seed=1, negatives=negatives) == split
    assert split_samples(samples("abc"), "auto", seed=2, negatives=negatives).negatives != split.negatives


def test_a_number_of_negatives_is_part_of_a_larger_number():
    split = split_samples(samples("abc"), "auto", negatives=samples([f"calm{number}" for number in range(90)]))
    some, more = (split.negative_subset("train", number, seed=5) for number in (7, 20))
    assert (len(some), len(more)) == (7, 20) and set(some) < set(more) < set(split.negatives["train"])
    assert split.negative_subset("train", 7, seed=6) != some
    assert split.negative_subset("train", "all") == split.negatives["train"]


def test_more_negatives_than_there_are():
    split = split_samples(samples("abc"), "auto", negatives=samples(["calm"]))
    with pytest.raises(LandslideError, match=r"--negatives 2 is not possible: 0 images .* in the train part"):
        split.negative_subset("train", 2)
    with pytest.raises(LandslideError, match="--negatives all is not possible: 0 images"):
        split.negative_subset("val")
