/* The layer without the unit. Windows and kernels are packed words, 32 channels of a pixel in a word
 * or, where there are fewer, several pixels; a window is gathered once for 32 outputs. */
#include "layer.h"
#include "popcount.h"
#include "tables.h"

/* The window whose first pixel is at `at`, as words. */
INLINE void gather(const uint32_t *at, uint32_t *x) {
    UNROLL for (unsigned r = 0; r < KERNEL_ROWS; ++r) {
        UNROLL for (unsigned c = 0; c < KERNEL_COLUMNS * PIXEL_WORDS; ++c) {
            const unsigned k = r * KERNEL_COLUMNS * PIXEL_WORDS + c;
            const uint32_t word = at[r * PADDED_COLUMNS * PIXEL_WORDS + c];
            const unsigned low = k % PIXELS_A_WORD * CHANNELS_A_WORD;
            if (low) {
                x[k / PIXELS_A_WORD] |= word << low;
            } else {
                x[k / PIXELS_A_WORD] = word;
            }
        }
    }
}

INLINE uint32_t by_library(const uint32_t *x, const uint32_t *k) {
    uint32_t total = 0;
    UNROLL for (unsigned j = 0; j < WORDS; ++j) total += (uint32_t)__builtin_popcount(x[j] ^ k[j]);
    return total;
}

/* Bits of up to 32 outputs, the first in the lowest. */
INLINE uint32_t outputs(const uint32_t *x, unsigned first, unsigned count, const int16_t *limit,
                        int library) {
    uint32_t bits = 0;
#if SHARED /* equal kernels are compared once */
    uint32_t found[32];
    const uint32_t *k = kernels + group_start[first / 32] * WORDS;
    for (unsigned j = 0; j < group_size[first / 32]; ++j, k += WORDS) {
        found[j] = library ? by_library(x, k) : mismatches(x, k, WORDS);
    }
    for (unsigned j = 0; j < count; ++j) {
        bits = bits >> 1 | (uint32_t)((int32_t)found[kernel_of[first + j]] <= limit[j]) << 31;
    }
#else
    const uint32_t *k = kernels + first * WORDS;
    for (const int16_t *end = limit + count; limit != end; ++limit, k += WORDS) {
        const uint32_t found = library ? by_library(x, k) : mismatches(x, k, WORDS);
        bits = bits >> 1 | (uint32_t)((int32_t)found <= *limit) << 31;
    }
#endif
    return bits >> (32 - count);
}

INLINE void layer(int library) {
    for (unsigned first = 0; first < OUTPUTS; first += 32) {
        const unsigned count = OUTPUTS - first < 32 ? OUTPUTS - first : 32;
        const uint32_t flip = flips[first / 32];
        uint32_t *result = results + first / 32;
        for (unsigned row = 0; row < RESULT_ROWS; ++row) {
            const uint32_t *at = pixels + row * STRIDE_ROWS * PADDED_COLUMNS * PIXEL_WORDS;
            const int16_t *limit = limits + row_class[row] * COLUMN_CLASSES * OUTPUTS + first;
            for (unsigned column = 0; column < RESULT_COLUMNS; ++column) {
                uint32_t x[WORDS];
                gather(at, x);
                const int16_t *mine = limit + column_class[column] * OUTPUTS;
                *result = outputs(x, first, count, mine, library) ^ flip;
                result += RESULT_WORDS;
                at += STRIDE_COLUMNS * PIXEL_WORDS;
            }
        }
    }
}

void layer_by_words(void) { layer(0); }
void layer_by_library(void) { layer(1); }
