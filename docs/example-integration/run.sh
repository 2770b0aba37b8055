#!/bin/sh
# Usage: run.sh BUILD OUT. Simulates digit_reader around the build of the digits network in BUILD;
# nothing but this folder, BUILD and Icarus Verilog is used. What is made goes to OUT.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)

# The images and digits that every build brings for its own bench, as $readmemh takes them.
frames=$(python3 - "$build/tb/vectors.json" "$out" <<'END'
import json, sys
vectors = json.load(open(sys.argv[1]))
words = [frame[16 * k : 16 * k + 16] for frame in vectors["frames"] for k in range(8)]
with open(sys.argv[2] + "/frames.hex", "w") as file:  # byte 0 is lowest
    file.writelines(bytes.fromhex(word)[::-1].hex() + "\n" for word in words)
with open(sys.argv[2] + "/digits.hex", "w") as file:
    file.writelines(f"{result[0]:x}\n" for result in vectors["results"])
print(len(vectors["frames"]))
END
)

# The build's memory images are named relative to it: they lie beside ours for the simulation.
cp -r "$build/mem" "$out"
sources=$(sed "s|^|$build/|" "$build/digital.f")
cd "$out"
# shellcheck disable=SC2086
iverilog -g2012 -Wall -DFRAMES="$frames" -s test -o test.vvp \
  "$here/test.v" "$here/digit_reader.v" $sources 2>warnings.txt
vvp -n test.vvp
