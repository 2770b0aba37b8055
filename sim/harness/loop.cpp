// Sends images through a verilated build, one behind the other, and records what comes out.
//
//   loop FRAMES RESULTS ELEMENTS INPUT_BYTES OUTPUT_BYTES WORDS PATIENCE SEED [VCD FIRST LAST]
//        [PLUSARGS]
//
// FRAMES: raw bytes, ELEMENTS an image. RESULTS: for each image two 64-bit cycles, in which its
// first beat went in and its last beat came out, then WORDS 32-bit words of its result frame.
// SEED 0 never stalls; any other stalls both sides at random. If no beat moves for PATIENCE cycles,
// the program ends with status 3. Compiled with tracing, it writes the waveform VCD from the first
// beat of image FIRST until a few cycles after the last beat of image LAST.
//
// With SCORES_TAP, the words are the class and the scores of the last layer's stream below the top.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "Vtop.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif
#ifdef SCORES_TAP
#include "Vtop___024root.h"
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TAP(signal) top->rootp->JOIN(SCORES_TAP, signal)
#endif

namespace {

const int RESET_CYCLES = 4;
const long MARGIN = 8;  // cycles of waveform after the last beat

struct Options {
    const char* frames;
    const char* results;
    size_t elements, input_bytes, output_bytes, words;
    uint64_t patience;
    uint64_t seed;
    const char* vcd;
    size_t first, last;
};

// xorshift64: not for statistics, only for stalls.
struct Coin {
    uint64_t state;
    bool flip() {
        if (!state) return true;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state >> 63;
    }
};

[[noreturn]] void stop(int status, const char* text, unsigned long long number) {
    std::fprintf(stderr, "%s (%llu)\n", text, number);
    std::exit(status);
}

std::vector<uint8_t> read_all(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    if (!file) stop(2, "cannot read the frames", 0);
    std::vector<uint8_t> bytes;
    uint8_t part[1 << 16];
    while (size_t got = std::fread(part, 1, sizeof part, file)) {
        bytes.insert(bytes.end(), part, part + got);
    }
    std::fclose(file);
    return bytes;
}

// Ports of any width keep their lowest byte first in memory on the machines Verilator supports.
template <typename Port>
void set_port(Port& port, const void* bytes, size_t count) {
    std::memset(&port, 0, sizeof port);
    std::memcpy(&port, bytes, count < sizeof port ? count : sizeof port);
}

void store(std::FILE* file, const void* data, size_t count) {
    if (std::fwrite(data, 1, count, file) != count) stop(2, "cannot write the results", 0);
}

#ifdef SCORES_TAP
int32_t bits_at(const void* data, size_t offset, size_t count) {
    uint32_t value = 0;
    for (size_t k = 0; k < count; ++k) {
        const uint8_t byte = static_cast<const uint8_t*>(data)[(offset + k) / 8];
        value |= uint32_t(byte >> (offset + k) % 8 & 1) << k;
    }
    return int32_t(value);
}
#endif

class Loop {
public:
    explicit Loop(const Options& given)
        : options(given)
        , bytes(read_all(given.frames))
        , images(bytes.size() / given.elements)
        , came_in(images)
        , coin{given.seed} {
        results = std::fopen(options.results, "wb");
        if (!results) stop(2, "cannot write the results", 0);
    }

    void run() {
        reset();
        while (done < images) {
            offer();
            top->m_axis_tready = coin.flip();
            top->aclk = 0;
            top->eval();
            dump();
            take();
            const bool moved = offered && top->s_axis_tready;
            if (moved) {
                if (!position) came_in[sent] = cycle;
                idle = 0;
            }
            top->aclk = 1;
            top->eval();
            dump();
            if (moved) advance();
            ++cycle;
            if (++idle > options.patience) stop(3, "nothing moved; images done", done);
        }
        finish();
    }

private:
    void reset() {
        top->aclk = 0;
        top->aresetn = 0;
        top->s_axis_tvalid = 0;
        top->m_axis_tready = 0;
        top->s_axi_awvalid = top->s_axi_wvalid = top->s_axi_bready = 0;
        top->s_axi_arvalid = top->s_axi_rready = 0;
        for (int k = 0; k < RESET_CYCLES; ++k) {
            top->aclk = 0;
            top->eval();
            top->aclk = 1;
            top->eval();
        }
        top->aresetn = 1;
    }

    // Put the next beat on the stream, unless one waits there already.
    void offer() {
        if (offered) return;
        offered = sent < images && coin.flip();
        top->s_axis_tvalid = offered;
        if (!offered) return;
        const size_t left = options.elements - position;
        const size_t count = left < options.input_bytes ? left : options.input_bytes;
        const uint64_t keep = count == 64 ? ~0ULL : (1ULL << count) - 1;
        set_port(top->s_axis_tdata, &bytes[sent * options.elements + position], count);
        set_port(top->s_axis_tkeep, &keep, sizeof keep);
        top->s_axis_tlast = count == left;
        if (!position && sent == options.first) trace_on();
    }

    void advance() {
        offered = false;
        position += options.input_bytes;
        if (position >= options.elements) {
            position = 0;
            ++sent;
        }
    }

    void take() {
#ifdef SCORES_TAP
        if (TAP(valid) && TAP(ready)) {
            const size_t classes = options.words - 1;
            size_t low = 1;
            while (size_t(1) << low < classes) ++low;
            if (classes == 1) low = 0;
            const auto& payload = TAP(payload);
            tapped.push_back(bits_at(&payload, 0, low));
            for (size_t k = 0; k < classes; ++k) tapped.push_back(bits_at(&payload, low + 32 * k, 32));
        }
#endif
        if (!top->m_axis_tvalid || !top->m_axis_tready) return;
        idle = 0;
        uint64_t keep = 0;
        std::memcpy(&keep, &top->m_axis_tkeep, sizeof top->m_axis_tkeep);
        const auto* data = reinterpret_cast<const uint8_t*>(&top->m_axis_tdata);
        for (size_t k = 0; k < options.output_bytes && keep >> k & 1; ++k) frame.push_back(data[k]);
        if (!top->m_axis_tlast) return;
        record();
    }

    void record() {
#ifdef SCORES_TAP
        if (frame.size() != 4 || tapped.size() < options.words) stop(3, "result without scores", done);
        if (std::memcmp(frame.data(), tapped.data(), 4)) stop(3, "result is not the tap's class", done);
        frame.resize(4 * options.words);
        std::memcpy(frame.data(), tapped.data(), frame.size());
        tapped.erase(tapped.begin(), tapped.begin() + long(options.words));
#endif
        if (frame.size() != 4 * options.words) stop(3, "result frame of wrong length", frame.size());
        if (done >= sent + (offered ? 1 : 0)) stop(3, "result without an image", done);
        const uint64_t cycles[2] = {came_in[done], cycle};
        store(results, cycles, sizeof cycles);
        store(results, frame.data(), frame.size());
        frame.clear();
        ++done;
        if (done % 64 == 0 || done == images) {
            std::printf("%zu\n", done);
            std::fflush(stdout);
        }
    }

    void finish() {
        if (std::fclose(results)) stop(2, "cannot write the results", done);
#if VM_TRACE
        for (long k = 0; trace && k < MARGIN; ++k) {
            top->s_axis_tvalid = 0;
            top->aclk = 0;
            top->eval();
            dump();
            top->aclk = 1;
            top->eval();
            dump();
            ++cycle;
        }
        if (trace) trace->close();
#endif
        top->final();
    }

    void trace_on() {
#if VM_TRACE
        if (!options.vcd || trace) return;
        trace = std::make_unique<VerilatedVcdC>();
        trace->set_time_unit("1ns");
        trace->set_time_resolution("1ns");
        top->trace(trace.get(), 99);
        trace->open(options.vcd);
#endif
    }

    // Two time steps of 5 ns a cycle.
    void dump() {
#if VM_TRACE
        if (!trace || !trace->isOpen()) return;
        trace->dump(10 * cycle + (top->aclk ? 5 : 0));
        if (done <= options.last) ended = cycle;
        if (cycle > ended + uint64_t(MARGIN)) trace->close();
#endif
    }

    const Options options;
    const std::vector<uint8_t> bytes;
    const size_t images;
    std::vector<uint64_t> came_in;
    Coin coin;
    std::unique_ptr<Vtop> top = std::make_unique<Vtop>();
    std::FILE* results;
    std::vector<uint8_t> frame;
    std::vector<int32_t> tapped;
    size_t sent = 0, position = 0, done = 0;
    bool offered = false;
    uint64_t cycle = 0, idle = 0, ended = 0;
#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> trace;
#endif
};

}  // namespace

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    while (argc > 1 && argv[argc - 1][0] == '+') --argc;
    if (argc != 9 && argc != 12) stop(2, "wrong number of arguments", argc);
    auto number = [&](int k) { return std::strtoull(argv[k], nullptr, 10); };
    Options options{argv[1], argv[2], number(3), number(4), number(5), number(6),
                    number(7), number(8), nullptr, 0, 0};
    if (argc == 12) {
        options.vcd = argv[9];
        options.first = number(10);
        options.last = number(11);
        Verilated::traceEverOn(true);
    }
    Loop(options).run();
    return 0;
}
