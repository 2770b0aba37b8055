"""Files appear whole or not at all; made-up images show every value."""

import os
from pathlib import Path

import numpy as np
import pytest

from binohm.gen.errors import OutputError
from binohm.gen.network import Input
from binohm.gen.output import replacing
from binohm.gen.pictures import made_up


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with replacing(target) as path:
        path.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_half_written(tmp_path: Path, stop: type[BaseException]) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")

    def write() -> None:
        with replacing(target, force=True) as path:
            path.write_text("ne")
            raise stop

    with pytest.raises(stop):
        write()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_existing_file_needs_force(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(OutputError) as refused, replacing(target):
        pass
    assert str(refused.value) == f"{target} exists; replace it with --force or choose another -o"
    with replacing(target, force=True) as path:
        path.write_text("new")
    assert target.read_text() == "new"


def test_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as refused, replacing(tmp_path, force=True):
        pass
    assert str(refused.value) == f"{tmp_path} is a folder; name a file in it"
    missing = tmp_path / "no" / "out.txt"
    with pytest.raises(OutputError) as refused, replacing(missing):
        pass
    assert str(refused.value) == f"cannot write {missing}: No such file or directory"


@pytest.mark.parametrize(
    "table",
    [
        np.minimum(np.arange(256), 16),
        np.where(np.arange(256) >= 255, 1, -1),
        np.arange(256) - 128,
        np.zeros(256),
    ],
)
def test_made_up_images_show_every_value(table: np.ndarray) -> None:
    source = Input((28, 28), table.astype(np.int64), False)
    images = made_up(source, 8)
    assert images.shape == (8, 28, 28) and images.dtype == np.uint8
    assert (images[0] == 0).all() and (images[1] == 255).all()
    values, counts = np.unique(table[images[2:]], return_counts=True)
    assert set(values) == set(table)
    assert counts.min() * 4 > counts.max()
    assert len(np.unique(images)) > 150  # not one pixel byte for each value
    np.testing.assert_array_equal(made_up(source, 3), images[:3])


def test_made_up_images_never_change() -> None:
    source = Input((4,), np.arange(256, dtype=np.int64), False)
    assert made_up(source, 4)[2:].tolist() == [[231, 7, 77, 104], [191, 115, 7, 73]]
