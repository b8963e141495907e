"""Intervals, and the report and the table that print them."""

import itertools

import numpy as np
import pytest

from keras_landslide.paper import row
from keras_landslide.results.report import report_lines
from keras_landslide.scores import interval, landslide_iou, paired_difference


def matrices(seed, count=60):
    rng = np.random.default_rng(seed)
    return {
        f"image{n}": np.array([[900, rng.integers(0, 40)], [rng.integers(0, 60), rng.integers(50, 150)]])
        for n in range(count)
    }


def alone(images) -> dict[str, str]:
    """Every image a group of its own."""
    return {name: name for name in images}


def width(ends) -> float:
    return ends[1] - ends[0]


def pooled_iou(counts) -> float:
    """Of matrices [[TN, FP], [FN, TP]], in plain Python."""
    hits = sum(matrix[1][1] for matrix in counts)
    return hits / (hits + sum(matrix[0][1] + matrix[1][0] for matrix in counts))


@pytest.fixture
def five_groups():
    """Ten images in groups of 1 to 4, the images of one group alike: groups `poor` to `good` have IoU 0.1 to 0.9."""
    sizes = {"poor": 4, "low": 1, "fair": 2, "high": 1, "good": 2}
    rng = np.random.default_rng(3)
    per_image, groups = {}, {}
    for iou, (group, size) in zip((10, 30, 50, 70, 90), sizes.items(), strict=True):
        for number in range(size):
            hits = iou + int(rng.integers(-3, 4))
            per_image[f"{number}{group}"] = np.array([[900, 100 - iou], [iou - hits, hits]])
            groups[f"{number}{group}"] = group
    return dict(sorted(per_image.items())), groups  # the images of one group do not stand together


def every_draw(groups) -> list[list[str]]:
    """The images of each of the equally likely draws of as many groups as there are, with replacement."""
    members = {group: [name for name in groups if groups[name] == group] for group in groups.values()}
    draws = itertools.product(members, repeat=len(members))
    return [[name for group in draw for name in members[group]] for draw in draws]


def assert_middle_95_per_cent(ends, scores):
    """`ends` lie where 2000 draws from `scores` put the 2.5th and 97.5th percentile.

    The share of 2000 draws below a value that 2.5 % lie below has a standard deviation of 0.35 %: the ends are within
    three of them, and the 5th and 95th percentile are not.
    """
    bounds = np.percentile(scores, [1.45, 3.55, 96.45, 98.55], method="inverted_cdf")
    assert bounds[0] <= ends[0] <= bounds[1] < np.percentile(scores, 5)
    assert np.percentile(scores, 95) < bounds[2] <= ends[1] <= bounds[3]


def test_an_interval_is_the_middle_of_all_draws_of_groups(five_groups):
    """The oracle: each of the 3125 draws of 5 groups, every image of a drawn group counted."""
    per_image, groups = five_groups
    draws = every_draw(groups)
    assert len(draws) == 5**5
    scores = [pooled_iou([per_image[name] for name in draw]) for draw in draws]
    assert_middle_95_per_cent(interval(per_image, groups, landslide_iou), scores)
    images_alone = interval(per_image, alone(per_image), landslide_iou)  # the control
    assert width(images_alone) < 0.75 * width(np.percentile(scores, [2.5, 97.5]))


def test_an_interval_of_a_share_is_that_of_the_binomial_distribution():
    """4 of 9 groups marked: a count drawn is binomial, 2.5 % of it below 1 / 9 (0.5 %) or at it (4.1 %), and so on.

    The share of 2000 draws at each of the steps has to be off by more than three standard deviations for another end;
    the 5th and 95th percentile are 2 / 9 and 6 / 9. A group has three images, which changes nothing.
    """
    marked = {f"{group}{number}": np.array([group < 4, 1]) for group in range(9) for number in "abc"}
    groups = {name: name[0] for name in marked}

    def share(counts) -> float:
        return counts[0] / counts[1]

    for seed in range(5):
        assert interval(marked, groups, share, seed=seed) == (1 / 9, 7 / 9)


def test_an_interval_agrees_with_a_bootstrap_of_its_own():
    """The oracle: 20,000 draws of 20 groups.

    Its ends, as the means of those of ten intervals of 2000 draws, have a standard deviation of 0.5 % of the width.
    """
    per_image = matrices(0)
    groups = {name: str(number % 20) for number, name in enumerate(per_image)}
    sums = np.stack(list(per_image.values())).reshape(3, 20, 2, 2).sum(axis=0)
    drawn = sums[np.random.default_rng(123).integers(0, 20, (20_000, 20))].sum(axis=1)
    expected = np.quantile(drawn[:, 1, 1] / (drawn.sum(axis=(1, 2)) - drawn[:, 0, 0]), [0.025, 0.975])
    found = np.array([interval(per_image, groups, landslide_iou, seed=seed) for seed in range(10)])
    np.testing.assert_allclose(found.mean(axis=0), expected, rtol=0, atol=0.025 * width(expected))
    assert len(set(found[:, 0])) == 10  # every seed draws for itself
    np.testing.assert_array_equal(found[3], interval(per_image, groups, landslide_iou, seed=3))


def test_images_that_show_the_same_ground_twice_make_nothing_surer():
    """With every image there again in its group the interval is that of the originals, to the bit.

    Drawn one by one, twice as many images would make it narrower by the square root of two.
    """
    per_image = matrices(0)
    twice = per_image | {f"{name} again": matrix for name, matrix in per_image.items()}
    groups = {name: name.removesuffix(" again") for name in twice}
    originals = interval(per_image, alone(per_image), landslide_iou)
    assert interval(twice, groups, landslide_iou) == originals
    assert interval(dict(reversed(twice.items())), groups, landslide_iou) == originals
    assert width(originals) == pytest.approx(2**0.5 * width(interval(twice, alone(twice), landslide_iou)), rel=0.06)
    after = {name: matrix + np.array([[0, 0], [-2, 2 + int(name[5:]) % 2]]) for name, matrix in per_image.items()}
    after_twice = after | {f"{name} again": matrix for name, matrix in after.items()}
    assert paired_difference(twice, after_twice, groups, landslide_iou) == paired_difference(
        per_image, after, alone(per_image), landslide_iou
    )


def test_the_interval_of_one_group_and_of_equal_images_has_no_width():
    one = dict.fromkeys(matrices(0), "slope")
    whole = pooled_iou(list(matrices(0).values()))
    assert interval(matrices(0), one, landslide_iou) == (whole, whole)
    same = {name: np.array([[5, 1], [1, 3]]) for name in "abc"}
    assert interval(same, {"a": "x", "b": "x", "c": "y"}, landslide_iou) == (0.6, 0.6)


def test_a_draw_without_a_class_has_no_score_and_is_left_out():
    """Of two images one has neither landslide nor anything marked: IoU 0.6 wherever the other is drawn."""
    per_image = {"a": [[5, 1], [1, 3]], "b": [[9, 0], [0, 0]]}
    assert interval(per_image, alone(per_image), landslide_iou) == (0.6, 0.6)


def test_an_image_without_a_group_is_refused():
    per_image = matrices(0, 4)
    groups = alone(list(per_image)[:2])
    with pytest.raises(ValueError, match=r"group is not known of: image2, image3$"):
        interval(per_image, groups, landslide_iou)
    with pytest.raises(ValueError, match=r"group is not known of: image2, image3$"):
        paired_difference(per_image, per_image, groups, landslide_iou)
    more = alone([*per_image, "of another part"])
    assert interval(per_image, more, landslide_iou) == interval(per_image, alone(per_image), landslide_iou)


def test_a_paired_difference_is_that_of_all_draws_of_groups_for_both(five_groups):
    """The oracle: each of the 3125 draws of 5 groups, counted for both at once."""
    before, groups = five_groups
    gain = dict(zip(before, (9, 2, 0, 3, 1, 6, 0, 4, 2, 5), strict=True))  # false positives fewer
    after = {name: matrix + np.array([[gain[name], -gain[name]], [0, 0]]) for name, matrix in before.items()}
    difference, ends = paired_difference(before, after, groups, landslide_iou)
    scores = [
        pooled_iou([after[name] for name in draw]) - pooled_iou([before[name] for name in draw])
        for draw in every_draw(groups)
    ]
    assert difference == pytest.approx(pooled_iou(after.values()) - pooled_iou(before.values()))
    assert_middle_95_per_cent(ends, scores)
    for part in (before, after):  # the control: either of them alone, whose draws a difference without pairs would mix
        assert width(ends) < 0.2 * width(interval(part, groups, landslide_iou))
    turned, (low, high) = paired_difference(after, before, groups, landslide_iou)
    assert (turned, low, high) == pytest.approx((-difference, -ends[1], -ends[0]))
    assert paired_difference(before, after, groups, landslide_iou, seed=1)[1] != ends


def test_a_paired_difference_pairs_by_name():
    before = matrices(0)
    backwards = dict(reversed(before.items()))
    assert paired_difference(before, backwards, alone(before), landslide_iou) == (0.0, (0.0, 0.0))
    with pytest.raises(ValueError, match="same images"):
        paired_difference(before, matrices(0, 59), alone(before), landslide_iou)


@pytest.fixture
def content():
    per_image = {"a": [[50, 10], [5, 35]]}
    return {
        "images": 1,
        "labels": "original",
        "split": "paper510",
        "subset": "test",
        "confusion": per_image["a"],
        "miou": 0.7346,
        "mean_recall": 0.8542,
        "mean_precision": 0.8434,
        "background": {"precision": 0.9091, "recall": 0.8333, "iou": 0.7692, "f1": 0.8696},
        "landslide": {"precision": 0.7778, "recall": 0.875, "iou": 0.7, "f1": None},
        "groups": {"a": "a"},
        "per_image": per_image,
    }


def test_the_report_has_our_line_beside_the_papers(content):
    text = "\n".join(report_lines(content, row("pspnet_mobilenet_v2")))
    assert "73.46   85.42      84.34" in text
    assert "89.11   97.39      92.61" in text
    assert "subset test of split paper510" in text


def test_the_report_has_the_interval_over_groups(content, five_groups):
    per_image, groups = five_groups
    content |= {"per_image": {name: matrix.tolist() for name, matrix in per_image.items()}, "groups": groups}
    low, high = (100 * end for end in interval(per_image, groups, landslide_iou))
    expected = f"95 % interval over groups of images that share ground (5 here): {low:.1f} to {high:.1f}"
    assert f"landslide IoU, {expected}" in "\n".join(report_lines(content))


@pytest.mark.filterwarnings("error")
def test_a_score_that_no_draw_has_has_no_interval():
    """Nothing but background, and nothing marked."""
    low, high = interval({"a": [[9, 0], [0, 0]], "b": [[4, 0], [0, 0]]}, {"a": "a", "b": "b"}, landslide_iou)
    assert np.isnan(low) and np.isnan(high)
