"""Design the resampler's prototype filters and write src/wavtools/_native/prototypes.h. Run by hand, not at build time.

Every bank is sampled from one continuous low-pass h(t), t in samples of the lower of the two rates, that is zero
outside [-L, L] and a cosine series inside:

    h(t) = sum over m of c[m] * cos(pi * m * t / L)

Its spectrum is a sum of sinc pulses 1 / (2L) apart, so L plus a few coefficients say everything. They are found by
linear programming: the smallest stopband peak for a given passband ripple (a Chebyshev design, as Parks and
McClellan's, but free of any rate ratio). The ripple may grow towards the passband's edge, as a window's would: an
even ripple buys less stopband, puts echoes at both ends of the filter, and every tone would carry the gain error
of the edge. h(L) = 0 is a constraint: with h'(L) = 0, which every cosine series has, the spectrum then
falls as 1/f^3, and sampling h at any spacing folds nothing back worth a decibel.

Needs SciPy.
"""

from __future__ import annotations

import pathlib
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog

OUTPUT = pathlib.Path(__file__).parent.parent / "src" / "wavtools" / "_native" / "prototypes.h"


class Design(NamedTuple):
    """Frequencies in cycles per sample of the lower rate: 0.5 is its Nyquist frequency."""

    name: str
    half_length: int  # L, samples of the lower rate; also the look-ahead
    flat: float  # up to here |H - 1| <= flat_ripple
    flat_ripple: float
    passband: float  # from there the bound grows exponentially to edge_ripple here
    edge_ripple: float
    stopband: float
    comment: str


DESIGNS = [
    Design("FAST", 24, 0.330, 1e-4, 0.400, 1e-2, 0.500, "any rate"),
    Design(
        "HIGH", 63, 0.370, 1.1e-5, 0.455, 1e-2, 0.500, "lower rates from 16 kHz: 64 samples last at most 4 ms"
    ),
    Design(
        "HIGH_8",
        51,
        0.380,
        1.1e-5,
        0.455,
        1e-2,
        0.510,
        "lower rates below 16 kHz: 51 samples last at most 6.4 ms",
    ),
    Design("BEST", 108, 0.430, 3e-8, 0.4575, 1e-4, 0.500, "any rate"),
]


def spectra(frequencies: np.ndarray, half_length: int, terms: int) -> np.ndarray:
    """Column m is the spectrum of cos(pi m t / L) on [-L, L], over L."""
    f, m = frequencies[:, None], np.arange(terms)[None, :] / (2 * half_length)
    return np.sinc(2 * half_length * (f - m)) + np.sinc(2 * half_length * (f + m))


def solve(design: Design) -> np.ndarray:
    """The coefficients c, scaled so that h samples to unit gain at DC."""
    length, terms = design.half_length, design.half_length + 9
    passband = np.linspace(0, design.passband, int(32 * length * design.passband))
    # Denser at the edge, where the ripples crowd.
    edge = design.stopband + np.linspace(0, 1, 5 * length) ** 1.5 * 0.1
    stopband = np.concatenate([edge, np.arange(design.stopband + 0.1, 3, 1 / (20 * length))])
    bounds = np.log([design.flat_ripple, design.flat_ripple, design.edge_ripple])
    ripple = np.exp(np.interp(passband, [0, design.flat, design.passband], bounds))
    # Unknowns: the difference from the ideal series, which keeps the numbers small; and the stopband peak.
    ideal = (np.arange(terms) <= length * (design.passband + design.stopband)).astype(float)
    ideal[0] = 0.5
    in_pass, in_stop = spectra(passband, length, terms), spectra(stopband, length, terms)
    off_pass, off_stop = in_pass @ ideal - 1, in_stop @ ideal
    signs = (-1.0) ** np.arange(terms)
    # A solver works to about 1e-10: scale both bands so that what matters is near 1.
    scale_pass, scale_stop = (1 / ripple)[:, None], 1e8 if design.name == "BEST" else 1e6
    zero, one = np.zeros((len(passband), 1)), np.ones((len(stopband), 1))
    result = linprog(
        np.r_[np.zeros(terms), 1],
        A_ub=np.vstack(
            [
                np.hstack([in_pass * scale_pass, zero]),
                np.hstack([-in_pass * scale_pass, zero]),
                np.hstack([in_stop * scale_stop, -one]),
                np.hstack([-in_stop * scale_stop, -one]),
            ]
        ),
        b_ub=np.concatenate(
            [
                1 - off_pass / ripple,
                1 + off_pass / ripple,
                -off_stop * scale_stop,
                off_stop * scale_stop,
            ]
        ),
        A_eq=np.r_[signs, 0][None, :],
        b_eq=[-signs @ ideal],
        bounds=[(None, None)] * terms + [(0, None)],
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if result.x is None:
        raise RuntimeError(f"{design.name}: {result.message}")
    series: np.ndarray = result.x[:terms] + ideal
    series[-1] -= signs @ series * signs[-1]  # h(L) = 0 to the last bit, not to the solver's tolerance
    return series / (spectra(np.zeros(1), length, terms) @ series) / length


def stopband_db(design: Design, series: np.ndarray) -> float:
    f = np.arange(design.stopband, 4, 1 / (200 * design.half_length))
    h = spectra(f, design.half_length, len(series)) @ series * design.half_length
    return float(20 * np.log10(np.abs(h).max()))


def decibels(ripple: float) -> str:
    return f"{20 * np.log1p(ripple) / np.log(10):.1g}"


def main() -> None:
    lines = [
        "/* The prototype filters of the resampler as cosine series; written by tools/design_filters.py.",
        " *",
        " * Thread: any; constants.",
        " */",
        "#ifndef WT_PROTOTYPES_H",
        "#define WT_PROTOTYPES_H",
    ]
    for design in DESIGNS:
        series = solve(design)
        attenuation = stopband_db(design, series)
        print(f"{design.name}: L {design.half_length}, stopband {attenuation:.1f} dB")
        lines += [
            "",
            f"/* {design.comment[0].upper()}{design.comment[1:]}.",
            f" * Error {decibels(design.flat_ripple)} dB to {design.flat * 2:.3f} of the lower Nyquist frequency, "
            f"{decibels(design.edge_ripple)} dB at {design.passband * 2:.3f};",
            f" * {attenuation:.1f} dB from {design.stopband * 2:.2f} on. */",
            f"#define WT_{design.name}_HALF {design.half_length}",
            f"static const double WT_{design.name}_SERIES[{len(series)}] = {{",
            *(
                f"    {', '.join(repr(float(c)) for c in series[i : i + 4])},"
                for i in range(0, len(series), 4)
            ),
            "};",
        ]
    lines += ["", "#endif", ""]
    OUTPUT.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
