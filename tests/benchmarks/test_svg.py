import re
from xml.dom import minidom

import pytest

from benchmarks import svg


def shapes(picture, name):
    return [dict(re.findall(r"([\w-]+)='([^']*)'", shape)) for shape in re.findall(rf"<{name} ([^>]*)>", picture)]


def test_lines_are_well_formed_and_inside_the_picture():
    picture = svg.lines("P0 & bulk", "s", "ms", {"p0": [(0, 1), (10, 250)], "bulk": [(0, 3), (10, 9000)]}, log=True)

    (size,) = shapes(picture, "svg")
    lines = shapes(picture, "polyline")
    assert len({line["stroke"] for line in lines}) == len(lines) == 2
    for point in " ".join(line["points"] for line in lines).split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= float(size["width"])
        assert 0 <= y <= float(size["height"])


def test_bars_are_as_long_as_their_parts():
    picture = svg.bars("cost", "ms", {"ours": {"workers": 1.0, "redis": 1.0}, "theirs": {"workers": 4.0}})

    first, second, other = (float(bar["width"]) for bar in shapes(picture, "rect") if bar.get("height") == "30")
    assert first + second == pytest.approx(other / 2, abs=0.2)
    assert ">4<" in picture


@pytest.mark.parametrize("points", [[], [(0, 0)], [(0, 0), (1, 0)], [(5, 1e7)], [(0.001, 0.002)]])
def test_whatever_is_measured_is_a_well_formed_picture(points):
    for log in (False, True):
        picture = svg.lines("<&'\">", "x", "y", {"a & b": points, "c": []}, log=log)
        document = minidom.parseString(picture)  # noqa: S318 - our own picture
        assert document.documentElement.tagName == "svg"
