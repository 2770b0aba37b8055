"""The commands of ``binohm``: what they are called, what they take, what they print.

What they do is in :mod:`binohm.gen.cli.actions`. All imports that take time, ``binohm.sim`` among
them, are inside the commands: ``binohm --help`` loads none of them.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from binohm.gen.cli.explore_command import explore
from binohm.gen.cli.options import Force, Json
from binohm.gen.cli.soc_command import soc
from binohm.gen.cli.train_commands import train
from binohm.gen.errors import ConfigError

if TYPE_CHECKING:
    from binohm.gen.network import Network

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a trained binary neural network to verified Verilog around RRAM crossbar arrays.",
    epilog="Example: binohm demo",
)
app.add_typer(train, name="train")
app.command("explore", epilog="Example: binohm explore digits -c sweep.toml -o out --data digits")(
    explore
)
app.command("soc", epilog="Example: binohm soc mnist_cnn.npz --slots 128 --data mnist")(soc)

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
    Literal["digital", "device", "storage"],
    typer.Option(
        help="Which implementation of the arrays: their digital function; the devices of the "
        "build's maps, bit for bit as `run --engine device` computes them; or words fetched from "
        "macros of single cells, in a build with [storage]."
    ),
]
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
    from binohm.gen.cli import actions
    from binohm.gen.cli.console import emit, note
    from binohm.gen.cli.summary import print_demo

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
    from binohm.gen.output import replacing
    from binohm.gen.reporting import technology as energies

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
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="ONNX or QONNX; weights of Larq: .h5, .npz.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The network, an .npz.")],
    name: Annotated[
        str | None, typer.Option(help="Of the network. Without it, the file's.")
    ] = None,
    pixel_scale: Annotated[
        str, typer.Option(help="What the model is given for a pixel of 1: a fraction.")
    ] = "1/255",
    pixel_offset: Annotated[
        str, typer.Option(help="What it is given for a pixel of 0: a fraction.")
    ] = "0",
    shape: Annotated[
        str | None, typer.Option(metavar="HxW", help="Of an image, if the model takes a vector.")
    ] = None,
    layers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What the layers of the weights are.")
    ] = None,
    rounding: Annotated[
        bool, typer.Option("--rounding", help="Round scores that do not fold exactly.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Read a trained network and fold it to integers. Names what it cannot read, and the cure."""
    from binohm.gen.cli.console import note
    from binohm.gen.cli.summary import show_network
    from binohm.gen.importer.larq import import_larq
    from binohm.gen.importer.qonnx import import_model
    from binohm.gen.output import replacing

    remarks: list[str] = []
    read: Callable[..., Network] = import_model
    if model.suffix in (".npz", ".h5", ".hdf5"):
        read = partial(import_larq, description=layers)
    elif layers is not None:
        raise ConfigError(f"--layers {layers}: only for weights, an .npz or .h5, not {model}")
    with replacing(output, force=force) as path:
        network = read(
            model, name=name, pixel_scale=_fraction(pixel_scale, "--pixel-scale"),
            pixel_offset=_fraction(pixel_offset, "--pixel-offset"), shape=_shape(shape),
            rounding=rounding, remarks=remarks,
        )  # fmt: skip
        network.save(path)
    for remark in remarks:
        note(remark)
    show_network(network, output, as_json=as_json)


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
    from binohm.gen.cli import actions
    from binohm.gen.cli.console import emit, status
    from binohm.gen.cli.summary import print_build

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
    from binohm.gen.cli import actions
    from binohm.gen.cli.console import emit
    from binohm.gen.cli.summary import print_check

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
    from binohm.gen.cli import actions
    from binohm.gen.cli.console import emit
    from binohm.gen.cli.summary import print_macros

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
    from binohm.gen.cli import actions
    from binohm.gen.cli.console import emit
    from binohm.gen.cli.summary import print_run
    from binohm.gen.reporting.technology import load

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
    from binohm.gen.cli import actions
    from binohm.gen.cli.console import emit, status
    from binohm.sim.wave import wave

    pictures = actions.labelled(data)[0] if data else None
    with status(f"simulate {directory}"):
        path = wave(directory, pictures, image, output or directory / "sim" / "wave.vcd")
    if as_json:
        emit({"image": image, "output": str(path), "bytes": path.stat().st_size})
    else:
        print(path)


@app.command(epilog="Example: binohm fpga build/digits --board icebreaker")
def fpga(
    directory: Directory,
    board: Annotated[
        str, typer.Option(metavar="BOARD", help="icebreaker, ulx3s; arty, tangnano9k: not run.")
    ],
    clock: Annotated[
        float | None,
        typer.Option(min=1, metavar="MHZ", help="Target.", show_default="the board's"),
    ] = None,
    baud: Annotated[int, typer.Option(min=300, help="Bits per second on the line.")] = 1_000_000,
    seed: Annotated[int, typer.Option(min=1, help="Of placement.")] = 1,
    as_json: Json = False,
) -> None:
    """Make a bitstream with open tools; exit 1 if it is not as fast as its clock."""
    from binohm.gen.cli import actions
    from binohm.gen.cli.console import emit, note
    from binohm.gen.cli.summary import print_fpga

    figures = actions.fpga(directory, board, clock, baud, seed)
    if as_json:
        emit(figures)
    else:
        print_fpga(figures)
    if figures["met"] is False:
        note(
            f"{figures['title']}: {figures['fmax_mhz']} MHz of {figures['target_mhz']} MHz; try "
            "another --seed, a lower --clock, or fewer columns_per_cycle"
        )
        raise typer.Exit(1)


@app.command(epilog="Example: binohm talk build/digits --port /dev/ttyUSB1 --data digits")
def talk(
    directory: Directory,
    data: Annotated[str, typer.Option(metavar="DATA", help=DATA)],
    port: Annotated[str | None, typer.Option(help="The board's serial port.")] = None,
    simulator: Annotated[
        Literal["verilator", "icarus"] | None, typer.Option(help="A simulated board instead.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Only the first so many.")] = 100,
    baud: Annotated[int, typer.Option(min=300, help="Of the bitstream.")] = 1_000_000,
    as_json: Json = False,
) -> None:
    """Send test images to a board and compare its answers; exit 1 if one differs from golden."""
    from binohm.gen.cli import actions
    from binohm.gen.cli.console import emit
    from binohm.gen.cli.summary import print_talk

    figures = actions.talk(directory, data, images, port, baud, simulator)
    if as_json:
        emit(figures)
    else:
        print_talk(figures)
    if figures["mismatches"] or figures["cycles"] != [figures["cycles_predicted"]]:
        raise typer.Exit(1)


@app.command(epilog="Example: binohm report build/tfc --svg tfc.svg")
def report(
    directory: Directory,
    svg: Annotated[
        Path | None, typer.Option(help="Write the map and the timing as a picture, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Sum a build up, and rebuild its report.html with the results of check and run, if any."""
    from binohm.gen.cli import actions
    from binohm.gen.cli.console import emit
    from binohm.gen.cli.summary import print_build, print_check, print_run
    from binohm.gen.output import replacing
    from binohm.gen.reporting.report import render_svg

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


def _write_shim(name: str, output: Path | None, *, force: bool) -> None:
    from binohm.gen.macros import shim
    from binohm.gen.output import replacing

    for suffix, text in zip((".v", ".toml"), shim.render(name), strict=True):
        target = (output or Path(name)).with_suffix(suffix)
        with replacing(target, force=force) as path:
            path.write_text(text, encoding="utf-8")
        print(target)


def _fraction(text: str, option: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"{option} {text}: must be a fraction such as 1/255") from error


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(size) for size in text.split("x"))
    except ValueError as error:
        raise ConfigError(f"--shape {text}: must be sizes such as 28x28 or 32x32x3") from error
