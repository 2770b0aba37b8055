# amaranth: UnusedElaboratable=no
"""The top of a board, from its constructor to its Verilog, around a stand-in accelerator."""

import re
from pathlib import Path
from typing import Any

import pytest

from binohm.gen.verilog import to_verilog
from binohm.hdl.board.board_top import BoardTop
from binohm.hdl.board.command_receiver import CommandReceiver
from binohm.hdl.board.reply_sender import ReplySender
from binohm.hdl.board.uart_receiver import UartReceiver
from binohm.hdl.board.uart_transmitter import UartTransmitter
from binohm.sim.runner import run_bench

SUMMING = (Path(__file__).parent / "summing.v").read_text(encoding="utf-8")

SIZES = [
    # elements, input bytes, words of a result, output bytes, cycles of a bit
    pytest.param(3, 1, 2, 1, 4, id="3"),
    pytest.param(8, 3, 3, 8, 5, id="8"),
    pytest.param(65, 16, 2, 3, 9, id="65", marks=pytest.mark.slow),
    pytest.param(1, 1, 2, 4, 4, id="1", marks=pytest.mark.slow),
    pytest.param(2, 4, 11, 16, 4, id="2", marks=pytest.mark.slow),
]


def board(elements: int, input_bytes: int, words: int, output_bytes: int, divisor: int) -> str:
    """Verilog of a board around the stand-in."""
    top = BoardTop(
        "summing",
        divisor=divisor,
        elements=elements,
        result_bytes=4 * words,
        input_bytes=input_bytes,
        output_bytes=output_bytes,
        build_id=0xC0DBDCDD,
    )
    text = to_verilog({"board": top}, ports={"board": top.ports})["board"]
    sizes = {
        "ELEMENTS": elements,
        "INPUT_BYTES": input_bytes,
        "OUTPUT_BYTES": output_bytes,
        "WORDS": words,
    }
    stand_in = SUMMING
    for name, size in sizes.items():
        stand_in, count = re.subn(
            rf"parameter {name} = \d+", f"parameter {name} = {size}", stand_in
        )
        assert count == 1
    return text + stand_in


@pytest.mark.slow
@pytest.mark.parametrize(("elements", "input_bytes", "words", "output_bytes", "divisor"), SIZES)
def test_board_answers(
    tmp_path: Path, simulator: str, elements: int, input_bytes: int, words: int, output_bytes: int,
    divisor: int,
) -> None:  # fmt: skip
    source = tmp_path / "board.v"
    source.write_text(board(elements, input_bytes, words, output_bytes, divisor), encoding="utf-8")
    facts = {
        "FACT_ELEMENTS": elements,
        "FACT_DIVISOR": divisor,
        "FACT_RESULT_BYTES": 4 * words,
        "FACT_BUILD_ID": 0xC0DBDCDD,
    }
    run_bench(
        [source],
        top="board",
        bench="binohm.sim.benches.board_top",
        build_dir=tmp_path / "build",
        simulator=simulator,
        variables={name: str(value) for name, value in facts.items()},
    )


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (UartReceiver, {"divisor": 3}, "divisor must be at least 4, not 3"),
        (UartTransmitter, {"divisor": 3}, "divisor must be at least 4, not 3"),
        (CommandReceiver, {"elements": 0, "input_bytes": 1}, "elements must be at least 1, not 0"),
        (
            CommandReceiver,
            {"elements": 1, "input_bytes": 0},
            "input_bytes must be at least 1, not 0",
        ),
        (
            ReplySender,
            {"build_id": -1, "elements": 1, "result_bytes": 4, "output_bytes": 1},
            "build_id must be at least 0, not -1",
        ),
    ],
)
def test_parameters_are_checked(kind: Any, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        kind(**arguments)
