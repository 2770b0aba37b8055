# amaranth: UnusedElaboratable=no
"""From a plan to Verilog modules: the only module that constructs components."""

import zlib
from itertools import pairwise

from binohm.gen.macros.macro_views import macro_pins
from binohm.gen.mapping import pixel_form
from binohm.gen.network import Network
from binohm.gen.plan import LayerPlan, Plan
from binohm.gen.verilog import to_verilog
from binohm.hdl.arrays.program_port import ProgramSpec
from binohm.hdl.board.board_top import BoardTop
from binohm.hdl.host.wishbone import WishboneTop
from binohm.hdl.layers.conv import ConvSpec, PoolSpec
from binohm.hdl.layers.layer import Layer
from binohm.hdl.layers.layer_spec import LayerSpec, TileSpec
from binohm.hdl.library import Library
from binohm.hdl.pipeline import Pipeline, PixelSpec

__all__ = ["board_module", "build_id", "modules"]

WAIVED = (
    "CASEOVERLAP", "DECLFILENAME", "PINMISSING", "PROCASSINIT", "UNUSEDSIGNAL", "WIDTHEXPAND",
    "WIDTHTRUNC",
)  # fmt: skip
"""Verilator's rules that conversion breaks in a board's module, most of them as in the build's."""


def modules(network: Network, plan: Plan, *, maps: bool = False) -> dict[str, str]:
    """Verilog text of every module but sockets, macros and memories, by module name, top first.

    With ``maps``, every socket gets the name of a device map.
    """
    prefix = f"binohm_{plan.name}"
    library = Library(prefix)
    layers = [
        (layer.name, Layer(library, _layer_spec(plan, layer, sum_range, count=count, maps=maps)))
        for layer, sum_range, count in _sums(network, plan)
    ]
    top = Pipeline(
        library,
        layers,
        pixels=_pixel_spec(network, plan),
        output_bytes=plan.host.output_bytes,
        scores=plan.host.scores,
        classes=network.scores.outputs,
        build_id=build_id(plan),
        program=_program_spec(plan),
    )
    chain = {prefix: top} | {f"{prefix}_layer_{name}": layer for name, layer in layers}
    ports = {prefix: top.ports}
    if plan.host.bus == "wishbone":
        outer = WishboneTop(library, prefix, base=plan.host.wishbone_base, streams=top.streams)
        chain = {plan.top: outer} | chain
        ports[plan.top] = outer.ports
    texts = to_verilog(chain, ports=ports)
    return texts | to_verilog(library.components)


def board_module(network: Network, plan: Plan, divisor: int) -> str:
    """Verilog text of ``binohm_<name>_board``: the accelerator behind a serial line.

    ``divisor`` is the number of clock cycles of a bit on the line.
    """
    name = f"binohm_{plan.name}"
    top = BoardTop(
        name,
        divisor=divisor,
        elements=network.input.elements,
        result_bytes=4 * (1 + network.scores.outputs * plan.host.scores),
        input_bytes=plan.host.input_bytes,
        output_bytes=plan.host.output_bytes,
        build_id=build_id(plan),
    )
    module = f"{name}_board"
    text = to_verilog({module: top}, ports={module: top.ports})[module]
    off = "".join(f"/* verilator lint_off {rule} */\n" for rule in WAIVED)
    on = "".join(f"/* verilator lint_on {rule} */\n" for rule in WAIVED)
    return f"// What conversion writes; the registers' bus is not used.\n{off}{text}{on}"


def build_id(plan: Plan) -> int:
    """32 bits that change when the plan does."""
    return zlib.crc32(plan.to_json().encode())


def _input_sum(network: Network, plan: Plan) -> tuple[int, int] | None:
    """Range of the sum of all input values, if the first layer needs it."""
    first = plan.layers[0]
    if not first.driven or first.sweep:
        return None
    if network.input.bipolar:
        return 0, network.input.elements
    low, high = int(network.input.table.min()), int(network.input.table.max())
    return min(0, low) * network.input.elements, max(0, high) * network.input.elements


def _sums(network: Network, plan: Plan) -> list[tuple[LayerPlan, tuple[int, int] | None, bool]]:
    """Each layer with the range of the sum it takes and whether the next one wants a count."""
    wants = [layer.driven and not before.sweep for before, layer in pairwise(plan.layers)] + [False]
    ranges = [_window_sum(network, plan) if plan.layers[0].sweep else _input_sum(network, plan)]
    ranges += [(0, layer.inputs) if layer.driven else None for layer in plan.layers[1:]]
    return list(zip(plan.layers, ranges, wants, strict=True))


def _window_sum(network: Network, plan: Plan) -> tuple[int, int] | None:
    """Range of the sum of all values under a window of the input, if the first layer needs it."""
    first = plan.layers[0]
    if not first.driven:
        return None
    if network.input.bipolar:
        return 0, first.inputs
    high = sum(plane for plane in first.planes if plane > 0)
    return min(0, first.planes[-1]) * first.inputs, high * first.inputs


def _layer_spec(
    plan: Plan,
    layer: LayerPlan,
    sum_range: tuple[int, int] | None,
    *,
    count: bool,
    maps: bool,
) -> LayerSpec:
    array = layer.array
    rom = next(
        image
        for image in plan.images
        if image.layer == layer.name and image.kind not in ("cells", "reference", "pool")
    )
    return LayerSpec(
        readout=array.readout,
        inputs=layer.inputs,
        outputs=layer.outputs,
        groups=layer.groups,
        chunk=layer.chunk,
        slices_per_read=layer.slices_per_read,
        planes=layer.planes,
        bipolar=layer.drive == "bipolar",
        sum_range=sum_range,
        count=count,
        socket=f"binohm_{plan.name}_{array.name}",
        pins=macro_pins(array),
        outstanding=array.outstanding,
        adc_bits=array.adc_bits,
        tiles=tuple(
            TileSpec(
                tile.name,
                f"mem/{tile.image}.hex",
                tile.id,
                tile.group,
                tile.inputs,
                (tile.outputs[0], tile.outputs[1]),
                f"mem/{tile.image}_reference.hex" if array.ref_bits else "",
                f"device/{tile.name}.hex" if maps else "",
                tile.plane,
                tile.replica,
            )
            for tile in layer.tiles
        ),
        rom_image=f"mem/{rom.name}.hex",
        fields=rom.fields,
        program=_program_spec(plan),
        spares=array.spare_columns,
        conv=_conv_spec(layer),
        part=_part(plan, layer),
        parallel_planes=layer.parallel_planes,
        replicas=layer.replicas,
    )


def _conv_spec(layer: LayerPlan) -> ConvSpec | None:
    sweep = layer.sweep
    if sweep is None:
        return None
    pool = sweep.pool and PoolSpec(
        sweep.windows,
        sweep.pool.kernel,
        sweep.pool.stride,
        early=layer.early_pool,
        lowest_image=f"mem/{layer.name}_pool.hex" if layer.late_pool else "",
    )
    return ConvSpec(
        sweep.image[:2], sweep.kernel, sweep.stride, sweep.padding, sweep.image[2], pool,
        held=layer.reads > 1 and layer.replicas == 1,
    )  # fmt: skip


def _part(plan: Plan, layer: LayerPlan) -> int:
    """Elements in which a layer's vectors come, if a convolution gives them."""
    index = plan.layers.index(layer)
    before = plan.layers[index - 1] if index else None
    return before.outputs if before and before.sweep and not layer.sweep else 0


def _program_spec(plan: Plan) -> ProgramSpec | None:
    if not plan.host.programming:
        return None
    return ProgramSpec(
        tile_lines=tuple(layer.array.lines for layer in plan.layers for _ in layer.tiles),
        columns=max(array.columns for array in plan.arrays),
        spares=max(array.spare_columns for array in plan.arrays),
    )


def _pixel_spec(network: Network, plan: Plan) -> PixelSpec:
    form, threshold, inverted = pixel_form(network.input)
    return PixelSpec(
        elements=network.input.elements,
        input_bytes=plan.host.input_bytes,
        bits=network.input.bits,
        form=form,
        threshold=threshold,
        inverted=inverted,
        sum_range=_input_sum(network, plan),
        table_image="mem/input_table.hex",
        channels=plan.layers[0].sweep.image[2] if plan.layers[0].sweep else 0,
    )
