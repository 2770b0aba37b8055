# One or two commands per target. Everything runs in .venv, which the first target makes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MODEL  ?= digits
BUILD  ?= build/$(MODEL)

export PYTHON

.PHONY: all demo test test-fast test-extras lint bench bench-devices bench-conv bench-energy bench-fpga bench-learning bench-soc bench-spine bench-splitting train-splitting docs mutants soc verilog wheel clean distclean

all: lint test-fast

# What `pip install --group` came with, and what make and the simulators need of the system.
$(VENV)/made:
	.ci/tools python libpython c++ iverilog
	$(PYTHON) -m venv $(VENV) && $(BIN)/pip install -q --upgrade 'pip>=25.1,<27' && touch $@

$(VENV)/runtime: $(VENV)/made pyproject.toml
	PYTHONWARNINGS=ignore $(BIN)/pip install -q --editable . && touch $@

$(VENV)/dev: $(VENV)/runtime
	.ci/tools z3
	$(BIN)/pip install -q --group dev && touch $@

# PyTorch and what draws: training and its benchmarks; what tests of `extras` need.
$(VENV)/train: $(VENV)/dev
	$(BIN)/pip install -q --editable '.[train]' --group extras && touch $@

# The cores, yosys, and a compiler for what they run.
$(VENV)/soc: $(VENV)/train
	.ci/tools riscv64-unknown-elf-gcc
	$(BIN)/pip install -q --editable '.[soc,train]' && touch $@

# yosys and nextpnr.
$(VENV)/fpga: $(VENV)/dev
	$(BIN)/pip install -q --editable '.[fpga]' && touch $@

build/types:
	mkdir -p $@/binohm
	for p in hdl gen sim constraints; do ln -sfn ../../../$$p $@/binohm/$$p; done

# The digits network from weights to checked Verilog, accuracy and a report, in build/demo.
demo: $(VENV)/runtime
	$(BIN)/binohm demo

# Everything, on both simulators.
test: $(VENV)/dev
	$(BIN)/pytest -n 2 -m "not extras"

test-fast: $(VENV)/dev
	$(BIN)/pytest -n 2 -m "not slow and not extras"

# What needs the network or more than the dev group: a fresh clone, a real installation.
test-extras: $(VENV)/soc $(VENV)/fpga
	$(BIN)/pytest -m extras

lint: $(VENV)/dev | build/types
	$(BIN)/ruff check && $(BIN)/ruff format --check
	$(BIN)/mypy

# Every benchmark writes docs/results/<name>.json; the tables in README and docs come from there.
bench: bench-spine bench-energy bench-devices bench-splitting bench-conv bench-soc bench-fpga bench-learning

# Trains two networks the first time: half an hour.
bench-devices: $(VENV)/train
	$(BIN)/python bench/devices.py && $(BIN)/python bench/plots.py
	$(BIN)/python bench/tables.py

bench-energy: $(VENV)/dev
	$(BIN)/python bench/energy.py
	$(BIN)/python bench/tables.py

# Learns MNIST seven times: half an hour of one core; what was learned once stays in the user's cache.
bench-learning: $(VENV)/train
	$(BIN)/python bench/learning.py && $(BIN)/python bench/plots.py
	$(BIN)/python bench/tables.py

# Bitstreams for two boards, and syntheses: half an hour; what was made once stays in build/fpga.
bench-fpga: $(VENV)/fpga
	$(BIN)/python bench/fpga.py
	$(BIN)/python bench/tables.py

bench-spine: $(VENV)/dev
	$(BIN)/python bench/spine.py
	$(BIN)/python bench/tables.py

# A RISC-V core with and without the unit beside it; most of the time goes to compilers.
bench-soc: $(VENV)/soc
	$(BIN)/python bench/soc.py && $(BIN)/python bench/plots.py
	$(BIN)/python bench/tables.py

# Convolutional networks at full size; most of the time goes to compilers and to Icarus.
bench-conv: $(VENV)/train
	$(BIN)/python bench/conv.py
	$(BIN)/python bench/tables.py

# Takes the networks that train-splitting has trained, as far as it has.
bench-splitting: $(VENV)/train
	$(BIN)/python bench/splitting.py
	$(BIN)/python bench/tables.py

# Hours for MNIST, a day for CIFAR-10 without a GPU; broken off, it goes on where it was.
# Large blocks of memory are kept instead of given back and faulted in anew for each batch.
train-splitting: export MALLOC_MMAP_MAX_ = 0
train-splitting: export MALLOC_TRIM_THRESHOLD_ = 8000000000
train-splitting: $(VENV)/train
	mkdir -p build/trained
	for s in 0 512 256 128; do \
	  $(BIN)/binohm train mnist-mlp --shift 2 --epochs 40 --split $$s -o build/trained/mnist-mlp_$$s.npz --force && \
	  $(BIN)/binohm train cifar10-vgg --width 0.25 --epochs 60 --split $$s -o build/trained/cifar10-vgg_$$s.npz --force \
	  || exit; done

# The generated parts of README and docs.
docs: $(VENV)/dev
	$(BIN)/python bench/tables.py

# Deliberate faults: the suite must kill every one.
mutants: $(VENV)/dev
	$(BIN)/python tests/mutants.py

# A layer on both cores with and without the unit: make soc MODEL=mnist_cnn.npz
soc: $(VENV)/soc
	$(BIN)/binohm soc $(MODEL) --core picorv32
	$(BIN)/binohm soc $(MODEL) --core vexriscv

# make verilog MODEL=tfc.npz BUILD=build/tfc
verilog: $(VENV)/runtime
	$(BIN)/binohm build $(MODEL) -o $(BUILD) --force

wheel: $(VENV)/made
	$(BIN)/pip wheel -q --no-deps --wheel-dir build/wheel .

clean:
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis

distclean: clean
	rm -rf $(VENV) *.egg-info
