"""Fill the generated parts of README and docs: ``python bench/tables.py [--check]``.

A part stands between ``<!-- table: NAME -->`` and ``<!-- end -->``; the names are the keys of
``PARTS``. Measured figures come from ``docs/results/*.json``, the rest from the code. Pictures
under docs/ are made here, too. With ``--check`` nothing is written and the status is 1 if anything
would change.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import fpga_tables as fpga
import learning_tables as learning
import soc_tables as soc
from results import ROOT, read
from systems_table import systems

__all__ = ["PARTS", "fill", "main", "pictures"]

PART = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

LABELS = {
    "demo_s": "`make demo` on a fresh clone, installation included",
    "test_s": "`make test`",
    "test_fast_s": "`make test-fast`",
    "tfc_build_s": "TFC_1W1A: import and build",
    "tfc_verilog_bytes": "TFC_1W1A: Verilog without images",
    "tfc_rtl_images": "TFC_1W1A: MNIST test images through the RTL",
    "tfc_rtl_s": "TFC_1W1A: all of them, compilation included",
    "tfc_mismatches": "TFC_1W1A: images whose class or scores differ from golden",
    "tfc_accuracy": "TFC_1W1A: accuracy on MNIST",
    "digits_accuracy": "digits: accuracy on the 360 held-out images",
    "prediction_configurations": "configurations with every predicted cycle simulated",
    "prediction_unequal": "of them, with a cycle predicted wrongly",
    "packed_vs_qonnx_ratio": "bit-packed NumPy against the qonnx executor, batches of 1000",
    "pcsa_read_error_sigma_25_window_50_1t1r": "1T1R, sigma/mu 25 %, window 50: weights misread",
    "pcsa_read_error_sigma_25_window_50_2t2r": "2T2R, the same",
    "ber_cells": "cells behind every error rate",
    "low_vg_c2c_reduction": "low gate voltage: cycle-to-cycle spread cut by (published: 74.8)",
    "low_vg_d2d_reduction": "low gate voltage: device-to-device spread cut by (published: 59.9)",
    "low_vg_access_ohm": "low gate voltage: access transistor",
    "normal_vg_accuracy_loss_points": "accuracy lost to the default spread, normal gate voltage",
    "low_vg_accuracy_loss_points": "accuracy lost to it at the low gate voltage (published: 0.7)",
    "tfc_accuracy_images": "test images behind every accuracy on device maps",
    "ber_loss_plain_at_1e-4": "lost with 1e-4 of the weights flipped, trained without errors",
    "ber_loss_plain_at_4e-2": "lost with 4e-2 of them, trained without errors",
    "ber_loss_error_aware_at_4e-2": "lost with 4e-2 of them, trained with errors",
    "programmed_cells": "programming by RTL, digits network: cells",
    "pulses_per_cell_mean": "pulses a cell, mean",
    "pulses_per_cell_max": "pulses a cell, most",
    "failures_injected": "devices that cannot be programmed",
    "failures_found": "of them, reported",
    "false_reports": "devices reported that can",
    "dead_columns_share": "columns made dead, digits network",
    "accuracy_no_dead_columns": "accuracy without them",
    "accuracy_dead_columns": "accuracy with them",
    "accuracy_dead_columns_spares": "accuracy with them and eight spare columns",
    "port_products_compared": "port conversions: products compared in NumPy",
    "port_products_unequal": "of them unequal",
    "port_macro_products_compared": "port conversions: products compared at the pins of arrays",
    "port_macro_products_unequal": "of them unequal",
    "merged_decisions_compared": "merged batch normalisation and sign: decisions compared",
    "merged_decisions_unequal": "of them unequal",
    "numpy_128x128_1000_reads_s": "NumPy: 1,000 reads of a 128 x 128 array with noise",
    "numpy_reads_per_s": "NumPy: the same, reads",
    "numpy_device_to_golden_ratio": "NumPy: time of TFC_1W1A on device maps over golden's",
    "verilator_device_images_per_s": "Verilator, device view: images of TFC_1W1A",
    "verilator_reads_per_s": "Verilator, device view: reads of arrays",
    "packed_vs_qonnx_single_ratio": "the same, against the executor on the model as exported",
    "cnv_packed_vs_qonnx_ratio": "bit-packed, CNV-class network, against the qonnx executor",
    "cnv_packed_vs_torch_ratio": "the same, against PyTorch's float32 layers of the same shape",
}
"""Words for figures; others are shown under their name."""


PUBLISHED_CIFAR10 = {
    "0": 88.36, "0.0001": 88.38, "0.001": 88.37, "0.003": 88.27, "0.01": 87.96, "0.02": 87.56,
    "0.03": 86.92, "0.05": 85.53, "0.1": 79.53, "0.2": 45.59,
}  # fmt: skip
"""Accuracy by bit error rate, a convolutional network on CIFAR-10, mean of ten runs; from
``Inference_ConvNet.ipynb`` of Atreya95/BNN-inference-with-ReRAM-bridges-and-capacitive-neurons."""


def measured(name: str) -> str:
    """Every figure of a result file that is one number, with its unit and how to get it again."""
    facts = read(name)
    if facts is None:
        return f"Not measured yet: `make bench-{name}`.\n"
    rows = [
        f"| {LABELS.get(key, key)} | {number(figure['value'])} | {unit(figure)} |"
        for key, figure in facts["figures"].items()
        if isinstance(figure["value"], int | float)
    ]
    lines = ["| figure | value | unit |", "|---|---:|---|", *rows, "", origin(facts)]
    return "\n".join(lines) + "\n"


def curve(name: str, heads: dict[str, str]) -> str:
    """Figures that are mappings with the same keys, as one table.

    Parameters
    ----------
    heads : dict of str to str
        Column heads: first that of the keys, under ``""``, then those of the figures.
    """
    facts = read(name)
    if facts is None:
        return f"Not measured yet: `make bench-{name}`.\n"
    if missing := [key for key in heads if key and key not in facts["figures"]]:
        return f"Not measured yet ({', '.join(missing)}): `make bench-{name}`.\n"
    columns = {key: facts["figures"][key]["value"] for key in heads if key}
    keys = list(next(iter(columns.values())))
    lines = [f"| {' | '.join(heads.values())} |", "|---|" + "---:|" * len(columns)]
    lines += [f"| {key} | {' | '.join(number(c[key]) for c in columns.values())} |" for key in keys]
    return "\n".join(lines) + "\n"


def beside_published() -> str:
    """Accuracy by bit error rate, with what was published on CIFAR-10."""
    facts = read("devices") or {"figures": {}}
    heads = {
        "accuracy_vs_ber_tfc": "TFC_1W1A, %",
        "accuracy_vs_ber": "512-512-512, %",
        "accuracy_vs_ber_error_aware": "the same, trained with errors, %",
    }
    if not set(heads) <= set(facts["figures"]):
        return "Not measured yet: `make bench-devices`.\n"
    columns = [facts["figures"][key]["value"] for key in heads] + [PUBLISHED_CIFAR10]
    names = ["flipped", *heads.values(), "published, CIFAR-10, %"]
    lines = [f"| {' | '.join(names)} |", "|---|" + "---:|" * len(columns)]
    for rate in columns[0]:
        cells = [f"{column[rate]:.2f}" if rate in column else "" for column in columns]
        lines.append(f"| {rate} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def origin(facts: dict[str, Any]) -> str:
    """Where figures come from."""
    machine, versions = facts["machine"], facts["versions"]
    known = {figure.get("cpu", machine["cpu"]) for figure in facts["figures"].values()}
    others = sorted(known - {machine["cpu"]})
    earlier = f" Some of it was measured before, on {' and '.join(others)}." if others else ""
    return (
        f"Measured by `{facts['command']}` on {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['system']}, Python {versions['python']}.{earlier}"
    )


def number(value: float) -> str:
    """Integers whole, others with four digits, thousands apart."""
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:.4g}"


def energies() -> str:
    """Energy by mapping, and where it comes from."""
    facts = read("energy")
    if facts is None:
        return "Not measured yet: `make bench-energy`.\n"
    heads = {
        "": "mapping",
        "energy_strobes": "strobes",
        "energy_conversions": "conversions",
        "energy_readout": "readout, pJ",
        "energy_readout_converters": "by converters, pJ",
        "energy_ratio_sensing": "times",
        "energy_all": "all, pJ",
        "energy_all_converters": "with converters, pJ",
        "energy_ratio_total": "times",
        "energy_ratio_total_fast": "times, reads of 1 ns",
    }
    images = facts["figures"]["energy_images"]["value"]
    command = f"Per image, over the first {images} test images, by `{facts['command']}`.\n"
    return f"{curve('energy', heads)}\n{command}"


CONV_ROWS = {
    "weights": "weights",
    "arrays": "arrays of 128 x 128",
    "build_s": "import and build, s",
    "build_cpu_s": "seconds of the processor in it",
    "build_peak_mib": "memory, MiB",
    "verilog_bytes": "Verilog without images, bytes",
    "interval_bound": "bound of the interval, cycles",
    "predicted_interval": "interval predicted",
    "run_interval": "interval simulated",
    "predicted_latency": "latency predicted, cycles",
    "run_latency": "latency simulated",
    "run_images": "images of CIFAR-10 through the Verilog",
    "run_mismatches": "of them with a score other than golden's",
    "run_s": "run, compilation included, s",
    "run_cpu_s": "seconds of the processor in it",
    "simulation_s": "simulation alone, s",
    "check_verilator": "`binohm check` on Verilator",
    "check_verilator_s": "took, s",
    "check_icarus": "`binohm check` on Icarus",
    "check_icarus_s": "took, s",
}


def convolutions() -> str:
    """The two networks of ``bench/conv.py`` side by side; what was not run says so."""
    facts = read("conv")
    if facts is None:
        return "Not measured yet: `make bench-conv`.\n"
    figures = {key: figure["value"] for key, figure in facts["figures"].items()}
    lines = ["| figure | CNV-class | cifar10-vgg, 128 rows |", "|---|---:|---:|"]
    for key, label in CONV_ROWS.items():
        values = [figures.get(f"{name}_{key}", "not run") for name in ("cnv", "vgg")]
        cells = [value if isinstance(value, str) else number(value) for value in values]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\n{origin(facts)}\n"


SPLIT_HEADS = {
    "accuracy": "accuracy, %",
    "published": "published, %",
    "not_retrained": "not trained again, %",
    "converters_accuracy": "converters, %",
    "converters_bits": "of bits",
    "validation": "held out, %",
    "chosen_epoch": "epoch",
    "epochs": "of",
}


def splitting() -> str:
    """Accuracies of split networks; a figure that there is not says why."""
    facts = read("splitting")
    if facts is None or "cifar10_vgg_recipe" not in facts["figures"]:
        return "Not measured yet: `make bench-splitting`.\n"
    figures = {key: figure["value"] for key, figure in facts["figures"].items()}
    lines = [f"| network | rows | {' | '.join(SPLIT_HEADS.values())} |"]
    lines.append("|---|---|" + "---:|" * len(SPLIT_HEADS))
    for name in ("mnist_mlp", "cifar10_vgg"):
        width = figures[f"{name}_recipe"]["width"]
        for rows in figures[f"{name}_epochs"]:
            cells = [figures.get(f"{name}_{key}", {}).get(rows, "") for key in SPLIT_HEADS]
            words = [c if isinstance(c, str) else f"{c:g}" for c in cells]
            label = f"{name.replace('_', '-')}, width {width:g}"
            lines.append(f"| {label} | {rows} | {' | '.join(words)} |")
    return "\n".join(lines) + f"\n\n{origin(facts)}\n"


def groups() -> str:
    """Groups of every layer that is split, and how much of an array's rows they use."""
    facts = read("splitting")
    if facts is None or "cifar10_vgg_groups_128" not in facts["figures"]:
        return "Not measured yet: `make bench-splitting`.\n"
    sides = (512, 256, 128)
    lines = [f"| network | layer | inputs | {' | '.join(f'{side} rows' for side in sides)} |"]
    lines.append("|---|---|---:|" + "---:|" * len(sides))
    for name in ("mnist_mlp", "cifar10_vgg"):
        tables = [facts["figures"][f"{name}_groups_{side}"]["value"] for side in sides]
        for layer, first in tables[0].items():
            rows = [table[layer] for table in tables]
            cells = [
                f"{r['groups']} x {r['inputs_of_a_group']}, {r['rows_used']:g} %" for r in rows
            ]
            label = name.replace("_", "-")
            lines.append(f"| {label} | {layer} | {first['inputs']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def training() -> str:
    """What a batch in training takes."""
    facts = read("splitting")
    if facts is None or "training_batch" not in facts["figures"]:
        return "Not measured yet: `make bench-splitting`.\n"
    lines = ["| rows | compiled, s | PyTorch alone, s | ratio |", "|---|---:|---:|---:|"]
    for rows, times in facts["figures"]["training_batch"]["value"].items():
        lines.append(f"| {rows} | {' | '.join(f'{time:g}' for time in times.values())} |")
    return "\n".join(lines) + "\n"


SPLIT_COSTS = {
    "bias_rows": "bias rows",
    "strobes": "strobes of amplifiers",
    "conversions": "conversions",
    "sense_amplifiers": "amplifiers",
    "converters": "converters",
    "hidden_readout_pj": "readout of hidden layers, pJ",
    "readout_pj": "readout, pJ",
    "all_pj": "all, pJ",
}

SPLIT_DESIGNS = {
    "split": "split, bias rows",
    "codes": "split, reference codes",
    "converters": "unsplit, converters",
}


def split_energy() -> str:
    """Converters and energy of an image, with and without splitting."""
    facts = read("splitting")
    if facts is None or "energy_mnist_mlp" not in facts["figures"]:
        return "Not measured yet: `make bench-splitting`.\n"
    lines = [f"| rows | design | {' | '.join(SPLIT_COSTS.values())} |"]
    lines.append("|---|---|" + "---:|" * len(SPLIT_COSTS))
    for rows, costs in facts["figures"]["energy_mnist_mlp"]["value"].items():
        for word, design in SPLIT_DESIGNS.items():
            if isinstance(costs, str):
                cells = [costs] + [""] * (len(SPLIT_COSTS) - 1)
            else:
                values = {"codes_bias_rows": 0, "converters_bias_rows": 0, **costs}
                cells = [number(values[f"{word}_{key}"]) for key in SPLIT_COSTS]
            lines.append(f"| {rows} | {design} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def technology() -> str:
    """What events cost by default."""
    from binohm.gen.reporting.technology import sources

    rows = [
        f"| `{key}` | {value:g} | {label} | {text} |"
        for key, (value, label, text) in sources().items()
    ]
    return "\n".join(["| key | default | label | source |", "|---|---:|---|---|", *rows]) + "\n"


def events() -> str:
    """Every event with the part of the design it is in."""
    from binohm.gen.reporting.energy import PARTS as parts
    from binohm.sim.events import EVENTS

    home = {event: part for part, events in parts.items() for event in events}
    rows = [f"| `{name}` | {what} | {home.get(name, '')} |" for name, what in EVENTS.items()]
    return "\n".join(["| event | what is counted | paid in |", "|---|---|---|", *rows]) + "\n"


def unit(figure: dict[str, Any]) -> str:
    """The unit; ratios and counts have none."""
    return "" if figure["unit"] == "1" else str(figure["unit"])


def combinations() -> str:
    """What may be combined."""
    from binohm.gen.combinations import table_markdown

    return table_markdown()


def configuration() -> str:
    """What ``binohm init`` prints."""
    from binohm.gen.config import template

    return f"```toml\n{template()}```\n"


def device_map() -> str:
    """What stands where in a device map, and its random numbers."""
    from binohm.sim.device import map as module

    assert module.__doc__ is not None
    text = module.__doc__.split("\n\n", 1)[1].rstrip()
    return f"```text\n{text}\n```\n"


def registers() -> str:
    """The register map of a design with two layers."""
    from binohm.hdl.host.registers import register_map

    return _registers(register_map(2))


def programming() -> str:
    """The registers of a design that its host can program."""
    from binohm.hdl.host.program_registers import program_map

    return _registers(program_map(1))


def _registers(registers: Iterable[Any]) -> str:
    rows = [
        f"| `0x{row.offset:02x}` | {row.name} | {row.access} | {row.text} |" for row in registers
    ]
    return "\n".join(["| offset | name | access | meaning |", "|---|---|---|---|", *rows]) + "\n"


def commands() -> str:
    """Every command with the first line of its help."""
    from binohm.gen.cli.commands import app, train

    rows = []
    for typer, prefix in ((app, "binohm"), (train, "binohm train")):
        for command in typer.registered_commands:
            assert command.callback is not None and command.callback.__doc__ is not None
            name = command.name or command.callback.__name__
            rows.append(f"| `{prefix} {name}` | {command.callback.__doc__.splitlines()[0]} |")
    return "\n".join(["| command | what it does |", "|---|---|", *rows]) + "\n"


PARTS: dict[str, Callable[[], str]] = {
    "soc-speed": soc.speeds,
    "soc-energy": soc.energy,
    "soc-baselines": soc.baselines,
    "soc-area": soc.areas,
    "soc-devices": soc.devices,
    "fpga-bitstreams": fpga.bitstreams,
    "fpga-others": fpga.beside_others,
    "fpga-errors": fpga.errors,
    "learning-mnist": learning.accuracies,
    "learning-digits": learning.methods,
    "learning-nonlinearity": learning.nonlinearity,
    "learning-error-bits": learning.error_bits,
    "learning-refresh": learning.refresh_levels,
    "learning-rtl": learning.rtl_runs,
    "learning-steps": learning.speed_ups,
    "spine": lambda: measured("spine"),
    "parallelism": lambda: curve(
        "spine",
        {
            "": "columns per cycle",
            "tfc_initiation_interval_cycles": "interval, cycles",
            "tfc_latency_cycles": "latency, cycles",
        },
    ),
    "stream": lambda: curve(
        "spine",
        {
            "": "bytes per beat",
            "tfc_stream_initiation_interval_cycles": "interval, cycles",
            "tfc_stream_latency_cycles": "latency, cycles",
        },
    ),
    "engines": lambda: curve("spine", {"": "engine", "tfc_images_per_s": "images per second"}),
    "devices": lambda: measured("devices"),
    "device-view": lambda: curve(
        "devices",
        {
            "": "readout, cell",
            "view_equal_vectors": "vectors equal",
            "view_unequal_vectors": "unequal",
            "view_bits_differing_from_ideal": "bits that devices get wrong, %",
        },
    ),
    "device-errors": lambda: curve(
        "devices", {"": "sigma of ln R", "ber_1t1r": "1T1R", "ber_2t2r": "2T2R"}
    ),
    "device-window": lambda: curve(
        "devices",
        {
            "": "sigma of ln R",
            "pcsa_read_error_window_1.09_1t1r": "1T1R",
            "pcsa_read_error_window_1.09_2t2r": "2T2R",
        },
    ),
    "device-gate": lambda: curve(
        "devices",
        {
            "": "sigma of ln R",
            "normal_vg_accuracy_loss_by_lrs_spread": "low state only: normal gate voltage",
            "low_vg_accuracy_loss_by_lrs_spread": "low gate voltage",
            "normal_vg_accuracy_loss_by_spread": "both states: normal gate voltage",
            "low_vg_accuracy_loss_by_spread": "low gate voltage",
        },
    ),
    "device-accuracy": lambda: curve(
        "devices",
        {
            "": "sigma of ln R",
            "tfc_accuracy_1t1r_pcsa": "pcsa, 1T1R",
            "tfc_accuracy_2t2r_pcsa": "pcsa, 2T2R",
            "tfc_accuracy_1t1r_sa": "sa, 1T1R",
            "tfc_accuracy_2t2r_sa": "sa, 2T2R",
            "tfc_accuracy_complementary_sa": "sa, complementary",
        },
    ),
    "bit-errors": beside_published,
    "splitting": splitting,
    "systems": systems,
    "split-groups": groups,
    "split-energy": split_energy,
    "training": training,
    "convolutions": convolutions,
    "port-activations": lambda: curve(
        "devices", {"": "mapping", "activations_per_product": "reads of an array a product"}
    ),
    "combinations": combinations,
    "configuration": configuration,
    "device_map": device_map,
    "registers": registers,
    "programming": programming,
    "commands": commands,
    "energies": energies,
    "technology": technology,
    "events": events,
}


def fill(text: str) -> str:
    """``text`` with every generated part made anew."""
    return PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]()}{part[3]}", text)


def pictures() -> Iterator[tuple[Path, str]]:
    """Pictures of the README: what ``binohm report --svg`` draws for the demo."""
    from binohm.gen.cli.actions import embedded
    from binohm.gen.config import load
    from binohm.gen.cycles import predict
    from binohm.gen.mapping import map_network
    from binohm.gen.reporting.report import render_svg, report_data

    network = embedded("digits")
    plan = map_network(network, load(None))
    facts = report_data(network, plan, predict(network, plan), config={})
    yield ROOT / "docs" / "digits.svg", render_svg(facts)


def main() -> int:
    """Fill, or check, all files."""
    parser = argparse.ArgumentParser(description="Fill the generated parts of README and docs.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if not in sync")
    check = parser.parse_args().check
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    wanted = [(page, fill(page.read_text(encoding="utf-8"))) for page in pages]
    stale = 0
    for path, text in [*wanted, *pictures()]:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        print(f"{path.relative_to(ROOT)}: {'is not in sync' if check else 'written'}")
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
