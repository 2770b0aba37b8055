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
/* A kernel that the unit lacks has the number of the nearest that it holds, and a list says where the
 * two differ: a place of the window, in which the pixel and the wanted weight agree or not. A list is
 * walked once for all columns of a row: a word has a bit for each of its windows, and words are added
 * up by carry-save adders.
 *
 * In a block stand all channels of a row, then what is not there, then a word that is 0. Beyond the
 * border neither is there. */
#define BLOCK (2 * CHANNELS + 1)
static uint32_t blocks[(IMAGE_ROWS + 2 * PADDING_ROWS) * BLOCK];

static void make_blocks(void) {
    const uint32_t *from = rows;
    uint32_t *to = blocks + PADDING_ROWS * BLOCK;
    for (unsigned row = 0; row < IMAGE_ROWS; ++row, to += BLOCK) {
        for (unsigned c = 0; c < CHANNELS; ++c) {
            const uint32_t word = *from++;
            to[c] = word;
            to[CHANNELS + c] = ~word & IMAGE_MASK;
        }
    }
}

/* Places that agree: a byte for each window; that of window x is 4 * (x % 8) + x / 8. */
static uint32_t agreeing[TILE][8];

/* The word in which bit x is what window x sees in column `column` of its kernel. */
INLINE uint32_t seen(const uint32_t *block, uint32_t offset, int column) {
    const uint32_t word = *(const uint32_t *)((const char *)block + offset);
    const int shift = column - PADDING_COLUMNS;
    return shift < 0 ? word << -shift : word >> shift;
}

/* Walk the list of one output, which has an even number of places for every column of the kernel. */
INLINE const uint16_t *agree(const uint32_t *block, const uint16_t *list, uint32_t *bytes) {
    uint32_t plane[PLANES] = {0};
#pragma GCC unroll 32
    for (int column = 0; column < KERNEL_COLUMNS; ++column) {
        const uint16_t *end = list + 1 + *list;
        for (++list; list != end; list += 2) {
            const uint32_t a = seen(block, list[0], column), b = seen(block, list[1], column);
            const uint32_t other = plane[0] ^ a;
            uint32_t carry = (plane[0] & a) | (other & b);
            plane[0] = other ^ b;
#pragma GCC unroll 8
            for (int k = 1; k < PLANES; ++k) {
                const uint32_t next = plane[k] & carry;
                plane[k] ^= carry;
                carry = next;
            }
        }
    }
#pragma GCC unroll 8
    for (int x = 0; x < (RESULT_COLUMNS < 8 ? RESULT_COLUMNS : 8); ++x) {
        uint32_t word = 0;
#pragma GCC unroll 8
        for (int k = PLANES - 1; k >= 0; --k) word = 2 * word + (plane[k] >> x & 0x01010101u);
        bytes[x] = word;
    }
    return list;
}

/* All outputs of a tile, for the windows of a row. */
static void agree_all(unsigned tile, unsigned row) {
    const unsigned begin = tile * TILE;
    const unsigned count = OUTPUTS - begin < TILE ? OUTPUTS - begin : TILE;
    const uint16_t *list = places + place_start[tile];
    for (unsigned o = 0; o < count; ++o) list = agree(blocks + row * BLOCK, list, agreeing[o]);
}
#endif

INLINE void all_outputs(unsigned tile, uint32_t *result, unsigned first, const uint8_t *fewer,
                        int border) {
    const unsigned begin = tile * TILE;
    const unsigned count = OUTPUTS - begin < TILE ? OUTPUTS - begin : TILE;
    const uint32_t *list = numbers + begin * NUMBER_WORDS;
    const int16_t *theta = thetas + begin;
#if MISSES
    const uint8_t *bytes = (const uint8_t *)agreeing + first % 8 * 4 + first / 8;
    fewer += begin * POSITIONS;
#else
    (void)fewer, (void)border;
#endif
    result += begin;
    for (uint32_t *end = result + count; result != end; ++result) {
#if MISSES
#pragma GCC unroll 8
        for (unsigned p = 0; p < POSITIONS; ++p) {
            uint32_t value = 4 * bytes[4 * p];
            if (border) value += 2 * fewer[p];
            unit_add(value, p);
        }
        bytes += sizeof agreeing[0];
        if (border) fewer += POSITIONS;
#endif
#pragma GCC unroll 128
        for (unsigned k = 0; k < NUMBER_WORDS; ++k) unit_dot(list[k]);
        list += NUMBER_WORDS;
        *result |= unit_sign(*theta++) << first;
    }
}

/* Outputs come in tiles whose lists stay in the cache, if there is one. */
void layer_by_unit(void) {
    unit_set(SET_CLEAR, 0);
    unit_set(SET_CHANNEL, 0);
    for (unsigned k = 0; k < RESULT_ROWS * OUTPUTS; ++k) results[k] = 0;
#if MISSES
    make_blocks();
#endif
    for (unsigned tile = 0; tile * TILE < OUTPUTS; ++tile) {
        for (unsigned row = 0; row < RESULT_ROWS; ++row) {
            uint32_t *result = results + row * OUTPUTS;
#if MISSES
            agree_all(tile, row);
#endif
            for (unsigned first = 0; first < RESULT_COLUMNS; first += POSITIONS) {
                look(row, first);
                const uint8_t *fewer = 0;
#if MISSES
                const unsigned kind =
                    fewer_at[row_class[row] * COLUMN_GROUPS + first / POSITIONS];
                if (kind) fewer = fewer_places + (kind - 1) * POSITIONS * OUTPUTS;
#endif
                if (fewer) {
                    all_outputs(tile, result, first, fewer, 1);
                } else {
                    all_outputs(tile, result, first, fewer, 0);
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
