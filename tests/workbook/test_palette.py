"""One palette for figures and pages: seen on its ground, told apart without one kind of cone."""
import itertools
import re

import numpy as np
import pytest

from lib.core.settings import ROOT
from lib.workbook import palette

# What is left of linear sRGB without long, middle or short cones (Machado et al. 2009).
BLIND = {"protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                    [-0.003882, -0.048116, 1.051998]],
         "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                    [-0.011820, 0.042940, 0.968881]],
         "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                    [0.004733, 0.691367, 0.303900]],
         "none": np.eye(3)}
XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
       [0.0193339, 0.1191920, 0.9503041]]
GROUNDS = [(palette.GROUND, (*palette.COLOURS, palette.MUTED)),
           (palette.DARK_GROUND, (*palette.DARK_COLOURS, palette.DARK_MUTED))]


def linear(colour):
    parts = np.array([int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    dark, light = sorted(linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(parts):
    """CIELAB of linear sRGB."""
    x, y, z = np.cbrt(XYZ @ np.clip(parts, 0, 1) / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize(("ground", "colours"), GROUNDS)
def test_every_colour_stands_out_from_its_ground(ground, colours):
    assert min(contrast(colour, ground) for colour in colours) >= 3


@pytest.mark.parametrize("missing", BLIND)
@pytest.mark.parametrize(("ground", "colours"), GROUNDS)
def test_colours_are_told_apart_without_one_kind_of_cone(missing, ground, colours):
    seen = [lab(np.array(BLIND[missing]) @ linear(colour)) for colour in colours]
    apart = [np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)]
    assert min(apart) > 12, "2 is a difference that one can just see"


def test_pages_and_print_have_the_colours_of_figures():
    css = (ROOT / "lib" / "report" / "site.css").read_text()
    light, dark = re.findall(r"--ours: (#\w+); --control: (#\w+); --published: (#\w+)", css)[:2]
    colours = (palette.COLOURS[0], palette.COLOURS[1], palette.MUTED)
    assert tuple(map(str.upper, light)) == colours
    assert tuple(map(str.upper, dark)) == tuple(palette.DARK[colour] for colour in colours)
    assert f"--paper: {palette.DARK_GROUND.lower()}" in css
    printed = (ROOT / "lib" / "report" / "thesis.css").read_text().upper()
    assert all(colour in printed for colour in colours)
