"""How close the resolution measures come to a known resolution.

``python benchmarks/resolution.py`` makes images whose finest detail is known, measures them by
Fourier ring correlation (one and two images) and by decorrelation, and prints a Markdown table of
the errors: how many are within 10 %, the median and the largest of ``measured / known - 1``, and
how often no resolution was found. ``--families`` picks families by the beginning of their name,
such as ``"disk white"``, ``--sizes`` sizes.

Families are an object (`white` noise, squared-Gaussian `speckle`, `points`, `filaments`,
`natural` test images of scikit-image), a blur (`disk`: all frequencies below a cut-off and none
above; `optics`: the transfer function of a microscope, which falls to zero at its cut-off) and what
comes after it: nothing, Gaussian noise of a signal-to-noise ratio, photons, or rounding. Known is

- the cut-off without noise, and in rounded images;
- with noise the first frequency, up to the cut-off, at which the true power of the blurred object,
  smoothed over rings, is below a sixth of the true power of the noise: there the expected
  correlation of two recordings is 1/7. Beyond it the image holds nothing that could be found.

A second table has photos enlarged by 2, which hold nothing finer than 4 pixels.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from skimage import data

from src_models.images.degradation import resize_bicubic
from src_models.quality.resolution import decorrelation_analysis, fourier_ring_correlation

Pixels = NDArray[np.float64]
CUTOFFS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
SIZES = {
    "128": (128, 128),
    "256": (256, 256),
    "odd": (255, 301),
    "oblong": (200, 480),
    "512": (512, 512),
    "1024": (1024, 1024),
}
PHOTOS = ("camera", "coins", "moon", "brick", "grass", "gravel")
_MARGIN = 1.25


@dataclass(frozen=True)
class Case:
    """An image, another recording of the same, and the period of the finest detail."""

    family: str
    first: Pixels
    second: Pixels
    known: float


def radius(shape: tuple[int, int]) -> Pixels:
    """Return the spatial frequency of each point of an image's Fourier transform."""
    return np.asarray(np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]))


def disk(frequency: Pixels, cutoff: float) -> Pixels:
    """Pass what lies below the cut-off."""
    return (frequency < cutoff).astype(float)


def optics(frequency: Pixels, cutoff: float) -> Pixels:
    """Return the transfer function of an incoherent microscope without aberrations."""
    x = np.clip(frequency / cutoff, 0, 1)
    return 2 / np.pi * (np.arccos(x) - x * np.sqrt(1 - x**2))


def white(shape: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Return Gaussian noise as an object."""
    return rng.normal(10, 1, shape)


def speckle(shape: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Return intensities that are exponentially distributed."""
    return rng.exponential(1, shape)


def points(shape: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Return points of random brightness on one pixel in 200."""
    return rng.uniform(0.5, 1.5, shape) * (rng.random(shape) < 0.005)


def filaments(shape: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Return bent lines, drawn finely, one for every 40 pixels of the edges."""
    image = np.zeros(shape)
    for _ in range(sum(shape) // 40):
        turn = np.cumsum(rng.normal(0, 0.01, 4 * max(shape))) + rng.uniform(0, 2 * np.pi)
        start = rng.uniform(0, 1, 2) * shape
        for axis_y, axis_x in zip(
            start[0] + np.cumsum(np.sin(turn)) / 4,
            start[1] + np.cumsum(np.cos(turn)) / 4,
            strict=True,
        ):
            if 0 <= axis_y < shape[0] - 1 and 0 <= axis_x < shape[1] - 1:
                image[int(axis_y), int(axis_x)] += 1
    return image


def natural(shape: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Return a crop of a test image of scikit-image, mirrored where it is too small."""
    photo = getattr(data, PHOTOS[rng.integers(len(PHOTOS))])().astype(float)
    short = [(0, max(0, n - m)) for n, m in zip(shape, photo.shape, strict=True)]
    photo = np.pad(photo, short, mode="symmetric")
    y, x = (rng.integers(m - n + 1) for n, m in zip(shape, photo.shape, strict=True))
    return photo[y : y + shape[0], x : x + shape[1]]


OBJECTS = {f.__name__: f for f in (white, speckle, points, filaments, natural)}
BLURS = {f.__name__: f for f in (disk, optics)}


def blurred(
    kind: str, blur: str, cutoff: float, shape: tuple[int, int], rng: np.random.Generator
) -> Pixels:
    """Blur a larger object and cut its middle out, so that the borders do not join."""
    larger = (math.ceil(_MARGIN * shape[0]), math.ceil(_MARGIN * shape[1]))
    spectrum = np.fft.rfft2(OBJECTS[kind](larger, rng)) * BLURS[blur](radius(larger), cutoff)
    image = np.fft.irfft2(spectrum, s=larger)
    y, x = ((m - n) // 2 for n, m in zip(shape, larger, strict=True))
    image = image[y : y + shape[0], x : x + shape[1]]
    return np.asarray((image - image.min()) / np.ptp(image))


def where_noise_wins(image: Pixels, variance: float, cutoff: float) -> float:
    """Return the first frequency at which the power of a blurred object is a sixth of noise's."""
    window = np.outer(*(np.hanning(n) for n in image.shape))
    power = np.abs(np.fft.rfft2((image - np.average(image, weights=window)) * window)) ** 2
    rings = np.rint(radius(image.shape) * min(image.shape)).astype(int).ravel()
    mean = np.bincount(rings, power.ravel()) / np.bincount(rings) / (window**2).sum()
    smooth = np.exp(gaussian_filter1d(np.log(mean[1:] + 1e-30), 2, mode="nearest"))
    below = 1 + np.flatnonzero(smooth < variance / 6)
    return min(cutoff, below[0] / min(image.shape)) if len(below) else cutoff


def noisy(image: Pixels, after: str, rng: np.random.Generator) -> tuple[Pixels, float]:
    """Return a recording of an image of range [0, 1], and its noise's variance."""
    if after.startswith("snr"):
        sigma = image.std() / float(after[3:])
        return image + rng.normal(0, sigma, image.shape), sigma**2
    if after.startswith("photons"):
        most = float(after[7:])
        return rng.poisson(image * most) / most, image.mean() / most
    if after == "clean":
        return image, 0.0
    levels = {"uint8": 255, "uint16": 65535}[after]
    return np.rint(image * levels).astype(after), 0.0


def cases(sizes: list[str], families: list[str]) -> Iterator[Case]:
    """Yield every combination."""
    after_all = ("clean", "uint8", "uint16", "snr10", "snr3", "snr1", "photons1000", "photons50")
    for blur in BLURS:
        for kind in OBJECTS:
            for after in after_all:
                family = f"{blur} {kind} {after}"
                if families and not any(family.startswith(f) for f in families):
                    continue
                for size in sizes:
                    for cutoff in CUTOFFS:
                        yield made(family, size, cutoff)


def made(family: str, size: str, cutoff: float) -> Case:
    """Make one case, the same each time."""
    blur, kind, after = family.split()
    rng = np.random.default_rng([int(1000 * cutoff), *f"{blur} {kind} {size}".encode()])
    image = blurred(kind, blur, cutoff, SIZES[size], rng)
    (first, variance), (second, _) = noisy(image, after, rng), noisy(image, after, rng)
    known = cutoff
    if variance:
        known = where_noise_wins(image, variance, cutoff)
    return Case(family, first, second, 1 / known)


MEASURES: dict[str, Callable[[Case], float]] = {
    "FRC, one image": lambda c: fourier_ring_correlation(c.first).resolution,
    "FRC, two images": lambda c: fourier_ring_correlation(c.first, c.second).resolution,
    "decorrelation": lambda c: decorrelation_analysis(c.first).resolution,
}


def row_of(family: str) -> str:
    """Return the row of the table that a family belongs to."""
    blur, kind, after = family.split()
    objects = "natural" if kind == "natural" else "texture"
    return f"{blur}, {objects}, {'rounded' if after.startswith('uint') else after}"


def cell(errors: NDArray[np.float64]) -> str:
    """Return how many errors are within 10 %, their median, the largest, and how often none."""
    found = errors[np.isfinite(errors)]
    good = int((np.abs(found) <= 0.1).sum())
    words = f"{good} of {len(errors)}"
    if len(found):
        worst = found[np.argmax(np.abs(found))]
        words += f" ({100 * np.median(found):+.1f} %, {100 * worst:+.0f} %)"
    nothing = len(errors) - len(found)
    return f"{words}, none {nothing}" if nothing else words


def report_enlarged() -> None:
    """Print what the measures make of photos after bicubic enlargement by 2."""
    print("\n| enlarged by 2, 4 pixels known | FRC, one image | decorrelation |\n|---|---|---|")
    for name in PHOTOS:
        photo = getattr(data, name)()[:256, :256]
        large = resize_bicubic(photo, (2 * photo.shape[0], 2 * photo.shape[1]))
        frc, phases = fourier_ring_correlation(large), decorrelation_analysis(large)
        print(f"| {name} | {frc.resolution:.2f} | {phases.resolution:.2f} |")


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--families", nargs="*", default=[])
    parser.add_argument("--every", action="store_true", help="print each case")
    chosen = parser.parse_args()
    errors: dict[str, list[list[float]]] = {}
    for case in cases(chosen.sizes, chosen.families):
        row = [measure(case) / case.known - 1 for measure in MEASURES.values()]
        errors.setdefault(row_of(case.family), []).append(row)
        if chosen.every:
            print(case.family, case.first.shape, f"{1 / case.known:.3f}", np.round(row, 3))
    print(f"| images | {' | '.join(MEASURES)} |")
    print("|---" * (1 + len(MEASURES)) + "|")
    for title, rows in errors.items():
        print(f"| {title} | {' | '.join(cell(column) for column in np.array(rows).T)} |")
    report_enlarged()


if __name__ == "__main__":
    main()
