"""Where training images come from: folders, arrays, layers; read when needed. Free of Keras."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.training.image_files import as_planes, list_images, read_planes

Source = str | Path | Any


class ImageCache:
    """The images read last, as many as fit into a number of bytes.

    Parameters
    ----------
    max_bytes : int
        What the images may take together; one image is kept whatever its size.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Path, NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def read(self, path: Path) -> NDArray[Any]:
        """Return the planes ``(N, H, W, C)`` of a file."""
        with self._lock:
            if path in self._kept:
                self._kept.move_to_end(path)
                return self._kept[path]
        planes = read_planes(path)
        with self._lock:
            self._kept[path] = planes
            while len(self._kept) > 1 and self._bytes() > self._max_bytes:
                self._kept.popitem(last=False)
        return planes

    def _bytes(self) -> int:
        return sum(planes.nbytes for planes in self._kept.values())


@dataclass(frozen=True, slots=True, eq=False)
class ImageSource:
    """One image or stack that can be read.

    Attributes
    ----------
    name : str
        For reports: the file's name, or such as ``"image 3"``.
    read : callable
        Returns planes ``(N, H, W, C)`` in the stored dtype, or raises InvalidInputError.
    """

    name: str
    read: Callable[[], NDArray[Any]]

    @property
    def stem(self) -> str:
        """Name up to the first dot, as ISR matches names."""
        return self.name.split(".")[0]


def open_source(source: Source, cache: ImageCache) -> list[ImageSource]:
    """List the images of a source.

    Parameters
    ----------
    source : str, Path, array, layer, or a sequence of arrays and layers
        A folder, or images. A layer is anything with ``data`` and ``rgb``, as napari's.
    cache : ImageCache
        Keeps what is read from files.

    Raises
    ------
    InvalidInputError
        If the folder is missing or holds no images, or the sequence is empty.
    """
    if isinstance(source, str | Path):
        return _open_folder(Path(source).expanduser(), cache)
    images: Sequence[Any] = source if isinstance(source, list | tuple) else [source]
    if not images:
        raise InvalidInputError("There must be at least one image. Received: an empty list.")
    for image in images:
        if isinstance(image, str | Path):
            raise InvalidInputError(
                "Images are one folder, or a list of arrays or layers. Received: a list with the "
                f"path {str(image)!r}. Name the folder, or read the files first."
            )
        if image is None or isinstance(image, bool | int | float):
            raise InvalidInputError(
                f"Images are a folder, arrays or layers. Received: {image!r}, which is none."
            )
    return [_open_image(image, number) for number, image in enumerate(images)]


def _open_folder(folder: Path, cache: ImageCache) -> list[ImageSource]:
    if not folder.is_dir():
        raise InvalidInputError(
            f"Training images are read from a folder. Received: {str(folder)!r}, which is none: "
            "check the path."
        )
    paths = list_images(folder)
    if not paths:
        raise InvalidInputError(
            f"The folder must hold PNG, JPEG or TIFF files. Received: {str(folder)!r}, which "
            "holds none."
        )
    return [ImageSource(path.name, _reader(path, cache)) for path in paths]


def _reader(path: Path, cache: ImageCache) -> Callable[[], NDArray[Any]]:
    return lambda: cache.read(path)


def _open_image(image: Any, number: int) -> ImageSource:
    is_layer = hasattr(image, "data") and hasattr(image, "rgb")
    name = str(getattr(image, "name", "")) if is_layer else ""

    def read() -> NDArray[Any]:
        data = image.data if is_layer else image
        # A multiscale layer holds several sizes of one image, the full one first.
        array = np.asarray(data[0] if getattr(image, "multiscale", False) else data)
        if not is_layer:
            return as_planes(array)
        kept = "YXC" if image.rgb else "YX"
        loops = "ABDEFGH"[: max(0, array.ndim - len(kept))]
        return as_planes(array, loops + kept)

    return ImageSource(name or f"image {number + 1}", read)


def match_sources(
    lr: list[ImageSource], hr: list[ImageSource], scale: int
) -> tuple[list[tuple[ImageSource, ImageSource]], list[ImageSource]]:
    """Match low- with high-resolution images.

    By name, as ISR does (``cell.png`` or ``cellx2.png`` with ``cell.png``); what is left by the
    last number in the name (``lr_007.png`` with ``sted7.tif``), where it is unique.

    Parameters
    ----------
    lr, hr : list of ImageSource
        The images.
    scale : int
        For names that end on it.

    Returns
    -------
    pairs : list of (lr, hr)
        In the order of `hr`.
    left : list of ImageSource
        Images of either side without a partner.
    """
    pairs: dict[int, ImageSource] = {}
    left_lr, left_hr = list(lr), list(range(len(hr)))
    endings = ("", f"x{scale}", f"_x{scale}", f"-x{scale}")
    sides = _by_name(("_lr", "_hr", "_LR", "_HR"))
    # The very name comes first; what is left is matched by less and less of it.
    rules: list[tuple[bool, Callable[[str], str]]] = [(False, str), (True, _by_name(endings))]
    for of_stem, key in (*rules, (True, sides), (True, _by_number(endings))):
        keys_lr = [key(s.stem if of_stem else s.name) for s in left_lr]
        keys_hr = [key(hr[i].stem if of_stem else hr[i].name) for i in left_hr]
        found = _match_unique(keys_lr, keys_hr)
        for a, b in found:
            pairs[left_hr[b]] = left_lr[a]
        taken_lr, taken_hr = {a for a, _ in found}, {b for _, b in found}
        left_lr = [s for a, s in enumerate(left_lr) if a not in taken_lr]
        left_hr = [i for b, i in enumerate(left_hr) if b not in taken_hr]
    return [(pairs[i], hr[i]) for i in sorted(pairs)], [*left_lr, *(hr[i] for i in left_hr)]


def _by_name(endings: tuple[str, ...]) -> Callable[[str], str]:
    def key(stem: str) -> str:
        for ending in sorted(endings, key=len, reverse=True):
            if ending and stem.endswith(ending):
                return stem.removesuffix(ending)
        return stem

    return key


def _by_number(endings: tuple[str, ...]) -> Callable[[str], str]:
    def key(stem: str) -> str:
        name = _by_name(endings)(stem)
        digits = "".join(c if c in "0123456789" else " " for c in name).split()
        return str(int(digits[-1])) if digits else ""

    return key


def _match_unique(a: list[str], b: list[str]) -> list[tuple[int, int]]:
    in_a, in_b = Counter(a), Counter(b)
    place = {key: i for i, key in enumerate(b)}
    return [(i, place[key]) for i, key in enumerate(a) if key and in_a[key] == 1 and in_b[key] == 1]


def pair_in_order(
    lr: list[ImageSource], hr: list[ImageSource]
) -> Iterator[tuple[ImageSource, ImageSource]]:
    """Yield the pairs of two lists of arrays or layers, which have an order of their own.

    Raises
    ------
    InvalidInputError
        If they are not equally long.
    """
    if len(lr) != len(hr):
        raise InvalidInputError(
            "There must be as many low- as high-resolution images. "
            f"Received: {len(lr)} and {len(hr)}."
        )
    yield from zip(lr, hr, strict=True)
