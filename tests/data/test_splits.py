"""Named splits of Bijie as they are, and splits dealt from a seed."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from keras_landslide.data.layouts import find_negatives, find_samples
from keras_landslide.data.sample import Sample
from keras_landslide.data.splits import bijie_table, split_samples
from keras_landslide.errors import LandslideError
from keras_landslide.settings import BIJIE_SPLITS


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


@pytest.mark.parametrize(("name", "count"), [("auto", 770), ("paper510", 510)])
def test_each_sample_is_tested_in_one_fold_and_no_group_stands_on_two_sides(name, count):
    """The groups are those of the published table, whatever the split."""
    groups = {row["name"]: row["group"] for row in bijie_table()}
    tested, validated = Counter(), Counter()
    for part in range(1, 6):
        split = split_samples(every_bijie_sample(), name, fold=f"{part}/5", seed=2)
        inside = {subset: [sample.name for sample in split.subset(subset)] for subset in split.subsets}
        assert sum(map(len, inside.values())) == len({name for names in inside.values() for name in names}) == count
        sides = Counter(group for names in inside.values() for group in {groups[name] for name in names})
        assert max(sides.values()) == 1
        assert len(inside["test"]) == len(inside["val"]) == count // 5
        tested.update(inside["test"])
        validated[part % 5 + 1] = frozenset(inside["val"])
        assert split.title == f"{name}, fold {part}/5"
    assert len(tested) == count and set(tested.values()) == {1}
    for part, names in validated.items():
        split = split_samples(every_bijie_sample(), name, fold=f"{part}/5", seed=2)
        assert {sample.name for sample in split.subset("test")} == names


def test_folds_are_the_same_for_the_same_seed():
    def fold(seed):
        return split_samples(every_bijie_sample(), "auto", fold="2/5", seed=seed)

    assert fold(1) == fold(1) != fold(2)


def test_groups_can_be_given_for_folds_and_for_auto():
    some = samples([f"n{number}" for number in range(60)])
    pairs = {f"n{number}": f"pair{number // 2}" for number in range(40)}  # the others stand alone
    for options in ({}, *({"fold": f"{part}/3"} for part in (1, 2, 3))):
        split = split_samples(some, "auto", groups=pairs, **options)
        sides = Counter(pairs[s.name] for part in split.subsets.values() for s in part if s.name in pairs)
        for part in split.subsets.values():
            names = {sample.name for sample in part}
            assert all(f"n{int(name[1:]) ^ 1}" in names for name in names if name in pairs)
        assert set(sides.values()) == {2} and sum(map(len, split.subsets.values())) == 60


@pytest.mark.parametrize("fold", ["0/5", "6/5", "2/2", "1", "a/b", "1/5/5", "-1/5", "1.5/5"])
def test_folds_that_are_none(fold):
    with pytest.raises(LandslideError, match=rf"--fold {fold} is not possible; give i/k"):
        split_samples(samples([f"n{number}" for number in range(60)]), "auto", fold=fold)


def test_more_folds_than_groups():
    with pytest.raises(LandslideError, match="--fold 1/5 is not possible: the samples here make 4 groups"):
        split_samples(samples([f"{n}{m}" for n in "abcd" for m in range(9)], lambda name: name[0]), "auto", fold="1/5")


def test_auto_on_bijie_keeps_shared_ground_on_one_side():
    groups = {row["name"]: row["group"] for row in bijie_table()}
    split = split_samples(every_bijie_sample(), "auto")
    sides = Counter(group for part in split.subsets.values() for group in {groups[sample.name] for sample in part})
    assert max(sides.values()) == 1


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
    with pytest.raises(LandslideError, match=r"No image without landslide is in the train part"):
        split.negative_subset("train", 2)
    with pytest.raises(LandslideError, match="No image without landslide is in the val part"):
        split.negative_subset("val")
