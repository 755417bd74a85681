"""The map in braille characters: the shape of the world, and the place of the marker."""

from __future__ import annotations

import pytest

from console.world import MARKER, coast, position, world_map


def test_the_data_is_natural_earths_land():
    # The source has 130 arcs; those that cross the date line are cut there
    assert len(coast()) == 137
    assert sum(map(len, coast())) == 5_129
    assert all(-180 <= x <= 180 and -90 <= y <= 90 for line in coast() for x, y in line)


@pytest.mark.parametrize("size", [(36, 8), (60, 16), (120, 30)])
@pytest.mark.parametrize("zoomed", [False, True])
@pytest.mark.parametrize(
    "place", [(0, 0), (48.86, 2.35), (-33.87, 151.21), (90, 180), (-90, -180), (43.64, -79.39), (71.3, 25.8)]
)
def test_the_map_has_its_size_and_one_marker(size, zoomed, place):
    lines = world_map(*place, *size, zoomed)
    assert len(lines) == size[1] and all(len(line) == size[0] for line in lines)
    assert "".join(lines).count(MARKER) == 1


def test_the_marker_moves_east_and_south():
    def at(latitude, longitude):
        lines = world_map(latitude, longitude, 72, 20)
        row = next(i for i, line in enumerate(lines) if MARKER in line)
        return row, lines[row].index(MARKER)

    paris, tokyo, sydney = at(48.86, 2.35), at(35.68, 139.69), at(-33.87, 151.21)
    assert paris[0] < tokyo[0] < sydney[0]
    assert paris[1] < tokyo[1] < sydney[1]


def test_continents_and_oceans_are_told_apart():
    # The marker is in the Pacific
    lines = world_map(0, -150, 72, 20)
    drawn = sum(character not in " ◆" for line in lines for character in line)
    assert 300 < drawn < 900
    pacific = [line[8:14] for line in lines[12:15]]
    assert not "".join(pacific).replace(MARKER, "").strip("⠁⠂⠄⠈⠐⠠⡀⢀ ")


def test_coordinates_as_text():
    assert position(-33.87, 151.21) == "33.870° S  151.210° E"


@pytest.mark.parametrize("size", [(36, 8), (42, 20), (78, 9), (120, 30), (200, 20)])
def test_the_world_keeps_its_ratio_in_every_size(size):
    def marker(latitude, longitude):
        lines = world_map(latitude, longitude, *size)
        row = next(i for i, line in enumerate(lines) if MARKER in line)
        return lines[row].index(MARKER), row

    (west, north), (east, south) = marker(60, -120), marker(-50, 120)
    # 240 degrees wide and 110 high; a cell is twice as high as wide, and a marker stands in a whole cell
    columns, rows = east - west, south - north
    assert abs(columns / 240 - 2 * rows / 110) <= 1 / 240 + 2 / 110


@pytest.mark.parametrize("size", [(36, 8), (78, 9), (42, 20)])
def test_the_world_fits_into_its_window(size):
    lines = world_map(0, 0, *size)
    assert all(MARKER in "".join(world_map(*place, *size)) for place in ((83, -179), (-57, 179)))
    assert any(line.strip() for line in lines)
