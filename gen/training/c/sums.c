/* Sums of a 3 x 3 convolution of inputs and weights of -1 and +1, by XOR and popcount.
 *
 * A pixel is a number of bytes, a bit for each channel, 1 for -1; a window and a kernel are three
 * rows of three pixels, one behind the other, filled up with zeros to words of 64 bits. Where a
 * mask, of the same layout, has a 0, there is no weight, and kernels have a 0, too.
 *
 * Zeros stand around an image, for which `base[where][output]`, the sum if no bit differs, makes
 * up. Bits of `where`: in the first row, the last row, the first column, the last. */
#ifdef __AVX__
#include <immintrin.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "shape.h"

enum { BYTE = 8, BLOCK = 4 };

typedef unsigned long long word;

typedef struct {
    unsigned char *image;
    word *windows;            /* of 2 x 2 pixels, each with a word to spare */
    int *apart;               /* bits that differ: of each pixel, of each output */
    long depth, line, length; /* bytes of a pixel, of a row of the image, of a row of a window */
    long words;               /* of a window */
    const word *mask;         /* of the bits that count */
} work;

/* A bit for each of up to 8. */
static inline unsigned negative(const float *x, long count) {
#ifdef __AVX__
    if (count >= BYTE) {
        return _mm256_movemask_ps(_mm256_loadu_ps(x));
    }
#endif
    unsigned bits = 0;
    for (long k = 0; k < count && k < BYTE; k++) {
        bits |= (unsigned)(x[k] < 0) << k;
    }
    return bits;
}

static void pack(const shape *s, const work *w, const float *x) {
    for (long i = 0; i < s->rows; i++) {
        for (long j = 0; j < s->columns; j++, x += s->all) {
            unsigned char *pixel = w->image + (i + 1) * w->line + (j + 1) * w->depth;
            for (long k = 0; k < s->channels; k += BYTE) {
                *pixel++ = negative(x + k, s->channels - k);
            }
        }
    }
}

/* Whole words are copied: what is too much of a row, the next overwrites; the last is masked. */
static inline void window(const work *w, word *to, const unsigned char *from) {
    unsigned char *at = (unsigned char *)to;
    for (long row = 0; row < KERNEL; row++, from += w->line, at += w->length) {
        memcpy(at, from, sizeof(word));
        for (long k = sizeof(word); k < w->length; k += sizeof(word)) {
            memcpy(at + k, from + k, sizeof(word));
        }
    }
    for (long n = 0; n < w->words; n++) {
        to[n] &= w->mask[n];
    }
}

static inline __attribute__((always_inline)) void count(const word *windows, const word *kernel,
                                                        long words, long outputs, int *apart) {
    const word *a = windows, *b = a + words + 1, *c = b + words + 1, *d = c + words + 1;
    for (long k = 0; k < outputs; k++, kernel += words) {
        int of_a = 0, of_b = 0, of_c = 0, of_d = 0;
        for (long n = 0; n < words; n++) {
            of_a += __builtin_popcountll(kernel[n] ^ a[n]);
            of_b += __builtin_popcountll(kernel[n] ^ b[n]);
            of_c += __builtin_popcountll(kernel[n] ^ c[n]);
            of_d += __builtin_popcountll(kernel[n] ^ d[n]);
        }
        apart[k] = of_a, apart[k + outputs] = of_b;
        apart[k + 2 * outputs] = of_c, apart[k + 3 * outputs] = of_d;
    }
}

/* With a constant number of words, windows stay in registers. */
static void compare(const work *w, const word *kernels, long outputs) {
    switch (w->words) {
        case 1:
            count(w->windows, kernels, 1, outputs, w->apart);
            break;
        case 2:
            count(w->windows, kernels, 2, outputs, w->apart);
            break;
        case 3:
            count(w->windows, kernels, 3, outputs, w->apart);
            break;
        case 4:
            count(w->windows, kernels, 4, outputs, w->apart);
            break;
        case 5:
            count(w->windows, kernels, 5, outputs, w->apart);
            break;
        default:
            count(w->windows, kernels, w->words, outputs, w->apart);
    }
}

static void largest(const int *restrict apart, const int *const *base, long outputs,
                    short *restrict to, unsigned char *restrict corner) {
    const int *a = apart, *b = a + outputs, *c = b + outputs, *d = c + outputs;
    for (long k = 0; k < outputs; k++) {
        int of_a = base[0][k] - 2 * a[k], of_b = base[1][k] - 2 * b[k];
        int of_c = base[2][k] - 2 * c[k], of_d = base[3][k] - 2 * d[k];
        int upper = of_a > of_b ? of_a : of_b, lower = of_c > of_d ? of_c : of_d;
        int above = of_a >= of_b ? 0 : 1, below = of_c >= of_d ? 2 : 3;
        to[k] = upper > lower ? upper : lower;
        corner[k] = upper >= lower ? above : below;
    }
}

static void all(const int *restrict apart, const int *base, long outputs, short *restrict to) {
    for (long k = 0; k < outputs; k++) {
        to[k] = base[k] - 2 * apart[k];
    }
}

static void image(const shape *s, const work *w, const word *kernels, const int *base, short *to,
                  unsigned char *corner) {
    long rows = s->rows, columns = s->columns, outputs = s->outputs;
    if (corner) {
        rows -= rows % 2, columns -= columns % 2;
    }
    for (long i = 0; i < rows; i += 2) {
        for (long j = 0; j < columns; j += 2) {
            const int *bases[BLOCK];
            for (long k = 0; k < BLOCK; k++) {
                long y = i + k / 2, x = j + k % 2;
                int where =
                    (y == 0) | (y == s->rows - 1) << 1 | (x == 0) << 2 | (x == s->columns - 1) << 3;
                window(w, w->windows + k * (w->words + 1), w->image + y * w->line + x * w->depth);
                bases[k] = base + where * outputs;
            }
            compare(w, kernels, outputs);
            if (corner) {
                long at = (i / 2 * (columns / 2) + j / 2) * outputs;
                largest(w->apart, bases, outputs, to + at, corner + at);
                continue;
            }
            for (long k = 0; k < BLOCK; k++) {
                long y = i + k / 2, x = j + k % 2;
                if (y < rows && x < columns) {
                    all(w->apart + k * outputs, bases[k], outputs,
                        to + (y * columns + x) * outputs);
                }
            }
        }
    }
}

/* `x` is (images, rows, columns, all) and begins at the first channel of the group; `to` is
 * (images, rows, columns, outputs). With a place for the corner, both are of half the rows and
 * columns: the largest of each 2 x 2 sums, and which of them it is: 0 to 3, the first, row by row.
 * 0 if there was memory to work in. */
int binohm_sums(const shape *s, const float *x, const word *kernels, const word *mask,
                const int *base, short *to, unsigned char *corner) {
    work w = {.depth = (s->channels + BYTE - 1) / BYTE, .mask = mask};
    w.length = KERNEL * w.depth;
    w.line = (s->columns + KERNEL) * w.depth;
    w.words = (KERNEL * w.length + sizeof(word) - 1) / sizeof(word);
    w.image = calloc((s->rows + KERNEL) * w.line + sizeof(word), 1);
    w.windows = malloc(BLOCK * (w.words + 1) * sizeof(word));
    w.apart = malloc(BLOCK * s->outputs * sizeof(int));
    int failed = !w.image || !w.windows || !w.apart;
    long step = s->rows * s->columns * s->outputs;
    if (corner) {
        step = (s->rows / 2) * (s->columns / 2) * s->outputs;
    }
    for (long n = 0; n < s->images && !failed; n++) {
        pack(s, &w, x + n * s->rows * s->columns * s->all);
        image(s, &w, kernels, base, to + n * step, corner ? corner + n * step : corner);
    }
    free(w.image), free(w.windows), free(w.apart);
    return failed;
}
