"""The figures that the commands print: as plain data for ``--json``, as tables for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from binohm.gen.cli.console import emit, print_table
from binohm.gen.network import Conv, Dense, Network, Scores

__all__ = ["network_figures", "print_build", "print_check", "print_demo", "print_energy"]
__all__ += ["print_fpga", "print_run", "print_talk", "show_network"]

Figures = Mapping[str, Any]


def network_figures(network: Network) -> dict[str, Any]:
    """What a network is made of."""
    return {
        "name": network.name,
        "input": {
            "shape": list(network.input.shape),
            "bits": network.input.bits,
            "bipolar": network.input.bipolar,
        },
        "layers": [
            {
                "name": layer.name,
                "kind": _kind(layer),
                "inputs": layer.inputs,
                "outputs": layer.outputs,
                "groups": layer.groups,
                "weights": int(layer.weights.size),
                "flipped": int(layer.flip.sum()) if isinstance(layer, Dense) else None,
            }
            for layer in network.layers
        ],
        "weights": network.weight_count,
    }


def _kind(layer: Dense | Scores) -> str:
    if isinstance(layer, Conv):
        return "conv"
    return "dense" if isinstance(layer, Dense) else "scores"


def _print_network(figures: Figures) -> None:
    """The layer table."""
    source = figures["input"]
    pixels = "x".join(map(str, source["shape"]))
    values = "-1 and +1" if source["bipolar"] else f"integers of {source['bits']} bits"
    heads = ("name", "kind", "inputs", "outputs", "groups", "weights", "flipped")
    print_table(
        f"{figures['name']}: {pixels} pixels as {values}, {figures['weights']:,} weights",
        heads,
        [[layer[head] for head in heads] for layer in figures["layers"]],
    )


def show_network(
    network: Network, output: Path, *, as_json: bool, more: Figures | None = None
) -> None:
    """What was written to ``output``, and how it came about if there is more to say."""
    figures = network_figures(network)
    if as_json:
        emit({"output": str(output), **figures, **(more or {})})
    else:
        _print_network(figures)
        print(output)


def print_build(facts: Figures) -> None:
    """What a build costs, from its report."""
    arrays = {array["name"]: array for array in facts["arrays"]}
    rows = []
    for layer in facts["layers"]:
        array = arrays[layer["array"]]
        rows.append([
            layer["name"], layer["inputs"], layer["outputs"], array["readout"], array["cell"],
            f"{array['rows']}x{array['columns']}", layer["macros"],
            f"{100 * layer['utilisation']:.1f} %", layer["activations"], layer["interval"],
        ])  # fmt: skip
    heads = ("layer", "inputs", "outputs", "readout", "cell", "array", "arrays", "cells used",
             "activations", "cycles")  # fmt: skip
    totals, cycles = facts["totals"], facts["cycles"]
    print_table(f"binohm_{facts['name']}", heads, rows)
    print_table("An image takes", ("", "cycles"), [
        ["latency, first beat in to last beat out", cycles["latency"]],
        [f"interval, image to image (bottleneck: {cycles['bottleneck']})", cycles["interval"]],
    ])  # fmt: skip
    print_table("In all", ("arrays", "cells", "cells used", "weights"), [
        [totals[key] for key in ("macros", "cells", "cells_used", "weights")]
    ])  # fmt: skip
    if taken := facts.get("fpga"):
        blocks = taken["bram"]
        counted = ("LUTs", "flip-flops", *(f"block RAMs, {family}" for family in blocks))
        print_table("On an FPGA, estimated", counted, [
            [taken["lut"], taken["ff"], *blocks.values()]
        ])  # fmt: skip
    rows = [
        [layer["name"], own["planes"], own["replicas"], own["cells_once"], layer["cells"],
         own["interval_once"], layer["interval"]]
        for layer in facts["layers"] if (own := layer.get("copies"))
    ]  # fmt: skip
    if rows:
        copies = ("layer", "planes at once", "replicas", "cells once", "cells", "cycles once",
                  "cycles")  # fmt: skip
        print_table("Copied arrays", copies, rows)


def print_check(figures: Figures) -> None:
    """What a check found, one line a simulator, and the divergences below."""
    rows = []
    for run in figures["runs"]:
        compared = ", ".join(f"{name} {count}" for name, count in run["compared"].items())
        verdict = "equal" if run["ok"] else "DIVERGES"
        measured = [run[key] for key in ("images", "latency", "interval")]
        rows.append([run["simulator"], verdict, *measured, compared])
    heads = ("simulator", "verdict", "images", "latency", "interval", "vectors compared")
    print_table("RTL against golden", heads, rows)
    for run in figures["runs"]:
        for divergence in run["divergences"]:
            print(f"{run['simulator']}: {divergence['text']}")


def print_macros(figures: Figures) -> None:
    """Whether macros do what their datasheets say, and every rule that is broken."""
    rows = [
        [run["macro"], run["simulator"], "conforms" if run["ok"] else "FAILS",
         run["counts"].get("read", 0), run["counts"].get("cycles", 0)]
        for run in figures["runs"]
    ]  # fmt: skip
    print_table("Macros against their datasheets",
                ("macro", "simulator", "verdict", "reads", "cycles"), rows)  # fmt: skip
    for run in figures["runs"]:
        for line in run["failures"]:
            print(f"{run['macro']}, {run['simulator']}: {line}")


def print_run(figures: Figures) -> None:
    """What a run over a data set gave."""
    keys = {
        "images": "images",
        "accuracy": "accuracy",
        "mismatches": "images that differ from golden",
        "deviations": "images that devices change",
        "interval": "interval, cycles",
        "latency": "latency, cycles",
        "cycles": "cycles in all",
    }
    if figures.get("view") == "device":
        keys["mismatches"] = "images that differ from the model of devices"
    rows = []
    for key, words in keys.items():
        value = figures.get(key)
        if value is not None:
            rows.append([words, f"{100 * value:.2f} %" if key == "accuracy" else f"{value:,}"])
    print_table(f"{figures['data']} through {figures['engine']}", ("", ""), rows)
    if "energy" in figures:
        print_energy(figures["energy"])


def print_energy(figures: Figures) -> None:
    """Energy and time of an image, beside the same network with a converter at every column."""
    mine, other, ratio = figures["build"], figures["baseline"], figures["ratio"]
    rows: list[list[object]] = [
        [part, round(mine["parts_pj"][part], 2), round(other["parts_pj"][part], 2)]
        for part in mine["parts_pj"]
        if mine["parts_pj"][part] or other["parts_pj"][part]
    ]
    rows.append(["all", round(mine["total_pj"], 2), round(other["total_pj"], 2)])
    bits = " and ".join(str(number) for number in other["adc_bits"])
    print_table("Energy of an image, pJ", ("", "this build", f"converters of {bits} bits"), rows)
    rows = [
        [words, design["sense_amplifiers"], round(design["events"]["sense_strobes"], 1),
         design["converters"], round(design["events"]["conversions"], 1)]
        for words, design in (("this build", mine), ("converters", other))
    ]  # fmt: skip
    heads = ("", "sense amplifiers", "strobes an image", "converters", "conversions an image")
    print_table("Readout of columns", heads, rows)
    rows = []
    for one, two in zip(mine["layers"], other["layers"], strict=True):
        readout = [round(layer["parts_pj"]["sensing"], 2) for layer in (one, two)]
        whole = [round(layer["total_pj"], 2) for layer in (one, two)]
        rows.append([one["name"], *readout, *whole])
    heads = ("layer", "readout, pJ", "by converters", "all, pJ", "with converters")
    print_table("By layer", heads, rows)
    for key, words in (("sensing", "Readout"), ("total", "In all")):
        if ratio[key] is not None:
            print(f"{words}: converters take {ratio[key]:.3g} times the energy.")
    period = figures["clock_period_ns"]
    times = ", ".join(f"{name} {value:g} ns" for name, value in figures["time_ns"].items())
    print(f"Time of an image at {period:g} ns a cycle: {times}.")
    print(figures["note"])


def print_demo(facts: Figures, results: Figures, directory: Path) -> None:
    """All of the above, and where to look next."""
    print_build(facts)
    print_check(results["check"])
    print_run(results["run"])
    print(f"Report:   {directory / 'report.html'}")
    print(f"Verilog:  {directory / 'rtl'}, top binohm_{facts['name']}")
    print(f"Bench:    make -C {directory / 'tb'}")


def print_fpga(figures: Figures) -> None:
    """What a bitstream takes and gives."""
    rows: list[list[object]] = []
    for key, name in (("lut", "LUTs"), ("ff", "flip-flops"), ("bram", "block RAMs")):
        if figures[key] is not None:
            rows.append([name, figures[key], f"of {figures['available'][key]:,}"])
    if figures["fmax_mhz"] is not None:
        rows.append(["fastest clock, MHz", figures["fmax_mhz"], f"target {figures['target_mhz']}"])
    clock = f"at {figures['target_mhz']} MHz"
    rows += [
        ["cycles an image", figures["initiation_interval_cycles"], ""],
        ["images per second", figures["images_per_s"], clock],
        ["latency, us", figures["latency_us"], clock],
        ["images per second, serial", figures["images_per_s_serial"], f"{figures['baud']:,} baud"],
    ]
    print_table(f"{figures['network']} on {figures['title']}", ("", "", ""), rows)
    if figures["lut"] is None:
        print(f"Not run: fpga/{figures['board']}/ holds sources, pins, and Vivado's script if any.")


def print_talk(figures: Figures) -> None:
    """What a board answered."""
    cycles = ", ".join(map(str, figures["cycles"]))
    rows: list[list[object]] = [
        ["images", figures["images"], ""],
        ["differ from golden", figures["mismatches"], ""],
        ["accuracy, %", round(100 * figures["accuracy"], 2), ""],
        ["cycles inside", cycles, f"predicted {figures['cycles_predicted']}"],
        ["seconds", figures["seconds"], ""],
    ]
    print_table(f"{figures['port']}", ("", "", ""), rows)
    if figures["first_mismatch"] is not None:
        print(f"The first that differs is image {figures['first_mismatch']}.")
    for fault in figures["faults"]:
        print(f"Sent again: {fault}.")
