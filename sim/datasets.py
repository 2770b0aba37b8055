"""Labelled images: the embedded digits, the usual public data sets, and a user's own file.

==================  ==================  ======  ======  ==========================================
name                images              test    train   file of the test split in a data folder
==================  ==================  ======  ======  ==========================================
``digits``          (8, 8), 0 to 16     360     1437    embedded, see ``data/README.md``
``mnist``           (28, 28)            10000   60000   ``mnist/t10k-images-idx3-ubyte.gz`` ...
``fashion_mnist``   (28, 28)            10000   60000   ``fashion_mnist/t10k-images-idx3-...`` ...
``cifar10``         (32, 32, 3), RGB    10000   50000   ``cifar10/cifar10.npz`` with x_test,
                                                        y_test, or ``cifar-10-binary.tar.gz``
==================  ==================  ======  ======  ==========================================

``digits`` is the UCI data set of optically recognised digits as scikit-learn ships it (CC BY 4.0).
Where data folders are: :mod:`binohm.sim.fetch`.
"""

import difflib
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import DataError
from binohm.sim.fetch import Progress, Remote, locate

__all__ = ["NAMES", "Labelled", "load"]

NAMES = ("digits", "mnist", "fashion_mnist", "cifar10")

Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]

HELD_OUT = 360
"""The last images of ``digits`` are its test split."""

MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion_mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    "cifar10": ("https://www.cs.toronto.edu/~kriz/",),
}

SHA256 = {
    "mnist/train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "mnist/train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "mnist/t10k-images-idx3-ubyte.gz": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "mnist/t10k-labels-idx1-ubyte.gz": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
    "fashion_mnist/train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "fashion_mnist/train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "fashion_mnist/t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "fashion_mnist/t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
    "cifar10/cifar-10-binary.tar.gz": (
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    ),
}

CIFAR_MEMBERS = {
    "test": ("test_batch.bin",),
    "train": tuple(f"data_batch_{n}.bin" for n in range(1, 6)),
}
CIFAR_RECORD = 1 + 3 * 32 * 32

# What gzip, tarfile, zipfile and NumPy raise on files that are damaged or not theirs.
DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    RuntimeError,  # an encrypted member, an unknown compression
    MemoryError,  # a length that is not one
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)


def load(
    what: str,
    *,
    split: str = "test",
    classes: int | None = None,
    progress: Progress | None = None,
) -> Labelled:
    """Images (N, H, W) or (N, H, W, 3) and labels (N,).

    Parameters
    ----------
    what : str
        One of :data:`NAMES`, or the path of an .npz with ``x`` uint8 of one of the shapes above and
        ``y`` of integers from 0.
    split : str
        ``test`` or ``train``; a path has no splits and takes ``test``.
    classes : int, optional
        Labels must be below this.
    progress : Progress, optional
        Told of downloads.

    Raises
    ------
    DataError
        If the data set is unknown, missing, damaged, or not of this form.
    """
    if split not in ("test", "train"):
        raise ValueError(f"split must be 'test' or 'train', not {split!r}")
    if what == "digits":
        with (Path(__file__).parent / "data" / "digits.npz").open("rb") as file:
            images, labels = _from_npz(file, "digits", "x", "y")
        part = slice(-HELD_OUT, None) if split == "test" else slice(None, -HELD_OUT)
        images, labels = images[part], labels[part]
    elif what in ("mnist", "fashion_mnist"):
        images, labels = _idx_pair(what, split, progress)
    elif what == "cifar10":
        images, labels = _cifar10(split, progress)
    else:
        images, labels = _own_file(what, split)
    if classes is not None and labels.max() >= classes:
        raise DataError(
            f"{what}: label {labels.max()} at image {labels.argmax()}, but the network has "
            f"{classes} classes"
        )
    return images, labels


def _own_file(what: str, split: str) -> Labelled:
    path = Path(what)
    if path.suffix != ".npz" and not path.exists():
        near = difflib.get_close_matches(what, NAMES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DataError(
            f"unknown data set {what!r}: {hint}Known are {', '.join(NAMES)} and paths of .npz files"
        )
    if split != "test":
        raise DataError(f"{what}: a file of your own has no {split} split")
    try:
        with path.open("rb") as file:
            return _from_npz(file, what, "x", "y")
    except FileNotFoundError as error:
        raise DataError(f"{what}: no such file") from error
    except OSError as error:
        raise DataError(f"{what}: cannot be read ({error.strerror})") from error


def _from_npz(file: IO[bytes], what: str, x: str, y: str) -> Labelled:
    try:
        arrays = np.load(file, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise ValueError("it holds a single array")
        with arrays:
            missing = [key for key in (x, y) if key not in arrays]
            if missing:
                raise DataError(
                    f"{what}: no array {missing[0]!r}; an .npz of images has {x!r} and {y!r}, "
                    f"this one has {', '.join(arrays.files) or 'none'}"
                )
            images, labels = arrays[x], arrays[y]
    except DAMAGE as error:
        raise DataError(f"{what}: not an .npz file of arrays, or damaged ({error})") from error
    return _checked(what, x, y, images, labels)


def _checked(what: str, x: str, y: str, images: NDArray[Any], labels: NDArray[Any]) -> Labelled:
    shape = images.shape
    if not (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)) or 0 in shape:
        raise DataError(f"{what}: {x} must have shape (N, H, W) or (N, H, W, 3), not {shape}")
    if images.dtype != np.uint8:
        raise DataError(f"{what}: {x} must be uint8 (pixel bytes 0 to 255), not {images.dtype}")
    if labels.shape != shape[:1]:
        raise DataError(
            f"{what}: {y} must have shape ({shape[0]},), one label per image, not {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise DataError(f"{what}: {y} must be integers, not {labels.dtype}")
    wide = labels.astype(np.int64)
    if wide.min() < 0:
        raise DataError(
            f"{what}: label {labels[wide.argmin()]} at image {wide.argmin()}; labels count from 0"
        )
    return images, wide


def _idx_pair(what: str, split: str, progress: Progress | None) -> Labelled:
    stem = "t10k" if split == "test" else "train"
    files = (f"{what}/{stem}-images-idx3-ubyte.gz", f"{what}/{stem}-labels-idx1-ubyte.gz")
    images, labels = (
        _idx(locate(Remote(file, SHA256[file], MIRRORS[what]), progress=progress), dimensions)
        for file, dimensions in zip(files, (3, 1), strict=True)
    )
    return _checked(what, files[0], files[1], images, labels)


def _idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read a gzipped IDX file: magic 0, 0, 8 (bytes), dimensions; big-endian lengths; data."""
    try:
        raw = gzip.decompress(path.read_bytes())
        if raw[:4] != bytes([0, 0, 8, dimensions]):
            raise ValueError(f"begins with {raw[:4].hex()}")
        shape = np.frombuffer(raw, ">u4", dimensions, 4).tolist()
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except DAMAGE as error:
        raise _damaged(path, f"not a gzipped IDX file of {dimensions} dimensions", error) from error


def _cifar10(split: str, progress: Progress | None) -> Labelled:
    file = "cifar10/cifar-10-binary.tar.gz"
    remote = Remote(file, SHA256[file], MIRRORS["cifar10"])
    path = locate(remote, also=["cifar10/cifar10.npz"], progress=progress)
    if path.suffix == ".npz":
        with path.open("rb") as opened:
            return _from_npz(opened, str(path), f"x_{split}", f"y_{split}")
    try:
        with tarfile.open(path) as archive:
            batches = [_member(archive, name) for name in CIFAR_MEMBERS[split]]
        records = np.frombuffer(b"".join(batches), np.uint8).reshape(-1, CIFAR_RECORD)
    except DAMAGE as error:
        raise _damaged(path, "not the binary CIFAR-10 archive", error) from error
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return _checked(str(path), "images", "labels", planes.transpose(0, 2, 3, 1), records[:, 0])


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(f"cifar-10-batches-bin/{name}")
    return (file or io.BytesIO()).read()


def _damaged(path: Path, problem: str, error: BaseException) -> DataError:
    return DataError(f"{path}: {problem}, or damaged ({error}); remove it, then it is fetched anew")
