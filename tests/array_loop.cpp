// Sends requests to the first array of tests/sockets.py as fast as it takes them.
//
//   loop REQUESTS RESPONSES REQUEST_BYTES RESPONSE_BYTES
//
// Both files are records of so many bytes, the lowest first. Prints requests per second. Two
// underscores in a name are ___05F to Verilator.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    const size_t in = std::strtoull(argv[3], nullptr, 10), out = std::strtoull(argv[4], nullptr, 10);
    std::vector<unsigned char> record(in);
    std::FILE* requests = std::fopen(argv[1], "rb");
    std::FILE* responses = std::fopen(argv[2], "wb");
    Vtop top;
    top.rst = 1;
    top.i0___05Fvalid = 0;
    top.o0___05Fready = 1;
    auto edge = [&] {
        top.clk = 0;
        top.eval();
        const bool moved = top.i0___05Fvalid && top.i0___05Fready;
        if (top.o0___05Fvalid && !top.rst) std::fwrite(&top.o0___05Fpayload, 1, out, responses);
        top.clk = 1;
        top.eval();
        return moved;
    };
    edge();
    edge();
    top.rst = 0;
    const auto begin = std::chrono::steady_clock::now();
    size_t sent = 0;
    while (std::fread(record.data(), 1, in, requests) == in) {
        std::memset(&top.i0___05Fpayload, 0, sizeof top.i0___05Fpayload);
        std::memcpy(&top.i0___05Fpayload, record.data(), in);
        top.i0___05Fvalid = 1;
        while (!edge()) {}
        ++sent;
    }
    top.i0___05Fvalid = 0;
    for (int k = 0; k < 1000; ++k) edge();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%.0f\n", double(sent) / took.count());
    return std::fclose(responses);
}
