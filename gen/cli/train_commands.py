"""The commands ``binohm train ...``: in software, on the array."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from binohm.gen.cli.options import Force, Json, Output
from binohm.gen.errors import ConfigError

if TYPE_CHECKING:
    from binohm.gen.cli.on_array import Verilog
    from binohm.gen.training.recipe import Recipe

__all__ = ["train"]

train = typer.Typer(
    help="Train a network, in software or on the array.", epilog="Example: binohm train digits"
)

OnArray = Annotated[
    bool, typer.Option("--on-array", help="Learn on 2T2R pairs, as docs/learning.md says.")
]
Hidden = Annotated[str | None, typer.Option(metavar="N,N,...", help="Sizes of hidden layers.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Over all training images.")]
Nonlinearity = Annotated[
    float | None,
    typer.Option(help="Of the pulse response, 0.01 to 10; without it, devices are ideal."),
]
Mismatch = Annotated[float | None, typer.Option(help="Spread of the gain of devices.")]
CycleNoise = Annotated[float | None, typer.Option(help="Spread of a pulse, over the pulse.")]
Refresh = Annotated[bool, typer.Option(help="Whether full pairs are refreshed.")]
ErrorBits = Annotated[int, typer.Option(help="Of errors, 2 to 8.")]
Method = Annotated[
    Literal["pairs", "single", "software"],
    typer.Option(help="2T2R pairs, or a baseline: one device a weight, or latent weights."),
]
Chip = Annotated[int, typer.Option(min=0, help="Seed of the devices.")]

Rtl = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="STEPS",
        help="First let the trainer in Verilog learn so many batches beside the golden model, and "
        "compare all it holds after each; exit 1 at the first divergence.",
    ),
]  # fmt: skip
RtlDirectory = Annotated[
    Path | None,
    typer.Option("--verilog", metavar="DIR", help="Write the trainer in Verilog there."),
]
ByRow = Annotated[
    bool, typer.Option("--by-row", help="The Verilog reads a row of pairs at a time: a baseline.")
]
OnSimulator = Annotated[
    Literal["verilator", "icarus"], typer.Option("--simulator", help="That --rtl runs.")
]

Trains = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="The network, an .npz, or an .onnx (QONNX); its log, a .csv, beside."
    ),
]
Width = Annotated[float, typer.Option(help="Of all layers but the last.")]
PixelBits = Annotated[
    int, typer.Option(help="Of the input, 1 to 8; each is a read of the first layer.")
]
Split = Annotated[
    int, typer.Option(metavar="ROWS", help="Groups of at most so many inputs; 0 splits none.")
]
ErrorRate = Annotated[float, typer.Option(help="Chance of a weight to be flipped while training.")]
Shift = Annotated[int, typer.Option(help="Most pixels an image is moved by while training.")]
Rounds = Annotated[int, typer.Option(help="Epochs, over all training images.")]
Start = Annotated[int, typer.Option(help="Of first weights, order and errors.")]


@train.command(epilog="Example: binohm train digits -o digits.npz")
def digits(
    output: Output,
    on_array: OnArray = False,
    hidden: Hidden = None,
    epochs: Epochs = None,
    nonlinearity: Nonlinearity = None,
    mismatch: Mismatch = None,
    cycle_noise: CycleNoise = None,
    refresh: Refresh = True,
    error_bits: ErrorBits = 6,
    method: Method = "pairs",
    chip: Chip = 1,
    rtl: Rtl = None,
    verilog: RtlDirectory = None,
    by_row: ByRow = False,
    simulator: OnSimulator = "verilator",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of first weights and order; 0, on the array 1.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train on handwritten digits: the demo's network in integers, or another on the array."""
    from binohm.gen.cli.console import bar
    from binohm.gen.cli.on_array import Choices, Verilog
    from binohm.gen.cli.summary import show_network
    from binohm.gen.output import replacing
    from binohm.gen.training.digits import train_digits
    from binohm.sim.datasets import load

    chosen = {
        "hidden": hidden, "epochs": epochs, "nonlinearity": nonlinearity, "mismatch": mismatch,
        "cycle_noise": cycle_noise, "refresh": refresh, "error_bits": error_bits, "method": method,
        "chip": chip,
    }  # fmt: skip
    if on_array:
        chosen["seed"] = 1 if seed is None else seed
        asked = Verilog(rtl or 0, verilog, simulator, by_row)
        _train_on_array("digits", chosen, asked, output, force=force, as_json=as_json)
        return
    known = asdict(Choices()) | {"rtl": None, "verilog": None, "by_row": False}
    for name, value in {**chosen, "rtl": rtl, "verilog": verilog, "by_row": by_row}.items():
        if value != known[name]:
            raise ConfigError(f"{name} = {value}: is for training on the array; add --on-array")
    images, labels = load("digits", split="train")
    with replacing(output, force=force) as path, bar("train digits") as progress:
        network = train_digits(images, labels, seed or 0, progress)
        network.save(path)
    show_network(network, output, as_json=as_json)


@train.command(epilog="Example: binohm train mnist --on-array --nonlinearity 4 -o mnist.npz")
def mnist(
    output: Output,
    on_array: OnArray = False,
    hidden: Hidden = None,
    epochs: Epochs = None,
    nonlinearity: Nonlinearity = None,
    mismatch: Mismatch = None,
    cycle_noise: CycleNoise = None,
    refresh: Refresh = True,
    error_bits: ErrorBits = 6,
    method: Method = "pairs",
    chip: Chip = 1,
    rtl: Rtl = None,
    verilog: RtlDirectory = None,
    by_row: ByRow = False,
    simulator: OnSimulator = "verilator",
    seed: Annotated[int, typer.Option(min=1, help="Of first weights, rounding and order.")] = 1,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train on MNIST on the array, by the golden model; a break costs one epoch at most."""
    from binohm.gen.cli.on_array import Verilog

    if not on_array:
        raise ConfigError("mnist is trained on the array: add --on-array; in software: mnist-mlp")
    chosen = {
        "hidden": hidden, "epochs": epochs, "nonlinearity": nonlinearity, "mismatch": mismatch,
        "cycle_noise": cycle_noise, "refresh": refresh, "error_bits": error_bits, "method": method,
        "chip": chip, "seed": seed,
    }  # fmt: skip
    asked = Verilog(rtl or 0, verilog, simulator, by_row)
    _train_on_array("mnist", chosen, asked, output, force=force, as_json=as_json)


@train.command("mnist-mlp", epilog="Example: binohm train mnist-mlp --width 0.25 -o mlp.npz")
def mnist_mlp(
    output: Trains,
    width: Width = 1.0,
    layers: Annotated[int, typer.Option(help="Hidden ones, of 2048 times the width.")] = 3,
    pixel_bits: PixelBits = 8,
    split: Split = 0,
    error_rate: ErrorRate = 0.0,
    shift: Shift = 0,
    epochs: Rounds = 30,
    seed: Start = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a fully connected network on MNIST, by PyTorch; a break costs one epoch at most."""
    from binohm.gen.training.recipe import Recipe

    recipe = Recipe.mnist_mlp(
        width, layers, pixel_bits=pixel_bits, split=split, error_rate=error_rate,
        shift=shift, epochs=epochs, seed=seed,
    )  # fmt: skip
    _train("mnist-mlp", recipe, output, force=force, as_json=as_json)


@train.command("mnist-cnn", epilog="Example: binohm train mnist-cnn --split 128 -o cnn.npz")
def mnist_cnn(
    output: Trains,
    width: Width = 1.0,
    pixel_bits: PixelBits = 8,
    split: Split = 0,
    error_rate: ErrorRate = 0.0,
    shift: Shift = 0,
    epochs: Rounds = 20,
    seed: Start = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a small convolutional network on MNIST: channels 32, 32, 64, 64, then 512 and 10."""
    from binohm.gen.training.recipe import Recipe

    recipe = Recipe.mnist_cnn(
        width, pixel_bits=pixel_bits, split=split, error_rate=error_rate, shift=shift,
        epochs=epochs, seed=seed,
    )  # fmt: skip
    _train("mnist-cnn", recipe, output, force=force, as_json=as_json)


@train.command("cifar10-vgg", epilog="Example: binohm train cifar10-vgg --width 0.25 -o vgg.npz")
def cifar10_vgg(
    output: Trains,
    width: Width = 1.0,
    pixel_bits: PixelBits = 8,
    split: Split = 0,
    error_rate: ErrorRate = 0.0,
    shift: Shift = 4,
    epochs: Rounds = 60,
    seed: Start = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train on CIFAR-10: channels 128, 128, 256, 256, 512, 512, then 1024, 1024 and 10.

    Images are mirrored half of the times.
    """
    from binohm.gen.training.recipe import Recipe

    recipe = Recipe.cifar10_vgg(
        width, pixel_bits=pixel_bits, split=split, error_rate=error_rate, shift=shift,
        epochs=epochs, seed=seed,
    )  # fmt: skip
    _train("cifar10-vgg", recipe, output, force=force, as_json=as_json)


def _train(name: str, recipe: "Recipe", output: Path, *, force: bool, as_json: bool) -> None:
    from binohm.gen.cli import actions
    from binohm.gen.cli.console import note
    from binohm.gen.cli.summary import show_network
    from binohm.gen.output import replacing

    qonnx, log = output.suffix == ".onnx", output.with_suffix(".csv")
    with replacing(output, force=force) as path:
        trained, network = actions.train(name, recipe, path, log=log, qonnx=qonnx)
    note(f"epoch {trained.epoch}: {100 * trained.validation:.2f} % of the images held out")
    facts = {"epoch": trained.epoch, "validation": trained.validation, "history": trained.history}
    show_network(network, output, as_json=as_json, more=facts)


def _train_on_array(
    data: str, chosen: Mapping[str, Any], asked: "Verilog", output: Path, *, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    from binohm.gen.cli import on_array
    from binohm.gen.cli.console import note
    from binohm.gen.cli.summary import show_network
    from binohm.gen.output import replacing

    choices = on_array.Choices(**chosen)
    with replacing(output, force=force) as path:
        compared = {}
        if asked.steps or asked.directory:
            compared = on_array.beside(data, choices, asked, force=force)
        if compared.get("rtl_steps_unequal"):
            note(f"the Verilog differs from the golden model: {compared['divergence']}")
            raise typer.Exit(1)
        if compared:
            note(f"{asked.steps} steps of the Verilog equal the golden model")
        learned, accuracy, figures = on_array.train(data, choices)
        learned.network.save(path)
    note(f"epoch {learned.epoch}: {100 * learned.validation:.2f} % of the images held out")
    note(f"test set: {100 * accuracy:.2f} %")
    show_network(learned.network, output, as_json=as_json, more={**figures, **compared})
