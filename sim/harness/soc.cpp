// A processor with the unit and a memory: runs a program and counts what it does.
//
//   soc IMAGE RESULTS CYCLES MODE [PLUSARGS]
//
// IMAGE: the memory from address 0. Registers of the system stand from 0x80000000 on:
//
//   +0   write: a character of the console (standard output)
//   +4   write: end of the program, with this status
//   +8   write: a phase begins, 0 to 7; what is counted is counted for it; read: MODE
//   +12  write: address of the results
//   +16  write: bytes of the results, which are then written to the file RESULTS
//
// At the end every phase is a line on standard error: "phase N" and its counters by name. Status 3
// if the program has not ended after CYCLES cycles, 4 if the processor trapped, 5 if it went beyond
// its memory.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

namespace {

const uint32_t SYSTEM = 0x80000000u;
const size_t PHASES = 8;

enum Counter { CYCLES, INSTRUCTIONS, FETCHES, LOADS, STORES, UNIT, BUS_READS, BUS_WRITES, COUNTERS };
const char* const NAMES[COUNTERS] = {"cycles", "instructions", "fetches", "loads", "stores",
                                     "unit_instructions", "bus_reads", "bus_writes"};

[[noreturn]] void stop(int status, const char* text, unsigned long long number) {
    std::fprintf(stderr, "%s (%llu)\n", text, number);
    std::exit(status);
}

class System {
public:
    System(const char* image, const char* place, uint32_t given) : results(place), mode(given) {
        std::FILE* file = std::fopen(image, "rb");
        if (!file) stop(2, "cannot read the program", 0);
        const size_t got = std::fread(memory.data(), 1, memory.size(), file);
        std::fclose(file);
        if (!got) stop(2, "the program is empty", 0);
    }

    uint32_t read(uint32_t address) {
        address &= ~3u;
        if (address == SYSTEM + 8) return mode;
        if (address >= memory.size()) return outside(address);
        uint32_t word;
        std::memcpy(&word, &memory[address], 4);
        return word;
    }

    void write(uint32_t address, uint32_t data, unsigned bytes) {
        address &= ~3u;
        if (address >= SYSTEM) return command(address - SYSTEM, data);
        if (address >= memory.size()) outside(address);
        for (int k = 0; k < 4; ++k) {
            if (bytes >> k & 1) memory[address + k] = uint8_t(data >> 8 * k);
        }
    }

    void count(Counter what) { ++counts[phase][what]; }

    void report() const {
        for (size_t k = 0; k < PHASES; ++k) {
            std::fprintf(stderr, "phase %zu", k);
            for (size_t j = 0; j < COUNTERS; ++j) {
                std::fprintf(stderr, " %s=%llu", NAMES[j], (unsigned long long)counts[k][j]);
            }
            std::fputc('\n', stderr);
        }
    }

    bool ended = false;
    int status = 0;

private:
    uint32_t outside(uint32_t address) {
        bad = true;
        where = address;
        return 0;
    }

    void command(uint32_t offset, uint32_t data) {
        if (offset == 0) std::putchar(int(data & 255));
        if (offset == 4) {
            ended = true;
            status = int(data & 255);
        }
        if (offset == 8) phase = data % PHASES;
        if (offset == 12) first = data;
        if (offset == 16) dump(data);
    }

    void dump(uint32_t bytes) {
        if (first > memory.size() || bytes > memory.size() - first) stop(5, "results outside", first);
        std::FILE* file = std::fopen(results, "wb");
        if (!file || std::fwrite(&memory[first], 1, bytes, file) != bytes || std::fclose(file)) {
            stop(2, "cannot write the results", bytes);
        }
    }

    std::vector<uint8_t> memory = std::vector<uint8_t>(MEMORY);
    const char* results;
    const uint32_t mode;
    uint32_t first = 0;
    size_t phase = 0;
    uint64_t counts[PHASES][COUNTERS] = {};

public:
    bool bad = false;
    uint32_t where = 0;
};

#ifdef CORE_PICORV32
// Speculative fetches of a wrong path may look anywhere: only what is used counts as outside.
void cycle(Vtop& top, System& system) {
    top.clk = 0;
    top.eval();
    const bool reads = top.la_read, writes = top.la_write;
    const uint32_t address = top.la_addr, data = top.la_wdata;
    const unsigned bytes = top.la_wstrb;
    if (top.bus_valid) {
        system.count(top.bus_fetch ? FETCHES : top.bus_store ? STORES : LOADS);
        system.count(top.bus_store ? BUS_WRITES : BUS_READS);
    }
    if (top.retired) system.count(INSTRUCTIONS);
    if (top.unit_used) system.count(UNIT);
    system.count(CYCLES);
    top.clk = 1;
    top.eval();
    if (writes) system.write(address, data, bytes);
    if (reads) top.rdata = system.read(address);
}
#else
void cycle(Vtop& top, System& system) {
    top.clk = 0;
    top.i_ack = top.d_ack = 0;
    top.eval();
    const bool fetches = top.i_strobe, accesses = top.d_strobe;
    top.i_ack = fetches;
    top.d_ack = accesses;
    if (fetches) top.i_rdata = system.read(top.i_addr << 2);
    if (accesses && !top.d_write) top.d_rdata = system.read(top.d_addr << 2);
    if (fetches || accesses) top.eval();
    if (fetches) system.count(BUS_READS);
    if (accesses) system.count(top.d_write ? BUS_WRITES : BUS_READS);
    if (top.retired) {
        system.count(INSTRUCTIONS);
        system.count(FETCHES);
        const unsigned opcode = top.instruction & 0x7f;
        if (opcode == 0x03) system.count(LOADS);
        if (opcode == 0x23) system.count(STORES);
    }
    if (top.unit_used) system.count(UNIT);
    system.count(CYCLES);
    const uint32_t address = top.d_addr << 2, data = top.d_wdata;
    const unsigned bytes = top.d_select;
    const bool writes = accesses && top.d_write;
    top.clk = 1;
    top.eval();
    if (writes) system.write(address, data, bytes);
}
#endif

}  // namespace

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    while (argc > 1 && argv[argc - 1][0] == '+') --argc;
    if (argc != 5) stop(2, "wrong number of arguments", argc);
    System system(argv[1], argv[2], uint32_t(std::strtoul(argv[4], nullptr, 10)));
    const unsigned long long limit = std::strtoull(argv[3], nullptr, 10);
    auto top = std::make_unique<Vtop>();
    top->reset = 1;
    for (int k = 0; k < 8; ++k) {
        top->clk = 0;
        top->eval();
        top->clk = 1;
        top->eval();
    }
    top->reset = 0;
    for (unsigned long long k = 0; !system.ended; ++k) {
        if (k == limit) stop(3, "the program did not end; cycles", limit);
        cycle(*top, system);
        if (top->trap) stop(4, "the processor trapped; cycle", k);
        if (system.bad) stop(5, "an access beyond the memory at", system.where);
        if (Verilated::gotFinish()) stop(6, "the simulation stopped; cycle", k);
    }
    std::fflush(stdout);
    system.report();
    top->final();
    return system.status;
}
