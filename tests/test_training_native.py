"""Convolutions in C, and the threads that share a batch: what PyTorch computes."""

import importlib
from collections.abc import Iterator

import numpy as np
import pytest

from binohm.gen.training.recipe import Shape

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
functions = importlib.import_module("binohm.gen.training.functions")
model = importlib.import_module("binohm.gen.training.model")
native = importlib.import_module("binohm.gen.training.native")
votes = importlib.import_module("binohm.gen.training.votes")

pytestmark = pytest.mark.extras

SHAPES = [
    Shape(9, 1, (0, 9), (1, 1, 1)),
    Shape(27, 3, (0, 13, 27), (4, 6, 3)),
    Shape(72, 65, (0, 31, 72), (1, 5, 8)),
    Shape(9 * 65, 8, (0, 9 * 65), (5, 4, 65)),
    Shape(9 * 28, 5, (0, 128, 9 * 28), (7, 1, 28)),
    Shape(9 * 300, 16, (0, 9 * 300), (2, 3, 300)),
    Shape(9, 1, (0, 9), (2, 2, 1), True),
    Shape(9 * 3, 65, (0, 9, 15, 27), (8, 4, 3), True),
    Shape(9 * 8, 3, (0, 9 * 8), (5, 7, 8), True),
    Shape(9 * 65, 8, (0, 300, 9 * 65), (6, 9, 65), True),
    Shape(9 * 2, 3, (0, 18), (20, 12, 2), True),
    Shape(9 * 20, 33, (0, 60, 120, 180), (34, 66, 20), True),
]
"""Groups that begin inside kernels, odd sides, one pixel, 1 to 15 words, several bands of rows."""


@pytest.fixture(params=["cc", "cc -U__AVX2__"])
def compiler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With vectors, if the processor has them, and without."""
    native._compiled.cache_clear()
    monkeypatch.setenv("CC", request.param)
    assert native._compiled() is not None
    yield
    native._compiled.cache_clear()


def _bits(*size: int) -> "torch.Tensor":
    return functions._signs(torch.randn(size))


def _groups(shape: Shape, images: int) -> "list[tuple[object, ...]]":
    """What comes in, and of each group: its part, kernels, sums by PyTorch, and the C's."""
    x = _bits(images, shape.image[2], *shape.image[:2]).contiguous(
        memory_format=torch.channels_last
    )
    weights = _bits(shape.outputs, shape.inputs)
    found = []
    for part in functions.parts(shape):
        kernels = part.kernels(weights)
        sums = part.sums(part.taken(x), kernels)
        found.append((x, part, kernels, sums, native.Kernels(kernels, shape)))
    return found


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_are_those_of_pytorch(shape: Shape) -> None:
    torch.manual_seed(len(str(shape)))
    for x, part, _, sums, kernels in _groups(shape, 3):
        found, corner = kernels.sums(x[:, part.inputs])
        if shape.pool:
            wanted, index = torch.nn.functional.max_pool2d(sums, 2, return_indices=True)
            row, column = index // shape.image[1], index % shape.image[1]
            which = (2 * (row % 2) + column % 2).permute(0, 2, 3, 1).numpy()
            assert np.array_equal(corner, which.reshape(corner.shape))  # ties: the first
        else:
            wanted = sums
            assert corner is None
        rows = wanted.permute(0, 2, 3, 1).reshape(-1, shape.outputs).numpy()
        assert np.array_equal(found, rows)


@pytest.mark.usefixtures("compiler")
def test_all_bits_may_differ() -> None:
    """All nine pixels of a window count in the middle of an image, four in its corner."""
    for channels in (8, 300, 3600):
        x = torch.ones(1, channels, 3, 3).contiguous(memory_format=torch.channels_last)
        shape = Shape(9 * channels, 2, (0, 9 * channels), (3, 3, channels))
        sums, _ = native.Kernels(-torch.ones(2, channels, 3, 3), shape).sums(x)
        assert sums[4].tolist() == [-9 * channels] * 2
        assert sums[0].tolist() == [-4 * channels] * 2


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.pool], ids=str)
def test_gradients_are_those_of_pytorch(shape: Shape) -> None:
    """Of integers, so that nothing is rounded."""
    torch.manual_seed(len(str(shape)))
    for whole_x, part, weights, whole, kernels in _groups(shape, 3):
        x = whole_x.clone()
        sums, corner = kernels.sums(x[:, part.inputs])
        x *= torch.randint(1, 9, x.shape)  # what comes in may be anything
        gradient = torch.randint(-9, 10, sums.shape).float()
        norm = [torch.randint(-3, 4, (shape.outputs,)).float() for _ in range(5)]
        mean, scale, beta, slope, level = norm
        apart = torch.from_numpy(sums).float() - mean
        passed = torch.where((apart * scale + beta).abs() < 1, gradient, 0)
        rows = scale * passed - slope * apart - level
        spread = torch.zeros_like(whole)
        spread[_places(shape, len(x), corner)] = rows.ravel()
        to_x, to_kernels = part.gradients(spread, part.taken(x), weights, True)
        before = torch.randint_like(x, 9)
        place = before.clone()
        given = sums, corner, [each.numpy() for each in norm], gradient.numpy()
        found = kernels.gradients(x[:, part.inputs], *given, place[:, part.inputs])
        assert torch.equal(found, to_kernels) and found.unique().numel() > 1
        before[:, part.inputs] += to_x
        assert torch.equal(place, before)
        assert torch.equal(kernels.gradients(x[:, part.inputs], *given, None), to_kernels)


def _places(shape: Shape, images: int, corner: np.ndarray) -> "tuple[torch.Tensor, ...]":
    """Indices (N, C, H, W) of the sums that a pool keeps, row by row."""
    image, row, column, output = np.indices((images, *shape.result)).reshape(4, -1)
    row, column = 2 * row + corner.ravel() // 2, 2 * column + corner.ravel() % 2
    return tuple(map(torch.from_numpy, (image, output, row, column)))


@pytest.mark.parametrize("compiler", [True, False], ids=["C", "no C"])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(
    "shape",
    [
        Shape(65, 8, (0, 21, 43, 65)),
        Shape(27, 3, (0, 13, 27), (4, 6, 3)),
        Shape(27, 9, (0, 9, 15, 27), (8, 5, 3), True),
    ],
    ids=str,
)
def test_threads_share_a_batch(
    monkeypatch: pytest.MonkeyPatch, shape: Shape, threads: int, compiler: bool
) -> None:
    """Five images: threads without one, too. Votes are equal, all else as far as floats go."""
    monkeypatch.setattr(votes, "available", lambda _: compiler)
    torch.manual_seed(threads)
    layer = model._Layer(shape, 1.0, binary=True, last=False)
    with torch.no_grad():
        layer.norm.weight.normal_()
        layer.norm.bias.normal_()  # no sum is 0 when normalised
    before = {key: value.clone() for key, value in layer.norm.state_dict().items()}
    size = (shape.image[2], *shape.image[:2]) if shape.image else (shape.inputs,)
    x = _bits(5, *size).contiguous(**_format(shape)).requires_grad_()
    weights = _bits(shape.outputs, shape.inputs).requires_grad_()
    gradient, found = None, []
    for way in (layer._votes, lambda *given: layer._compiled(*given, threads)):
        layer.norm.load_state_dict(before)
        counted = way(x, weights)
        gradient = torch.randn(counted.shape) if gradient is None else gradient
        leaves = x, weights, layer.norm.weight, layer.norm.bias
        back = torch.autograd.grad(counted, leaves, gradient)
        found.append((counted.detach(), *back, layer.norm.running_mean, layer.norm.running_var))
        found[-1] = tuple(part.clone() for part in found[-1])
    assert torch.equal(found[0][0], found[1][0]) and found[0][0].unique().numel() > 1
    for wanted, given in zip(*found, strict=True):
        assert (wanted - given).abs().max() <= 1e-4


def _format(shape: Shape) -> dict[str, object]:
    return {"memory_format": torch.channels_last} if shape.image else {}


def test_no_compiler_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    native._compiled.cache_clear()
    try:
        for compiler in ("no-such-compiler", "false"):
            monkeypatch.setenv("CC", compiler)
            assert not native.available(1)
            native._compiled.cache_clear()
        monkeypatch.setenv("CC", "cc -O1")
        assert native.available((1 << 15) - 1) and not native.available(1 << 15)
    finally:
        native._compiled.cache_clear()
