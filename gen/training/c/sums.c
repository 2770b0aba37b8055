/* Sums of a 3 x 3 convolution of inputs and weights of -1 and +1, by XOR and popcount.
 *
 * A pixel is a number of bytes, a bit for each channel, 1 for -1; a window and a kernel are three
 * rows of three pixels, each filled up with zeros to words of 64 bits. Where a mask, of the same
 * layout, has a 0, there is no weight, and kernels have a 0, too.
 *
 * Zeros stand around an image, for which `base[where][output]`, the sum if no bit differs, makes
 * up. Bits of `where`: in the first row, the last row, the first column, the last. */
#ifdef __AVX2__
#include <immintrin.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "shape.h"

/* Outputs are counted in blocks of 16, the last filled up; a pool has 4 windows. */
enum { BYTE = 8, BLOCK = 16, VECTOR = 4, WINDOWS = 4 };

typedef unsigned long long word;
typedef unsigned short number;

/* Parts of a word whose bits are counted at once: four bits of each byte by a table, or all. */
#ifdef __AVX2__
enum { PARTS = 2 };
static inline word part(word bits, long n) { return bits >> 4 * n & 0x0f0f0f0f0f0f0f0f; }
#else
enum { PARTS = 1 };
static inline word part(word bits, long n) { return n ? 0 : bits; }
#endif

typedef struct {
    unsigned char *image;
    word *window, *mask; /* parts of words */
    word *kernels;       /* as arrange() has them */
    number *apart;       /* bits that differ: of each window, of each output */
    long depth, line;    /* bytes of a pixel, of a row of the image */
    long words;          /* of a row of a window */
    long blocks;         /* of outputs */
} work;

/* A bit for each of up to 8. */
static inline unsigned negative(const float *x, long count) {
#ifdef __AVX2__
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

/* What is too much of a row is masked. */
static inline void window(const work *w, const unsigned char *from) {
    const word *mask = w->mask;
    word *to = w->window;
    for (long row = 0; row < KERNEL; row++, from += w->line) {
        for (long k = 0; k < w->words; k++) {
            word bits;
            memcpy(&bits, from + k * sizeof(word), sizeof(word));
            for (long n = 0; n < PARTS; n++) {
                *to++ = part(bits, n) & *mask++;
            }
        }
    }
}

#ifdef __AVX2__
/* Four outputs in a vector: of 16, those that are as far behind a multiple of 4. So four counts,
 * each 16 bits further up than the one before, stand in order. */
static void arrange(const shape *s, const work *w, const word *kernels) {
    long words = KERNEL * w->words;
    word *to = w->kernels;
    for (long v = 0; v < w->blocks * VECTOR; v++) {
        for (long n = 0; n < words * PARTS; n++) {
            for (long lane = 0; lane < VECTOR; lane++) {
                long k = v / VECTOR * BLOCK + lane * VECTOR + v % VECTOR;
                *to++ = part(k < s->outputs ? kernels[k * words + n / PARTS] : 0, n % PARTS);
            }
        }
    }
}

/* Ones of up to 31 words are added up byte by byte. */
static inline __attribute__((always_inline)) void count(const work *w, long words, number *apart) {
    const __m256i ones = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                          2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i *kernel = (const __m256i *)w->kernels, zero = _mm256_setzero_si256();
    const long long *window = (const long long *)w->window;
    for (long b = 0; b < w->blocks; b++, apart += BLOCK) {
        __m256i all = zero;
        for (long v = 0; v < VECTOR; v++, kernel += PARTS * words) {
            __m256i found = zero;
            for (long top = 0; top < words; top += 31) {
                long bottom = words < top + 31 ? words : top + 31;
                __m256i lower = zero, upper = zero;
#pragma GCC unroll 5
                for (long n = 2 * top; n < 2 * bottom; n += 2) {
                    __m256i a = _mm256_loadu_si256(kernel + n) ^ _mm256_set1_epi64x(window[n]);
                    __m256i b =
                        _mm256_loadu_si256(kernel + n + 1) ^ _mm256_set1_epi64x(window[n + 1]);
                    lower = _mm256_add_epi8(lower, _mm256_shuffle_epi8(ones, a));
                    upper = _mm256_add_epi8(upper, _mm256_shuffle_epi8(ones, b));
                }
                found += _mm256_sad_epu8(_mm256_add_epi8(lower, upper), zero);
            }
            all |= _mm256_slli_epi64(found, 16 * v);
        }
        _mm256_storeu_si256((__m256i *)apart, all);
    }
}
#else
static void arrange(const shape *s, const work *w, const word *kernels) {
    memcpy(w->kernels, kernels, s->outputs * KERNEL * w->words * sizeof(word));
}

static inline __attribute__((always_inline)) void count(const work *w, long words, number *apart) {
    const word *kernel = w->kernels;
    for (long k = 0; k < w->blocks * BLOCK; k++, kernel += words) {
        int found = 0;
#pragma GCC unroll 6
        for (long n = 0; n < words; n++) {
            found += __builtin_popcountll(kernel[n] ^ w->window[n]);
        }
        apart[k] = found;
    }
}
#endif

/* With a constant number of words, the window stays in registers. */
static void compare(const work *w, number *apart) {
    switch (w->words) {
        case 1:
            count(w, KERNEL, apart);
            break;
        case 2:
            count(w, KERNEL * 2, apart);
            break;
        default:
            count(w, KERNEL * w->words, apart);
    }
}

static void largest(const number *restrict apart, long next, const short *const *base,
                    long outputs, short *restrict to, unsigned char *restrict corner) {
    const number *a = apart, *b = a + next, *c = b + next, *d = c + next;
    for (long k = 0; k < outputs; k++) {
        short of_a = base[0][k] - 2 * a[k], of_b = base[1][k] - 2 * b[k];
        short of_c = base[2][k] - 2 * c[k], of_d = base[3][k] - 2 * d[k];
        short upper = of_a > of_b ? of_a : of_b, lower = of_c > of_d ? of_c : of_d;
        short above = of_a >= of_b ? 0 : 1, below = of_c >= of_d ? 2 : 3;
        to[k] = upper > lower ? upper : lower;
        corner[k] = upper >= lower ? above : below;
    }
}

static void all(const number *restrict apart, const short *base, long outputs,
                short *restrict to) {
    for (long k = 0; k < outputs; k++) {
        to[k] = base[k] - 2 * apart[k];
    }
}

static void image(const shape *s, const work *w, const short *base, short *to,
                  unsigned char *corner) {
    long rows = s->rows, columns = s->columns, outputs = s->outputs, next = w->blocks * BLOCK;
    if (corner) {
        rows -= rows % 2, columns -= columns % 2;
    }
    for (long i = 0; i < rows; i += 2) {
        for (long j = 0; j < columns; j += 2) {
            const short *bases[WINDOWS];
            for (long k = 0; k < WINDOWS; k++) {
                long y = i + k / 2, x = j + k % 2;
                if (y >= rows || x >= columns) {
                    continue;
                }
                int where =
                    (y == 0) | (y == s->rows - 1) << 1 | (x == 0) << 2 | (x == s->columns - 1) << 3;
                window(w, w->image + y * w->line + x * w->depth);
                bases[k] = base + where * outputs;
                compare(w, w->apart + k * next);
                if (!corner) {
                    all(w->apart + k * next, bases[k], outputs, to + (y * columns + x) * outputs);
                }
            }
            if (corner) {
                long at = (i / 2 * (columns / 2) + j / 2) * outputs;
                largest(w->apart, next, bases, outputs, to + at, corner + at);
            }
        }
    }
}

/* `x` is (images, rows, columns, all) and begins at the first channel of the group; `to` is
 * (images, rows, columns, outputs). With a place for the corner, both are of half the rows and
 * columns: the largest of each 2 x 2 sums, and which of them it is: 0 to 3, the first, row by row.
 * 0 if there was memory to work in. */
int binohm_sums(const shape *s, const float *x, const word *kernels, const word *mask,
                const short *base, short *to, unsigned char *corner) {
    work w = {.depth = (s->channels + BYTE - 1) / BYTE};
    w.words = (KERNEL * w.depth + sizeof(word) - 1) / sizeof(word);
    w.line = (s->columns + KERNEL) * w.depth;
    w.blocks = (s->outputs + BLOCK - 1) / BLOCK;
    long size = KERNEL * w.words * PARTS * sizeof(word);
    w.image = calloc((s->rows + KERNEL) * w.line + sizeof(word), 1);
    w.window = malloc(size), w.mask = malloc(size), w.kernels = calloc(w.blocks * BLOCK, size);
    w.apart = malloc(WINDOWS * w.blocks * BLOCK * sizeof(number));
    int failed = !w.image || !w.window || !w.mask || !w.kernels || !w.apart;
    long step = s->rows * s->columns * s->outputs;
    if (corner) {
        step = (s->rows / 2) * (s->columns / 2) * s->outputs;
    }
    if (!failed) {
        arrange(s, &w, kernels);
        for (long n = 0; n < KERNEL * w.words * PARTS; n++) {
            w.mask[n] = part(mask[n / PARTS], n % PARTS);
        }
    }
    for (long n = 0; n < s->images && !failed; n++) {
        pack(s, &w, x + n * s->rows * s->columns * s->all);
        image(s, &w, base, to + n * step, corner ? corner + n * step : corner);
    }
    free(w.image), free(w.window), free(w.mask), free(w.kernels), free(w.apart);
    return failed;
}
