"""The commands of ``binohm``: what they are called, what they take, what they print.

What they do is in :mod:`binohm.gen.actions`. All imports that take time, ``binohm.sim`` among them,
are inside the commands: ``binohm --help`` loads none of them.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from binohm.gen.errors import ConfigError

if TYPE_CHECKING:
    from binohm.gen.network import Network

__all__ = ["app", "train"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a trained binary neural network to verified Verilog around RRAM crossbar arrays.",
    epilog="Example: binohm demo",
)
train = typer.Typer(
    help="Train a network, in software or on the array.", epilog="Example: binohm train digits"
)
app.add_typer(train, name="train")

Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON and nothing else.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is already there.")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A build directory.")]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A .npz of `binohm import`, an .onnx, or `digits`.",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML; `binohm init` writes a commented one.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, over the file's. Repeatable."),
]
Simulator = Annotated[
    Literal["verilator", "icarus"] | None, typer.Option(help="One simulator instead of both.")
]
View = Annotated[
    Literal["digital", "device"],
    typer.Option(
        help="Which implementation of the arrays: their digital function, or the devices of the "
        "build's maps, bit for bit as `run --engine device` computes them."
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The network, an .npz.")]
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
DATA = "`digits`, `mnist`, `fashion_mnist`, `cifar10`, or an .npz with x (uint8) and y."


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Show the help where no command is given."""
    if version:
        from importlib.metadata import version as installed

        print(f"binohm {installed('binohm')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(epilog="Example: binohm demo")
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The build directory; an older one is replaced.")
    ] = Path("build/demo"),
    as_json: Json = False,
) -> None:
    """Handwritten digits from weights to checked Verilog: build, check, accuracy, report."""
    from binohm.gen import actions
    from binohm.gen.console import emit, note
    from binohm.gen.summary import print_demo

    note(f"1/4 build: the embedded digits network to {output}")
    actions.build(actions.embedded("digits"), output, None, [], force=True)
    note("2/4 check: every layer against the golden model, on both simulators")
    checked = actions.check(output, images=actions.PICTURES)
    note("3/4 run: the held-out digits through the Verilog, compiled")
    ran = actions.run(str(output), "digits")
    note("4/4 report")
    facts, results = actions.report(output)
    if as_json:
        emit({**facts, "results": results})
    else:
        print_demo(facts, results, output)
    if not checked["ok"] or ran["mismatches"]:
        raise typer.Exit(1)


@app.command(epilog="Example: binohm init -o binohm.toml")
def init(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write, instead of stdout.")
    ] = None,
    technology: Annotated[
        bool, typer.Option("--technology", help="The energies and times of `run --energy` instead.")
    ] = False,
    macro: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A Verilog shim for a macro of your own instead, and its datasheet beside it; the "
            "name says what it is: my_sa_2t2r_128x64_b16.",
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Write a configuration in which every key is explained and has its default."""
    from binohm.gen import config
    from binohm.gen import technology as energies
    from binohm.gen.output import replacing

    if macro is not None:
        _write_shim(macro, output, force=force)
        return
    text = energies.template() if technology else config.template()
    if output is None:
        print(text, end="")
        return
    with replacing(output, force=force) as path:
        path.write_text(text, encoding="utf-8")
    print(output)


@app.command("import", epilog="Example: binohm import TFC_1W1A.onnx -o tfc.npz")
def import_(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="ONNX or QONNX.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The network, an .npz.")],
    name: Annotated[
        str | None, typer.Option(help="Of the network. Without it, the file's.")
    ] = None,
    pixel_scale: Annotated[
        str, typer.Option(help="What the model is given for a pixel of 1: a fraction.")
    ] = "1/255",
    shape: Annotated[
        str | None, typer.Option(metavar="HxW", help="Of an image, if the model takes a vector.")
    ] = None,
    rounding: Annotated[
        bool, typer.Option("--rounding", help="Round scores that do not fold exactly.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Read a trained network and fold it to integers. Names what it cannot read, and the cure."""
    from binohm.gen.console import note
    from binohm.gen.importer.qonnx import import_model
    from binohm.gen.output import replacing

    remarks: list[str] = []
    with replacing(output, force=force) as path:
        network = import_model(
            model, name=name, pixel_scale=_fraction(pixel_scale), shape=_shape(shape),
            rounding=rounding, remarks=remarks,
        )  # fmt: skip
        network.save(path)
    for remark in remarks:
        note(remark)
    _show_network(network, output, as_json=as_json)


@app.command(epilog="Example: binohm build tfc.npz --set array.rows=256 -o build/tfc")
def build(
    model: Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="The build directory.")],
    config: Config = None,
    settings: Set = None,
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help=f"Images for the bench in tb/: {DATA}")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Map a network to arrays and write Verilog, memory images, bench and report."""
    from binohm.gen import actions
    from binohm.gen.console import emit, status
    from binohm.gen.summary import print_build

    with status(f"build {output}"):
        network = actions.load_network(model)
        facts = actions.build(network, output, config, settings or [], data=data, force=force)
    if as_json:
        emit(facts)
    else:
        print_build(facts)
        print(output)


@app.command(epilog="Example: binohm check build/tfc --images 20")
def check(
    directory: Directory,
    images: Annotated[int, typer.Option(min=1, help="How many, under each kind of traffic.")] = 8,
    view: View = "digital",
    simulator: Simulator = None,
    image_check: Annotated[
        bool, typer.Option(help="Compare the memory images with the plan first.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of random images and stalls.")] = 1,
    as_json: Json = False,
) -> None:
    """Compare the Verilog with the golden model, layer by layer; exit 1 at the first divergence."""
    from binohm.gen import actions
    from binohm.gen.console import emit
    from binohm.gen.summary import print_check

    figures = actions.check(directory, images, view, simulator, image_check=image_check, seed=seed)
    if as_json:
        emit(figures)
    else:
        print_check(figures)
    if not figures["ok"]:
        raise typer.Exit(1)


@app.command("check-macro", epilog="Example: binohm check-macro my.v --datasheet my.toml")
def check_macro(
    sources: Annotated[
        list[Path], typer.Argument(metavar="MACRO.v...", help="Verilog and SystemVerilog.")
    ],
    datasheet: Annotated[
        Path, typer.Option(metavar="FILE.toml", help="What the macro promises: all in this file.")
    ],
    view_params: Annotated[
        bool,
        typer.Option(
            "--view-params",
            help="The module has INIT, MAP and ID, as our views have: INIT brings the cells. "
            "Otherwise set and reset write them.",
        ),
    ] = False,
    device_map: Annotated[
        Path | None, typer.Option("--map", metavar="MAP.hex", help="What parameter MAP is given.")
    ] = None,
    simulator: Simulator = None,
    as_json: Json = False,
) -> None:
    """Hold macros to their datasheet, at their pins; exit 1 with a line for every broken rule."""
    from binohm.gen import actions
    from binohm.gen.console import emit
    from binohm.gen.summary import print_macros

    figures = actions.check_macro(
        sources, datasheet, simulator, parameters=view_params, device_map=device_map
    )
    if as_json:
        emit(figures)
    else:
        print_macros(figures)
    if not figures["ok"]:
        raise typer.Exit(1)


@app.command(epilog="Example: binohm run build/tfc --data mnist --save scores.npz")
def run(
    what: Annotated[
        str, typer.Argument(metavar="DIR|MODEL", help="A build directory, or a network.")
    ],
    data: Annotated[str, typer.Option(metavar="DATA", help=DATA)],
    images: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    engine: Annotated[
        Literal["rtl", "packed", "golden", "device"] | None,
        typer.Option(
            help="The Verilog, compiled, or a model in NumPy: of the network, or on device maps.",
            show_default="rtl",
        ),
    ] = None,
    view: View = "digital",
    save: Annotated[
        Path | None, typer.Option(metavar="OUT.npz", help="Write scores and predictions.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Simulations at a time.", show_default="cores")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Other than 0: stall at random.")] = 0,
    energy: Annotated[
        bool, typer.Option("--energy", help="Energy and time of an image, from counted events.")
    ] = False,
    technology: Annotated[
        Path | None,
        typer.Option(help="What events cost, for --energy: `binohm init --technology` writes one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a whole test set: accuracy, cycles an image; exit 1 if an image differs from golden."""
    from binohm.gen import actions
    from binohm.gen.console import emit
    from binohm.gen.summary import print_run
    from binohm.gen.technology import load

    costs = load(technology) if energy or technology else None
    figures = actions.run(
        what, data, images, engine, save, processes, seed, view=view, technology=costs
    )
    if as_json:
        emit(figures)
    else:
        print_run(figures)
    if figures["mismatches"]:
        raise typer.Exit(1)


@app.command(epilog="Example: binohm wave build/tfc --image 3")
def wave(
    directory: Directory,
    image: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Without it, that of the last check's divergence."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help=f"Without it, the images of tb/. {DATA}")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A VCD file.", show_default="DIR/sim/wave.vcd"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Cut a waveform around one image, or around the first divergence that check found."""
    from binohm.gen import actions
    from binohm.gen.console import emit, status
    from binohm.sim.wave import wave

    pictures = actions.labelled(data)[0] if data else None
    with status(f"simulate {directory}"):
        path = wave(directory, pictures, image, output or directory / "sim" / "wave.vcd")
    if as_json:
        emit({"image": image, "output": str(path), "bytes": path.stat().st_size})
    else:
        print(path)


@app.command(epilog="Example: binohm report build/tfc --svg tfc.svg")
def report(
    directory: Directory,
    svg: Annotated[
        Path | None, typer.Option(help="Write the map and the timing as a picture, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Sum a build up, and rebuild its report.html with the results of check and run, if any."""
    from binohm.gen import actions
    from binohm.gen.console import emit
    from binohm.gen.output import replacing
    from binohm.gen.report import render_svg
    from binohm.gen.summary import print_build, print_check, print_run

    facts, results = actions.report(directory)
    if svg is not None:
        with replacing(svg, force=True) as path:
            path.write_text(render_svg(facts), encoding="utf-8")
    if as_json:
        emit({**facts, "results": results})
        return
    print_build(facts)
    if "check" in results:
        print_check(results["check"])
    if "run" in results:
        print_run(results["run"])
    print(directory / "report.html")


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
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of first weights and order; 0, on the array 1.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train on handwritten digits: the demo's network in integers, or another on the array."""
    from binohm.gen.console import bar
    from binohm.gen.output import replacing

    chosen = {
        "hidden": hidden, "epochs": epochs, "nonlinearity": nonlinearity, "mismatch": mismatch,
        "cycle_noise": cycle_noise, "refresh": refresh, "error_bits": error_bits, "method": method,
        "chip": chip,
    }  # fmt: skip
    if on_array:
        chosen["seed"] = 1 if seed is None else seed
        _train_on_array("digits", chosen, output, force=force, as_json=as_json)
        return
    from binohm.gen.on_array import Choices

    for name, value in chosen.items():
        if value != getattr(Choices(), name):
            raise ConfigError(f"{name} = {value}: is for training on the array; add --on-array")
    from binohm.gen.train import train_digits
    from binohm.sim.datasets import load

    images, labels = load("digits", split="train")
    with replacing(output, force=force) as path, bar("train digits") as progress:
        network = train_digits(images, labels, seed or 0, progress)
        network.save(path)
    _show_network(network, output, as_json=as_json)


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
    seed: Annotated[int, typer.Option(min=1, help="Of first weights, rounding and order.")] = 1,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train on MNIST on the array, by the golden model; a break costs one epoch at most."""
    if not on_array:
        raise ConfigError("mnist is trained on the array: add --on-array; in software: mnist-mlp")
    chosen = {
        "hidden": hidden, "epochs": epochs, "nonlinearity": nonlinearity, "mismatch": mismatch,
        "cycle_noise": cycle_noise, "refresh": refresh, "error_bits": error_bits, "method": method,
        "chip": chip, "seed": seed,
    }  # fmt: skip
    _train_on_array("mnist", chosen, output, force=force, as_json=as_json)


@train.command("mnist-mlp", epilog="Example: binohm train mnist-mlp --width 0.25 -o mlp.npz")
def mnist_mlp(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The network, an .npz, or an .onnx (QONNX).")
    ],
    width: Annotated[float, typer.Option(help="Of hidden layers, of 2048.")] = 1.0,
    layers: Annotated[int, typer.Option(help="Hidden ones.")] = 3,
    pixel_bits: Annotated[
        int, typer.Option(help="Of the input, 1 to 8; each is a read of the first layer.")
    ] = 8,
    split: Annotated[
        int, typer.Option(metavar="ROWS", help="Groups of at most so many inputs; 0 splits none.")
    ] = 0,
    error_rate: Annotated[
        float, typer.Option(help="Chance of a weight to be flipped while training.")
    ] = 0.0,
    epochs: Annotated[int, typer.Option(help="Over all training images.")] = 30,
    seed: Annotated[int, typer.Option(help="Of first weights, order and errors.")] = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a fully connected network on MNIST, by PyTorch; a break costs one epoch at most."""
    from binohm.gen import actions
    from binohm.gen.console import note
    from binohm.gen.output import replacing
    from binohm.gen.training.recipe import Recipe

    recipe = Recipe.mnist_mlp(
        width, layers, pixel_bits=pixel_bits, split=split, error_rate=error_rate,
        epochs=epochs, seed=seed,
    )  # fmt: skip
    with replacing(output, force=force) as path:
        trained, network = actions.mnist_mlp(recipe, path, qonnx=output.suffix == ".onnx")
    note(f"epoch {trained.epoch}: {100 * trained.validation:.2f} % of the images held out")
    facts = {"epoch": trained.epoch, "validation": trained.validation, "history": trained.history}
    _show_network(network, output, as_json=as_json, more=facts)


def _train_on_array(
    data: str, chosen: Mapping[str, Any], output: Path, *, force: bool, as_json: bool
) -> None:
    from binohm.gen import on_array
    from binohm.gen.console import note
    from binohm.gen.output import replacing

    with replacing(output, force=force) as path:
        learned, accuracy, figures = on_array.train(data, on_array.Choices(**chosen))
        learned.network.save(path)
    note(f"epoch {learned.epoch}: {100 * learned.validation:.2f} % of the images held out")
    note(f"test set: {100 * accuracy:.2f} %")
    _show_network(learned.network, output, as_json=as_json, more=figures)


def _write_shim(name: str, output: Path | None, *, force: bool) -> None:
    from binohm.gen import shim
    from binohm.gen.output import replacing

    for suffix, text in zip((".v", ".toml"), shim.render(name), strict=True):
        target = (output or Path(name)).with_suffix(suffix)
        with replacing(target, force=force) as path:
            path.write_text(text, encoding="utf-8")
        print(target)


def _show_network(
    network: "Network", output: Path, *, as_json: bool, more: Mapping[str, Any] | None = None
) -> None:
    from binohm.gen.console import emit
    from binohm.gen.summary import network_figures, print_network

    figures = network_figures(network)
    if as_json:
        emit({"output": str(output), **figures, **(more or {})})
    else:
        print_network(figures)
        print(output)


def _fraction(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"--pixel-scale {text}: must be a fraction such as 1/255") from error


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(size) for size in text.split("x"))
    except ValueError as error:
        raise ConfigError(f"--shape {text}: must be sizes such as 28x28 or 32x32x3") from error
