/* The layer with the unit. Images are words of pixels: 32 columns of a row of a channel, and the unit
 * has the windows of POSITIONS columns at once. What it does not hold comes from lists. */
#include "unit.h"

#include "layer.h"
#include "tables.h"

#ifdef NUMBERS

/* Program every slot that has a kernel. */
int unit_program(void) {
    int failed = 0;
    for (unsigned slot = 0; slot < SLOTS; ++slot) {
        unit_set(SET_SLOT, slot);
        for (unsigned part = 0; part < STORE_PARTS; ++part) {
            unit_set(SET_KERNEL, store[slot * STORE_PARTS + part]);
        }
        unit_set(SET_PROGRAM, PULSES);
        while (unit_get(GET_STATUS) & BUSY) {
        }
        failed |= unit_get(GET_FAILED) != 0;
    }
    return failed ? 32 : 0;
}

/* Whether the unit has refused anything; what does not verify has been said before. */
int unit_check(void) { return unit_get(GET_STATUS) & REFUSED ? 16 : 0; }

/* Patches of all channels, for the windows of row `row` that begin at column `first`. */
static void look(unsigned row, unsigned first) {
    const int top = (int)row - PADDING_ROWS;
    uint32_t present = 0;
    for (int r = 0; r < KERNEL_ROWS; ++r) {
        if (top + r >= 0 && top + r < IMAGE_ROWS) present |= 1u << r;
    }
    unit_set(SET_SHIFT, first + KERNEL_COLUMNS - 1 - PADDING_COLUMNS);
    unit_set(SET_ROWS, present);
    unit_set(SET_COLUMNS, column_masks[first / POSITIONS]);
    unit_set(SET_WINDOW, 0);
    /* Beyond the border anything will do: it is not present. */
    const int last = top + KERNEL_ROWS <= IMAGE_ROWS ? KERNEL_ROWS - 1 : IMAGE_ROWS - 1 - top;
    const uint32_t *at = rows + (top < 0 ? 0 : top) * CHANNELS;
    if (top >= 0 && last == KERNEL_ROWS - 1) {
        for (unsigned c = 0; c < CHANNELS; ++c, ++at) {
#pragma GCC unroll 16
            for (int r = 0; r < KERNEL_ROWS; ++r) unit_row(at[r * CHANNELS]);
        }
    } else {
        for (unsigned c = 0; c < CHANNELS; ++c, ++at) {
            for (int r = 0; r < KERNEL_ROWS; ++r) {
                const int y = top + r < 0 ? 0 : r > last ? 0 : top < 0 ? top + r : r;
                unit_row(at[y * CHANNELS]);
            }
        }
    }
}

#if MISSES
/* Ones in every number of TAPS bits, so placed that an address is exclusive-ored as its number is. */
static const uint8_t ones[1 << TAPS] __attribute__((aligned(1 << TAPS))) = ONES;

/* Where in `ones` each window stands, for the kernels that the unit does not hold. */
static uintptr_t windows[CHANNELS][POSITIONS];

#define EVERY ((1u << TAPS) - 1)

static void keep_windows(void) {
    for (unsigned c = 0; c < CHANNELS; ++c) {
#pragma GCC unroll 8
        for (unsigned p = 0; p < POSITIONS; ++p) {
            windows[c][p] = (uintptr_t)ones + unit_window(c, p);
        }
    }
}

/* Mismatches of one kernel with the windows of its channel; pixels beyond the border have none. */
INLINE void miss(uint32_t entry, uint32_t *found, const uintptr_t *present, int border) {
    const uintptr_t *window = (const uintptr_t *)((const char *)windows + (entry >> 16));
    const uint32_t kernel = entry & EVERY;
    __asm__("" : "+r"(window)); /* one address and offsets, not an address for each position */
#pragma GCC unroll 8
    for (unsigned p = 0; p < POSITIONS; ++p) {
        uintptr_t differ = window[p] ^ kernel;
        if (border) differ &= present[p];
        found[p] += *(const uint8_t *)differ;
    }
}
#endif

/* Numbers of one output, and what the store does not hold; `list` is taken on. */
INLINE const uint32_t *output(const uint32_t *list, const uintptr_t *present, int border) {
#if MISSES
    unsigned misses = *list++;
    if (misses) {
        uint32_t found[POSITIONS] = {0};
        const unsigned count = misses;
        const uint32_t *entry = list + NUMBER_WORDS;
        const uint32_t *end = list + NUMBER_WORDS;
        for (; list != end; ++list) { /* the unit compares while the processor does */
            unit_dot(*list);
            if (misses) {
                miss(*entry++, found, present, border);
                --misses;
            }
        }
        for (; misses; --misses) miss(*entry++, found, present, border);
#pragma GCC unroll 8
        for (unsigned p = 0; p < POSITIONS; ++p) {
            const uint32_t taps = border ? ones[present[p] & EVERY] : TAPS;
            unit_add((int32_t)(count * taps) - 2 * (int32_t)found[p], p);
        }
        return entry;
    }
#else
    (void)present, (void)border;
#endif
#pragma GCC unroll 128
    for (unsigned k = 0; k < NUMBER_WORDS; ++k) unit_dot(list[k]);
    return list + NUMBER_WORDS;
}

INLINE void all_outputs(unsigned tile, uint32_t *result, unsigned first, const uintptr_t *present,
                        int border) {
    const unsigned begin = tile * TILE;
    const unsigned count = OUTPUTS - begin < TILE ? OUTPUTS - begin : TILE;
    const uint32_t *list = numbers + tile_start[tile];
    const int16_t *theta = thetas + begin;
    result += begin;
    for (uint32_t *end = result + count; result != end; ++result) {
        list = output(list, present, border);
        *result |= unit_sign(*theta++) << first;
    }
}

/* Outputs come in tiles whose lists stay in the cache, if there is one. */
void layer_by_unit(void) {
    unit_set(SET_CLEAR, 0);
    unit_set(SET_CHANNEL, 0);
    for (unsigned k = 0; k < RESULT_ROWS * OUTPUTS; ++k) results[k] = 0;
    for (unsigned tile = 0; tile * TILE < OUTPUTS; ++tile) {
        for (unsigned row = 0; row < RESULT_ROWS; ++row) {
            uint32_t *result = results + row * OUTPUTS;
            for (unsigned first = 0; first < RESULT_COLUMNS; first += POSITIONS) {
                look(row, first);
                uintptr_t present[POSITIONS] = {0};
                int border = 0;
#if MISSES
                keep_windows();
                for (unsigned p = 0; p < POSITIONS; ++p) {
                    const unsigned at = row_class[row] * COLUMN_GROUPS * POSITIONS + first + p;
                    present[p] = tap_masks[at] | ~EVERY;
                    border |= tap_masks[at] != EVERY;
                }
#endif
                if (border) {
                    all_outputs(tile, result, first, present, 1);
                } else {
                    all_outputs(tile, result, first, present, 0);
                }
            }
        }
    }
    for (unsigned row = 0; row < RESULT_ROWS; ++row) {
        uint32_t *result = results + row * OUTPUTS;
        for (unsigned o = 0; o < OUTPUTS; ++o) {
            result[o] = (result[o] ^ flip_rows[o]) & COLUMN_MASK;
        }
    }
}

#endif
