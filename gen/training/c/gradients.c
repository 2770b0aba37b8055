/* Gradients of a 3 x 3 convolution of which a pool keeps one sum of each 2 x 2, from those of what
 * is normalised behind it.
 *
 * Three sums of four have no gradient, and no product with it is formed here: a fourth of the
 * multiplications of a convolution that does not know. For the gradient of the kernels there is a
 * list of the kept sums of each output, for that of what comes in, a set of those at each pixel.
 * Along each of them, three rows of 24 floats stay in registers.
 *
 * Images are (rows, columns, depth) with zeros around them; the depth is the number of channels,
 * filled up with zeros to a multiple of 8, so that a row of a window is a number of chunks of 24.
 * Kernels are (chunks, outputs, 3 rows, 24). A float is 4 bytes, and so is an int. */
#include <stdlib.h>
#include <string.h>

#include "shape.h"

enum { CHUNK = 3 * LANES, KERNEL_FLOATS = KERNEL * CHUNK, BAND = 32, BYTES = 8, SET = 64 };

typedef unsigned long long set; /* of outputs, a bit for each */

typedef float lanes
    __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

typedef struct {
    float *image, *back;    /* an image, and the gradient of it */
    float *gradient;        /* of an image's kept sums */
    float *by_output;       /* gradients of kept sums, */
    int *window;            /* and where their windows begin */
    set *kept;              /* outputs that keep a pixel, for each corner of 2 x 2 */
    int *place;             /* where the first window of 2 x 2 begins */
    long depth, line, size; /* floats of a pixel, a row, an image */
    long chunks;            /* of a row of a window */
    long pixels;            /* that are kept */
} work;

/* Three rows of 24 floats, `line` floats apart. */
typedef struct {
    lanes a, b, c, d, e, f, g, h, i;
} sums;

static inline lanes *row(const float *at, long line, long k) { return (lanes *)(at + k * line); }

static inline sums load(const float *at, long line) {
    const lanes *x = row(at, line, 0), *y = row(at, line, 1), *z = row(at, line, 2);
    return (sums){x[0], x[1], x[2], y[0], y[1], y[2], z[0], z[1], z[2]};
}

static inline void store(sums s, float *at, long line) {
    lanes *x = row(at, line, 0), *y = row(at, line, 1), *z = row(at, line, 2);
    x[0] = s.a, x[1] = s.b, x[2] = s.c;
    y[0] = s.d, y[1] = s.e, y[2] = s.f;
    z[0] = s.g, z[1] = s.h, z[2] = s.i;
}

static inline sums add(sums s, float factor, const float *at, long line) {
    const lanes *x = row(at, line, 0), *y = row(at, line, 1), *z = row(at, line, 2);
    s.a += factor * x[0], s.b += factor * x[1], s.c += factor * x[2];
    s.d += factor * y[0], s.e += factor * y[1], s.f += factor * y[2];
    s.g += factor * z[0], s.h += factor * z[1], s.i += factor * z[2];
    return s;
}

/* As spread() of kernels.py. */
static void spread(long outputs, const short *restrict sum, const float *restrict gradient,
                   const float *norm, float *restrict to) {
    const float *mean = norm, *scale = mean + outputs, *beta = scale + outputs;
    const float *slope = beta + outputs, *level = slope + outputs;
    for (long k = 0; k < outputs; k++) {
        float apart = sum[k] - mean[k], normal = apart * scale[k] + beta[k];
        float passed = normal < 1 && normal > -1 ? gradient[k] : 0;
        to[k] = scale[k] * passed - slope[k] * apart - level[k];
    }
}

static inline lanes *at(const float *x, long k) { return (lanes *)(x + k); }

/* In vectors, of which the last overlaps with the one before. */
static void read_image(const shape *s, work *w, const float *x) {
    long last = s->channels - LANES;
    for (long i = 0; i < s->rows; i++) {
        for (long j = 0; j < s->columns; j++, x += s->all) {
            float *to = w->image + (i + 1) * w->line + (j + 1) * w->depth;
            for (long k = 0; k < last; k += LANES) {
                *at(to, k) = *at(x, k);
            }
            if (last >= 0) {
                *at(to, last) = *at(x, last);
                continue;
            }
            for (long k = 0; k < s->channels; k++) {
                to[k] = x[k];
            }
        }
    }
}

static void add_image(const shape *s, const work *w, float *to) {
    long last = s->channels - LANES;
    for (long i = 0; i < s->rows; i++) {
        for (long j = 0; j < s->columns; j++, to += s->all) {
            const float *from = w->back + (i + 1) * w->line + (j + 1) * w->depth;
            if (last < 0) {
                for (long k = 0; k < s->channels; k++) {
                    to[k] += from[k];
                }
                continue;
            }
            lanes end = *at(to, last) + *at(from, last);
            for (long k = 0; k < last; k += LANES) {
                *at(to, k) += *at(from, k);
            }
            *at(to, last) = end;
        }
    }
}

/* Bytes of 0 to 3: a bit for each of 8 that is equal to the one wanted. */
static inline set equal(set bytes, long wanted) {
    const set ones = 0x0101010101010101, gather = 0x0102040810204080;
    bytes ^= wanted * ones;
    return (~(bytes | bytes >> 1) & ones) * gather >> 56;
}

/* Those of up to 64 outputs that are kept in a corner. */
static inline set kept(const unsigned char *corner, long count, long wanted) {
    long size = count < SET ? count : SET, whole = size - size % BYTES;
    set found = 0, bytes;
    for (long k = 0; k < whole; k += BYTES) {
        memcpy(&bytes, corner + k, BYTES);
        found |= equal(bytes, wanted) << k;
    }
    for (long k = whole; k < size; k++) {
        found |= (set)(corner[k] == wanted) << k;
    }
    return found;
}

static void keep(const shape *s, const work *w, const unsigned char *corner) {
    set *to = w->kept;
    for (long e = 0; e < w->pixels; e++, corner += s->outputs) {
        for (long q = 0; q < 4; q++) {
            for (long k = 0; k < s->outputs; k += SET) {
                *to++ = kept(corner + k, s->outputs - k, q);
            }
        }
    }
}

/* The list of each output, for pixels from `top` to `bottom`. */
static void list_by_output(const shape *s, const work *w, const unsigned char *corner, long top,
                           long bottom) {
    int beside[4] = {0, w->depth, w->line, w->line + w->depth};
    for (long k = 0; k < s->outputs; k++) {
        for (long e = top; e < bottom; e++) {
            w->by_output[k * BAND + e - top] = w->gradient[e * s->outputs + k];
            w->window[k * BAND + e - top] = w->place[e] + beside[corner[e * s->outputs + k]];
        }
    }
}

/* Some pixels at a time, whose windows stay in the first cache. */
static void to_kernels(const shape *s, const work *w, const unsigned char *corner, float *to) {
    for (long top = 0; top < w->pixels; top += BAND) {
        long bottom = top + BAND < w->pixels ? top + BAND : w->pixels;
        list_by_output(s, w, corner, top, bottom);
        for (long f = 0; f < w->chunks; f++) {
            const float *image = w->image + f * CHUNK;
            for (long k = 0; k < s->outputs; k++) {
                float *kernel = to + (f * s->outputs + k) * KERNEL_FLOATS;
                sums found = load(kernel, CHUNK);
                for (long e = k * BAND; e < k * BAND + bottom - top; e++) {
                    found = add(found, w->by_output[e], image + w->window[e], w->line);
                }
                store(found, kernel, CHUNK);
            }
        }
    }
}

static void to_image(const shape *s, const work *w, const float *kernels) {
    for (long f = 0; f < w->chunks; f++, kernels += s->outputs * KERNEL_FLOATS) {
        const set *kept = w->kept;
        for (long e = 0; e < 4 * w->pixels; e++) {
            const float *gradient = w->gradient + e / 4 * s->outputs;
            float *window = w->back + f * CHUNK + w->place[e / 4];
            window += e / 2 % 2 * w->line + e % 2 * w->depth;
            sums found = load(window, w->line);
            for (long k = 0; k < s->outputs; k += SET) {
                for (set rest = *kept++; rest; rest &= rest - 1) {
                    long o = k + __builtin_ctzll(rest);
                    found = add(found, gradient[o], kernels + o * KERNEL_FLOATS, CHUNK);
                }
            }
            store(found, window, w->line);
        }
    }
}

/* Room for so many floats, or ints, in whole lines of a cache; of NULL, nothing but its size. */
static void *take(char **from, long *bytes, long count) {
    long size = (count * sizeof(float) + 63) / 64 * 64;
    void *taken = *from;
    if (taken) {
        *from += size;
    }
    *bytes += size;
    return taken;
}

static long lay_out(const shape *s, work *w, char *from) {
    long bytes = 0, kept = w->pixels * s->outputs, band = BAND * s->outputs;
    long sets = (s->outputs + SET - 1) / SET;
    w->image = take(&from, &bytes, w->size), w->back = take(&from, &bytes, w->size);
    w->gradient = take(&from, &bytes, kept);
    w->by_output = take(&from, &bytes, band), w->window = take(&from, &bytes, band);
    w->kept = take(&from, &bytes, 4 * w->pixels * sets * sizeof(set) / sizeof(float));
    w->place = take(&from, &bytes, w->pixels);
    return bytes;
}

/* Add to the gradients of what came in (NULL: not asked for) and of the kernels; 0 if there was
 * memory to work in. `x` and `to_x` are (images, rows, columns, all), and begin at the first
 * channel of the group. `sum`, `gradient` and `corner`, 0 to 3, are of the kept sums, (images,
 * rows / 2, columns / 2, outputs); `norm` is (5, outputs): mean, scale, beta, slope and level. */
int binohm_gradients(const shape *s, const float *x, const short *sum, const float *gradient,
                     const unsigned char *corner, const float *norm, const float *kernels,
                     float *to_x, float *to) {
    long columns = s->columns / 2, area = s->rows * s->columns * s->all;
    work w = {.depth = (s->channels + LANES - 1) / LANES * LANES, .pixels = s->rows / 2 * columns};
    w.line = (s->columns + 2) * w.depth;
    w.size = (s->rows + 2) * w.line;
    w.chunks = KERNEL * w.depth / CHUNK;
    char *memory = aligned_alloc(64, lay_out(s, &w, NULL));
    if (!memory) {
        return 1;
    }
    lay_out(s, &w, memory);
    memset(w.image, 0, w.size * sizeof(float));
    for (long e = 0; e < w.pixels; e++) {
        w.place[e] = 2 * (e / columns) * w.line + 2 * (e % columns) * w.depth;
    }
    for (long n = 0; n < s->images; n++, x += area) {
        read_image(s, &w, x);
        for (long e = 0; e < w.pixels; e++, sum += s->outputs, gradient += s->outputs) {
            spread(s->outputs, sum, gradient, norm, w.gradient + e * s->outputs);
        }
        to_kernels(s, &w, corner, to);
        if (to_x) {
            memset(w.back, 0, w.size * sizeof(float));
            keep(s, &w, corner);
            to_image(s, &w, kernels);
            add_image(s, &w, to_x + n * area);
        }
        corner += w.pixels * s->outputs;
    }
    free(memory);
    return 0;
}
