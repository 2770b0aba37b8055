"""Data sets: what is embedded, what a user brings, what is found, fetched, damaged or missing."""

import gzip
import hashlib
import http.server
import io
import os
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from binohm.gen.errors import DataError
from binohm.sim import datasets, fetch
from binohm.sim.datasets import load

RNG = np.random.default_rng(5)
X = RNG.integers(0, 256, (20, 4, 5), dtype=np.uint8)
Y = RNG.integers(0, 10, 20)


def idx(array: np.ndarray) -> bytes:
    lengths = np.array(array.shape, ">u4").tobytes()
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + lengths + array.astype(np.uint8).tobytes())


MNIST = {
    "mnist/t10k-images-idx3-ubyte.gz": idx(X),
    "mnist/t10k-labels-idx1-ubyte.gz": idx(Y),
}


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves ``files``; ``asked`` are the paths requested."""

    files: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path not in self.files:
            self.send_error(404, "gone")
            return
        body = self.files[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An empty data folder and an empty user cache, and mirrors that cannot be reached."""
    data, cache = tmp_path / "data", tmp_path / "cache" / "binohm"
    data.mkdir()
    monkeypatch.setenv("BINOHM_DATA", str(data))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    nowhere = ("http://127.0.0.1:1/",)
    monkeypatch.setattr(datasets, "MIRRORS", dict.fromkeys(datasets.MIRRORS, nowhere))
    return data, cache


@pytest.fixture
def mirror(folders: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mirror]]:
    """Two mirrors of ``mnist``, the first with nothing on it; sums are those of our small files."""
    Mirror.files, Mirror.asked = {}, []
    for file, body in MNIST.items():
        Mirror.files[f"/good/{Path(file).name}"] = body
        monkeypatch.setitem(datasets.SHA256, file, hashlib.sha256(body).hexdigest())
    with http.server.HTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setitem(datasets.MIRRORS, "mnist", (f"{base}/empty/", f"{base}/good/"))
        yield Mirror
        server.shutdown()
        thread.join()


def place(folder: Path, files: dict[str, bytes]) -> None:
    for file, body in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(body)


def npz(path: Path, **arrays: Any) -> str:
    np.savez(path, allow_pickle=True, **arrays)
    return str(path)


def test_digits_are_those_of_the_source() -> None:
    x, y = load("digits", split="train")
    held, labels = load("digits")
    assert x.shape == (1437, 8, 8) and held.shape == (360, 8, 8)
    assert (x.dtype, y.dtype) == (np.uint8, np.int64)
    both, all_labels = np.concatenate([x, held]), np.concatenate([y, labels]).astype(np.uint8)
    assert both.max() == 16 and both.sum() == 561718
    assert np.bincount(all_labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    sums = [hashlib.sha256(part.tobytes()).hexdigest() for part in (both, all_labels)]
    assert sums == [
        "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3",
        "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
    ]


@pytest.mark.skipif("BINOHM_DATA" not in os.environ, reason="BINOHM_DATA is not set")
def test_mnist_is_the_real_one() -> None:
    x, y = load("mnist")
    assert x.shape == (10000, 28, 28) and y[:5].tolist() == [7, 2, 1, 0, 4]
    header = bytes([0, 0, 8, 3]) + np.array(x.shape, ">u4").tobytes()
    digest = hashlib.md5(header + x.tobytes()).hexdigest()
    assert digest == "2646ac647ad5339dbf082846283269ea"  # of the published file
    x, y = load("mnist", split="train")
    assert x.shape == (60000, 28, 28) and y[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.skipif("BINOHM_DATA" not in os.environ, reason="BINOHM_DATA is not set")
def test_cifar10_is_the_real_one() -> None:
    x, y = load("cifar10")
    assert x.shape == (10000, 32, 32, 3) and y[:5].tolist() == [3, 8, 8, 0, 6]
    assert np.bincount(y).tolist() == [1000] * 10


@pytest.mark.parametrize("colours", [(), (3,)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_file_of_ones_own_is_read(tmp_path: Path, colours: tuple[int, ...], save: Any) -> None:
    images = RNG.integers(0, 256, (6, 3, 7, *colours), dtype=np.uint8)
    for dtype in (np.uint8, np.int32, ">i8"):
        save(tmp_path / "own.npz", x=images, y=np.arange(6).astype(dtype), more=[1.5])
        x, y = load(str(tmp_path / "own.npz"), classes=6)
        assert np.array_equal(x, images) and y.tolist() == list(range(6)) and y.dtype == np.int64


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "no array 'y'; an .npz of images has 'x' and 'y', this one has x"),
        ({"images": X, "y": Y}, "no array 'x'; an .npz of images has 'x' and 'y', .*images, y"),
        ({}, "no array 'x'; an .npz of images has 'x' and 'y', this one has none"),
        ({"x": X[0], "y": Y}, r"x must have shape \(N, H, W\) or \(N, H, W, 3\), not \(4, 5\)"),
        ({"x": X[..., None], "y": Y}, r"x must have shape .*, not \(20, 4, 5, 1\)"),
        ({"x": X[:0], "y": Y[:0]}, r"x must have shape .*, not \(0, 4, 5\)"),
        ({"x": X / 255, "y": Y}, r"x must be uint8 \(pixel bytes 0 to 255\), not float64"),
        ({"x": X, "y": Y[:-1]}, r"y must have shape \(20,\), one label per image, not \(19,\)"),
        ({"x": X, "y": np.eye(20)}, r"y must have shape \(20,\), one label .*, not \(20, 20\)"),
        ({"x": X, "y": Y * 1.0}, "y must be integers, not float64"),
        ({"x": X, "y": np.where(np.arange(20) == 7, -3, Y)}, "label -3 at image 7; labels count"),
        ({"x": X, "y": Y.astype(object)}, "not an .npz file of arrays, or damaged .*"),
    ],
)
def test_a_file_of_another_form_is_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    path = npz(tmp_path / "own.npz", **arrays)
    with pytest.raises(DataError, match=f"^{re.escape(path)}: {message}"):
        load(path)


def test_labels_beyond_the_classes_are_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "own.npz", x=X, y=np.where(np.arange(20) == 4, 12, Y))
    load(path, classes=13)
    with pytest.raises(DataError, match=r"own.npz: label 12 at image 4, but the network has 12 cl"):
        load(path, classes=12)


def zipped(method: int, body: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("x.npy", body)
        archive.writestr("y.npy", body)
    return out.getvalue()


def test_damaged_files_of_ones_own_are_refused(tmp_path: Path) -> None:
    single = io.BytesIO()
    np.save(single, X)
    array = single.getvalue()
    whole = zipped(zipfile.ZIP_STORED, array)
    encrypted = bytearray(whole)
    encrypted[whole.rindex(b"PK\x01\x02") + 8] |= 1
    huge = array.replace(b"(20, 4, 5), }" + b" " * 15, b"(99999999999999999, 4, 5), }")
    cases = [whole[:-30], whole[:100], b"", b"PK", array, bytes(encrypted)]
    cases += [zipped(zipfile.ZIP_STORED, huge), zipped(zipfile.ZIP_STORED, array[:-1])]
    cases += [whole.replace(X.tobytes()[:8], b"\0" * 8)]
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        packed = bytearray(zipped(method, array))
        packed[200:210] = b"\xff" * 10
        cases += [bytes(packed)]
    path = tmp_path / "own.npz"
    for case in cases:
        path.write_bytes(case)
        with pytest.raises(DataError, match=r"own.npz: not an .npz file of arrays, or damaged \("):
            load(str(path))


def test_unreadable_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.npz: no such file$"):
        load(str(tmp_path / "none.npz"))
    with pytest.raises(DataError, match=r": cannot be read \(Is a directory\)$"):
        load(str(tmp_path))
    with pytest.raises(DataError, match=r"^own.npz: a file of your own has no train split$"):
        load("own.npz", split="train")


def test_unknown_names_are_refused_with_the_nearest() -> None:
    known = "Known are digits, mnist, fashion_mnist, cifar10 and paths of .npz files"
    with pytest.raises(
        DataError, match=f"^unknown data set 'minst': did you mean mnist\\? {known}$"
    ):
        load("minst")
    with pytest.raises(DataError, match=f"^unknown data set 'xyz': {known}$"):
        load("xyz")
    with pytest.raises(ValueError, match=r"^split must be 'test' or 'train', not 'val'$"):
        load("digits", split="val")


def test_the_data_folder_comes_before_the_cache(folders: tuple[Path, Path]) -> None:
    data, cache = folders
    place(cache, MNIST)
    assert np.array_equal(load("mnist")[0], X)
    other = X[::-1].copy()
    place(data, {"mnist/t10k-images-idx3-ubyte.gz": idx(other)})
    x, y = load("mnist")
    assert np.array_equal(x, other) and np.array_equal(y, Y)


def test_the_cache_is_in_the_home_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BINOHM_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert fetch.places() == [Path("/home/someone/.cache/binohm")]
    monkeypatch.setenv("BINOHM_DATA", "/data")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert fetch.places() == [Path("/data"), Path("/cache/binohm")]


def test_train_and_fashion_have_files_of_their_own(folders: tuple[Path, Path]) -> None:
    for folder in ("mnist", "fashion_mnist"):
        for stem, shift in (("t10k", 0), ("train", 1)):
            shift += 2 * (folder == "mnist")
            files = {"images-idx3-ubyte.gz": idx(X + shift), "labels-idx1-ubyte.gz": idx(Y)}
            place(folders[0], {f"{folder}/{stem}-{name}": body for name, body in files.items()})
    for shift, (what, split) in enumerate([
        ("fashion_mnist", "test"),
        ("fashion_mnist", "train"),
        ("mnist", "test"),
        ("mnist", "train"),
    ]):
        assert np.array_equal(load(what, split=split)[0], X + np.uint8(shift))


def cifar_archive(records: dict[str, np.ndarray]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, record in records.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = record.size
            archive.addfile(entry, io.BytesIO(record.tobytes()))
    return out.getvalue()


def test_cifar10_is_read_from_its_binary_archive(folders: tuple[Path, Path]) -> None:
    records = RNG.integers(0, 10, (12, 3073), dtype=np.uint8)
    batches = {f"data_batch_{n}.bin": records[2 * n : 2 * n + 2] for n in range(1, 6)}
    place(
        folders[1],
        {
            "cifar10/cifar-10-binary.tar.gz": cifar_archive({
                "test_batch.bin": records[:2],
                **batches,
            })
        },
    )
    x, y = load("cifar10")
    assert x.shape == (2, 32, 32, 3) and y.tolist() == records[:2, 0].tolist()
    # Red plane first, row by row.
    assert x[1, 3, 5].tolist() == [records[1, 1 + c * 1024 + 3 * 32 + 5] for c in range(3)]
    x, y = load("cifar10", split="train")
    assert y.tolist() == records[2:, 0].tolist()


def test_cifar10_is_read_from_an_npz(folders: tuple[Path, Path]) -> None:
    images = RNG.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    (folders[0] / "cifar10").mkdir()
    arrays = {"x_test": images[:1], "y_test": [3], "x_train": images[1:], "y_train": [1, 2, 0]}
    npz(folders[0] / "cifar10" / "cifar10.npz", **arrays)
    assert np.array_equal(load("cifar10")[0], images[:1])
    assert load("cifar10", split="train")[1].tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not gzip",
        idx(X)[:-9],
        idx(X)[:50],
        gzip.compress(gzip.decompress(idx(X))[:-1]),
        gzip.compress(gzip.decompress(idx(X))[:9]),
        idx(X[0]),
        gzip.compress(b"\0\0\x08\3" + b"\xff" * 12),
        gzip.compress(gzip.decompress(idx(X)).replace(b"\0\0\x08", b"\0\0\x09", 1)),
    ],
    ids=range(9),
)
def test_damaged_idx_files_are_refused(folders: tuple[Path, Path], body: bytes) -> None:
    place(folders[0], {**MNIST, "mnist/t10k-images-idx3-ubyte.gz": body})
    with pytest.raises(
        DataError,
        match=r"t10k-images-idx3-ubyte.gz: not a gzipped IDX file of 3 dimensions, or damaged "
        r"\(.*\); remove it, then it is fetched anew$",
    ):
        load("mnist")


def test_images_and_labels_must_agree(folders: tuple[Path, Path]) -> None:
    place(folders[0], {**MNIST, "mnist/t10k-labels-idx1-ubyte.gz": idx(Y[:-1])})
    with pytest.raises(
        DataError, match=r"^mnist: mnist/t10k-labels.* must have shape \(20,\), one"
    ):
        load("mnist")


def test_damaged_archives_are_refused(folders: tuple[Path, Path]) -> None:
    records = RNG.integers(0, 10, (2, 3073), dtype=np.uint8)
    whole = cifar_archive({"test_batch.bin": records})
    other = cifar_archive({"other.bin": records})
    short = cifar_archive({"test_batch.bin": records[:, :-1]})
    for body in (b"", whole[:200], other, short):
        place(folders[0], {"cifar10/cifar-10-binary.tar.gz": body})
        with pytest.raises(DataError, match=r"tar.gz: not the binary CIFAR-10 archive, or damaged"):
            load("cifar10")


def test_missing_files_are_downloaded_once(
    mirror: type[Mirror], folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, int, int]] = []
    monkeypatch.setattr(fetch, "BLOCK_BYTES", 100)
    x, y = load("mnist", progress=lambda *step: steps.append(step))
    assert np.array_equal(x, X) and np.array_equal(y, Y)
    assert mirror.asked == [
        "/empty/t10k-images-idx3-ubyte.gz",
        "/good/t10k-images-idx3-ubyte.gz",
        "/empty/t10k-labels-idx1-ubyte.gz",
        "/good/t10k-labels-idx1-ubyte.gz",
    ]
    assert steps == [
        (Path(file).name, min(done, len(body)), len(body))
        for file, body in MNIST.items()
        for done in range(100, len(body) + 100, 100)
    ]
    kept = sorted(path.name for path in (folders[1] / "mnist").iterdir())
    assert kept == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    load("mnist")
    assert len(mirror.asked) == 4


def test_downloads_are_compared_with_their_sum(
    mirror: type[Mirror], folders: tuple[Path, Path]
) -> None:
    mirror.files["/good/t10k-images-idx3-ubyte.gz"] = idx(X + 1)
    with pytest.raises(
        DataError, match=r"404: gone; http://.*/good/.*: \d+ bytes with sha256 .{16}\.\.\., not"
    ):
        load("mnist")
    assert list((folders[1] / "mnist").iterdir()) == []


def test_an_unreachable_network_is_told_with_the_cure(folders: tuple[Path, Path]) -> None:
    data, cache = folders
    message = (
        f"no data file mnist/t10k-images-idx3-ubyte.gz in {data} or {cache}, and the download "
        "failed (http://127.0.0.1:1/t10k-images-idx3-ubyte.gz: <urlopen error [Errno 111] "
        "Connection refused>); put the file into one of these folders"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        load("mnist")


def test_an_unset_data_folder_is_mentioned(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BINOHM_DATA")
    with pytest.raises(DataError, match=r"cache/binohm \(\$BINOHM_DATA is not set\), and the down"):
        load("cifar10")


def test_an_unwritable_cache_is_a_failed_download(
    mirror: type[Mirror], folders: tuple[Path, Path]
) -> None:
    folders[1].parent.mkdir()
    folders[1].write_bytes(b"a file where the folder should be")
    with pytest.raises(
        DataError, match=r"and the download failed \(.*(File exists|Not a directory)"
    ):
        load("mnist")


def test_an_interrupted_download_leaves_nothing(
    mirror: type[Mirror], folders: tuple[Path, Path]
) -> None:
    def interrupt(*step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load("mnist", progress=interrupt)
    assert list((folders[1] / "mnist").iterdir()) == []


def test_every_downloadable_file_has_a_sum_and_a_mirror() -> None:
    assert len(datasets.SHA256) == 9
    for file, digest in datasets.SHA256.items():
        assert re.fullmatch("[0-9a-f]{64}", digest)
        assert datasets.MIRRORS[file.split("/")[0]]
