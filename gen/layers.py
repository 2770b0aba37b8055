"""The parts of a trained binary network as integers: its input and its layers.

What they compute is said in :mod:`binohm.gen.network`, which joins them and names them all.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from binohm.gen.errors import ModelError

__all__ = ["LIMIT", "Conv", "Dense", "Input", "Ints", "Pool", "Scores", "Signs"]

LIMIT = 1 << 30
"""Thresholds, scales and offsets stay below this, so that no 64-bit sum can overflow."""

Signs = NDArray[np.int8]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Input:
    """How pixels become the numbers the first layer multiplies.

    Parameters
    ----------
    shape : tuple of int
        Shape of one image as a user stores it: (H, W) or (H, W, C). Flattened in C order, element
        ``k`` of the vector is byte ``k`` of the input stream.
    table : int64 array, shape (256,)
        Value of each pixel byte. Scale factors are folded away: these are integers.
    bipolar : bool
        The table holds only -1 and +1, and they drive the lines as activations do. Otherwise the
        values are read bit plane by bit plane.
    """

    shape: tuple[int, ...]
    table: Ints
    bipolar: bool

    def __post_init__(self) -> None:
        if len(self.shape) not in (1, 2, 3) or min(self.shape) < 1:
            raise ModelError(f"input shape must be (N,), (H, W) or (H, W, C), not {self.shape}")
        if self.table.shape != (256,) or self.table.dtype != np.int64:
            raise ModelError(
                "input table must be 256 int64 values, not "
                f"{self.table.dtype} of shape {self.table.shape}"
            )
        if self.bipolar and not np.isin(self.table, (-1, 1)).all():
            raise ModelError("a bipolar input table must hold only -1 and +1")
        if np.abs(self.table).max() > 1 << 15:
            raise ModelError("input values must lie within -32768 to 32767: 16 bit planes at most")

    @property
    def elements(self) -> int:
        """Pixels per image."""
        return int(np.prod(self.shape))

    @property
    def signed(self) -> bool:
        """Whether a value can be negative; then the top plane weighs negative."""
        return bool((self.table < 0).any())

    @property
    def bits(self) -> int:
        """Bit planes of a value: 1 if bipolar, else the two's complement or unsigned width."""
        if self.bipolar:
            return 1
        low, high = int(self.table.min()), int(self.table.max())
        if low < 0:
            return max((-low - 1).bit_length(), high.bit_length()) + 1
        return max(1, high.bit_length())

    @property
    def plane_weights(self) -> tuple[int, ...]:
        """What bit ``b`` of a value is worth: 1, 2, 4, ... and -2^(b-1) at the top if signed."""
        weights = [1 << b for b in range(self.bits)]
        if self.signed and not self.bipolar:
            weights[-1] = -weights[-1]
        return tuple(weights)


@dataclass(frozen=True)
class Dense:
    """A fully connected hidden layer with binary outputs.

    Parameters
    ----------
    name : str
        Unique in the network; an identifier, since files and modules are named after it.
    weights : int8 array of -1 and +1, shape (outputs, inputs)
    theta : int64 array, shape (groups, outputs)
        Group ``g`` of output ``o`` is +1 before its flip when ``s >= theta[g, o]``.
    flip : bool array, shape (groups, outputs)
        Inverts the bit: batch normalisation with negative gamma.
    bounds : tuple of int
        Where the groups begin and end: group ``g`` has inputs ``bounds[g]`` to ``bounds[g+1]``.
    """

    name: str
    weights: Signs
    theta: Ints
    flip: NDArray[np.bool_]
    bounds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_weights(self.name, self.weights)
        if not self.bounds:
            object.__setattr__(self, "bounds", (0, self.inputs))
        rising = all(a < b for a, b in zip(self.bounds, self.bounds[1:], strict=False))
        if self.bounds[0] != 0 or self.bounds[-1] != self.inputs or not rising:
            raise ModelError(
                f"layer {self.name}: group bounds must rise from 0 to {self.inputs}, "
                f"not {self.bounds}"
            )
        shape = (self.groups, self.outputs)
        _check_integers(self.name, "theta", self.theta, shape)
        if self.flip.shape != shape or self.flip.dtype != np.bool_:
            raise ModelError(f"layer {self.name}: flip must be bool of shape {shape}")

    @property
    def inputs(self) -> int:
        """Elements of the input vector."""
        return int(self.weights.shape[1])

    @property
    def outputs(self) -> int:
        """Elements of the output vector."""
        return int(self.weights.shape[0])

    @property
    def groups(self) -> int:
        """Parts whose bits are joined by a majority vote; 1 if the layer is not split."""
        return len(self.bounds) - 1

    @property
    def takes(self) -> int:
        """Elements that come from the layer before."""
        return self.inputs

    @property
    def gives(self) -> int:
        """Elements that go to the layer behind."""
        return self.outputs


@dataclass(frozen=True)
class Pool:
    """The largest of ``kernel`` results, every ``stride``.

    Parameters
    ----------
    kernel, stride : (int, int)
        Rows and columns.
    of : str
        ``sums``: before threshold and flip, in each group; ``signs``: of the layer's results.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    of: Literal["sums", "signs"]

    def size(self, rows: int, columns: int) -> tuple[int, int]:
        """Rows and columns of what comes out."""
        return (
            (rows - self.kernel[0]) // self.stride[0] + 1,
            (columns - self.kernel[1]) // self.stride[1] + 1,
        )


@dataclass(frozen=True, kw_only=True)
class Conv(Dense):
    """A hidden layer that looks at every window of an image.

    ``inputs`` are the elements of a window, in the order (channel, row, column), and ``outputs``
    the channels that come out.

    Parameters
    ----------
    image : (int, int, int)
        Rows, columns and channels of what comes in.
    kernel, stride, padding : (int, int)
        Rows and columns. Padding is the same on both sides.
    pool : Pool, optional
    """

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    pool: Pool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        inputs = self.image[2] * self.kernel[0] * self.kernel[1]
        if self.inputs != inputs:
            raise ModelError(
                f"layer {self.name}: a window of {self.kernel[0]} x {self.kernel[1]} with "
                f"{self.image[2]} channels has {inputs} elements, but the weights {self.inputs}"
            )
        for axis, what in enumerate(("rows", "columns")):
            size, kernel, padding = self.image[axis], self.kernel[axis], self.padding[axis]
            if min(size, kernel, self.stride[axis]) < 1 or not 0 <= padding <= (kernel - 1) // 2:
                raise ModelError(
                    f"layer {self.name}: {what}: image {size}, kernel {kernel} and stride "
                    f"{self.stride[axis]} must be at least 1, and padding {padding} at most "
                    f"{(kernel - 1) // 2}"
                )
            if self.windows[axis] < 1:
                raise ModelError(
                    f"layer {self.name}: {what}: a kernel of {kernel} does not fit in an image of "
                    f"{size} with padding {padding}"
                )
        if min(self.result[:2]) < 1:
            raise ModelError(
                f"layer {self.name}: a pool does not fit in {self.windows[0]} x {self.windows[1]}"
            )

    @property
    def windows(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        rows, columns = (
            (self.image[k] + 2 * self.padding[k] - self.kernel[k]) // self.stride[k] + 1
            for k in range(2)
        )
        return rows, columns

    @property
    def result(self) -> tuple[int, int, int]:
        """Rows, columns and channels of what comes out."""
        size = self.pool.size(*self.windows) if self.pool else self.windows
        return (*size, self.outputs)

    @property
    def takes(self) -> int:
        """Elements that come from the layer before."""
        return int(np.prod(self.image))

    @property
    def gives(self) -> int:
        """Elements that go to the layer behind."""
        return int(np.prod(self.result))


@dataclass(frozen=True)
class Scores:
    """The last layer: ``scale * (weights @ x) + offset``, an integer for each class.

    Parameters
    ----------
    name : str
    weights : int8 array of -1 and +1, shape (outputs, inputs)
    scale, offset : int64 array, shape (outputs,)
    """

    name: str
    weights: Signs
    scale: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    offset: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        _check_weights(self.name, self.weights)
        if not self.scale.size:
            object.__setattr__(self, "scale", np.ones(self.outputs, np.int64))
        if not self.offset.size:
            object.__setattr__(self, "offset", np.zeros(self.outputs, np.int64))
        _check_integers(self.name, "scale", self.scale, (self.outputs,))
        _check_integers(self.name, "offset", self.offset, (self.outputs,))

    @property
    def inputs(self) -> int:
        """Elements of the input vector."""
        return int(self.weights.shape[1])

    @property
    def outputs(self) -> int:
        """Classes."""
        return int(self.weights.shape[0])

    groups = 1

    @property
    def takes(self) -> int:
        """Elements that come from the layer before."""
        return self.inputs

    @property
    def gives(self) -> int:
        """Elements that come out."""
        return self.outputs


def _check_weights(name: str, weights: NDArray[Any]) -> None:
    if weights.ndim != 2 or 0 in weights.shape or weights.dtype != np.int8:
        raise ModelError(
            f"layer {name}: weights must be int8 of shape (outputs, inputs), not "
            f"{weights.dtype} of shape {weights.shape}"
        )
    if not (np.abs(weights) == 1).all():
        raise ModelError(f"layer {name}: weights must hold only -1 and +1")


def _check_integers(name: str, key: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    if values.shape != shape or values.dtype != np.int64:
        raise ModelError(
            f"layer {name}: {key} must be int64 of shape {shape}, not "
            f"{values.dtype} of shape {values.shape}"
        )
    if np.abs(values).max() >= LIMIT:
        raise ModelError(f"layer {name}: {key} must lie within +-{LIMIT - 1}")
