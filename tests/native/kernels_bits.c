/* Prints a checksum of what every kernel computes from the same input, for each set that this processor can run.
 *
 * Thread: one. tests/native/test_kernels.py builds and runs it, and compares sets, compilers and processors.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encodings.h"
#include "kernels.h"

enum { COUNT = 32768, TAPS = 71, STRIDE = 80 };

static float x[COUNT + 64], y[COUNT + 64], state[COUNT], work[WT_FFT_WORK(COUNT)];
static int16_t pcm[COUNT];
static uint32_t seed;

static uint32_t random_bits(void) { return seed = seed * 1664525u + 1013904223u; }

static float uniform(void) { return (float)(int32_t)random_bits() / 2147483648.0f; }

static void print_sum_of(const char *set, const char *kernel, const void *data, size_t bytes, size_t width)
{
    const union { uint16_t number; unsigned char first; } order = {1};
    size_t turn = order.first ? 0 : width - 1; /* a big-endian processor reads each sample from its other end */
    uint64_t sum = 14695981039346656037u;      /* FNV-1a */
    for (size_t i = 0; i < bytes; i++) sum = (sum ^ ((const unsigned char *)data)[i ^ turn]) * 1099511628211u;
    printf("%s %s %016" PRIx64 "\n", set, kernel, sum);
}

#define print_sum(set, kernel, data, bytes) print_sum_of(set, kernel, data, bytes, sizeof *(data))

static void conversions(const wt_kernels *kernels)
{
    /* Any float at all. NaN takes no part in arithmetic below: its sign may differ. */
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < COUNT; i++) {
            uint32_t bits = random_bits() ^ random_bits() >> 16;
            memcpy(&x[i], &bits, 4);
        }
        kernels->floats_to_pcm16(x, pcm, COUNT);
        if (round == 7) print_sum(kernels->name, "floats_to_pcm16", pcm, sizeof pcm);
    }
    kernels->pcm16_to_floats(pcm, y, COUNT);
    print_sum(kernels->name, "pcm16_to_floats", y, COUNT * sizeof(float));
    for (int i = 0; i < COUNT; i++) x[i] = uniform() * 40000.0f;
    kernels->round_to_pcm16(x, pcm, COUNT, 1);
    print_sum(kernels->name, "round_to_pcm16", pcm, sizeof pcm);
    for (int i = 0; i < COUNT; i++) x[i] = uniform();
    for (size_t channels = 1; channels <= 8; channels++) {
        kernels->floats_to_mono(x, y, COUNT / 8, channels);
        print_sum(kernels->name, "floats_to_mono", y, COUNT / 8 * sizeof(float));
    }
}

/* Every code, and lengths that are no whole vectors. */
static void telephony(const wt_kernels *kernels)
{
    uint8_t codes[3 * 256 + 37];
    for (size_t i = 0; i < sizeof codes; i++) codes[i] = (uint8_t)i;
    kernels->ulaw_to_pcm16(codes, pcm, sizeof codes);
    print_sum(kernels->name, "ulaw_to_pcm16", pcm, 2 * sizeof codes);
    kernels->alaw_to_pcm16(codes, pcm, sizeof codes);
    print_sum(kernels->name, "alaw_to_pcm16", pcm, 2 * sizeof codes);
}

static void filters(const wt_kernels *kernels)
{
    static const uint32_t ratios[][2] = {{1, 1}, {1, 3}, {2, 1}, {4, 3}, {7, 4}, {5, 7}};
    static float rows[7 * STRIDE];
    for (int i = 0; i < 7 * STRIDE; i++) rows[i] = uniform();
    for (int i = 0; i < 6; i++) {
        uint32_t up = ratios[i][0], down = ratios[i][1];
        for (size_t count = 1; count <= 4099; count = 4 * count + 3) {
            kernels->polyphase(rows, TAPS, up, down, x, up / 2, y, count);
            print_sum(kernels->name, "polyphase", y, count * sizeof(float));
        }
    }
}

/* Whole tiles and parts of them, more than a pass, and the same outputs again one by one. Returns 0 if those differ. */
static int simple_filters(const wt_kernels *kernels)
{
    static const uint32_t ratios[][2] = {{1, 2}, {2, 1}, {3, 2}, {1, 6}, {6, 1}, {4, 5}};
    static float rows[WT_SIMPLE * 2 * TAPS], single[2100];
    for (int i = 0; i < WT_SIMPLE * 2 * TAPS; i++) rows[i] = uniform();
    for (int i = 0; i < 6; i++) {
        uint32_t up = ratios[i][0], down = ratios[i][1], taps = i % 2 ? 2 * TAPS : TAPS, phase = up / 2;
        for (size_t count = 1; count <= 2099; count = 4 * count + 3) {
            kernels->simple_polyphase(rows, taps, up, down, x, phase, y, count);
            print_sum(kernels->name, "simple_polyphase", y, count * sizeof(float));
        }
        for (uint32_t j = 0; j < 2047; j++) {
            uint32_t t = phase + j * down;
            kernels->simple_polyphase(rows, taps, up, down, x + t / up, t % up, single + j, 1);
        }
        if (memcmp(single, y, 2047 * sizeof(float)) != 0) return 0;
    }
    return 1;
}

/* Returns 0 if memory is short. */
static int spectra(const wt_kernels *kernels)
{
    for (uint32_t size = 32; size <= COUNT; size *= 2) {
        const wt_fft *plan = wt_fft_plan(size);
        if (!plan) return 0;
        kernels->real_fft(plan, x, NULL, work, y, NULL);
        print_sum(kernels->name, "real_fft", y, (size + 2) * sizeof(float));
    }
    memset(state, 0, sizeof state);
    kernels->smooth(x, y, state, COUNT / 2, 0.5f, 1e-3f);
    print_sum(kernels->name, "smooth", state, sizeof state);
    /* Denormals, and zero. */
    for (int i = 0; i < 64; i++) state[i] = (float)i * 1e-42f;
    kernels->decibels(state, y, COUNT);
    print_sum(kernels->name, "decibels", y, COUNT * sizeof(float));
    for (size_t count = 1; count <= 100; count++) state[count] = kernels->loudest(x + count, count);
    print_sum(kernels->name, "loudest", state + 1, 100 * sizeof(float));
    return 1;
}

static void levels(const wt_kernels *kernels)
{
    static struct { uint64_t exact; double sum; uint32_t peak; float loudest; } found[100];
    memset(found, 0, sizeof found);
    for (size_t count = 1; count < 100; count++) {
        kernels->measure_pcm16(pcm + count, count, &found[count].exact, &found[count].peak);
        kernels->measure_floats(x + count, count, &found[count].sum, &found[count].loudest);
    }
    kernels->measure_pcm16(pcm, COUNT, &found[0].exact, &found[0].peak);
    kernels->measure_floats(x, COUNT, &found[0].sum, &found[0].loudest);
    print_sum(kernels->name, "levels", found, sizeof found);
}

/* Files' samples: every way of storing them to every type, counts that are no whole groups of four, and back. */
static void encodings(const wt_kernels *kernels)
{
    enum { STORED = 4099 };
    static uint8_t bytes[4 * STORED], written[3 * STORED];
    static int16_t shorts[STORED];
    static int32_t ints[STORED];
    static float floats[STORED];
    static double doubles[STORED];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(random_bits() >> 24);
    for (int stored = WT_UNSIGNED_8; stored <= WT_BIG_32; stored++) {
        wt_read_int16(bytes, stored, shorts, STORED);
        print_sum(kernels->name, "read_int16", shorts, sizeof shorts);
        wt_read_int32(bytes, stored, ints, STORED);
        print_sum(kernels->name, "read_int32", ints, sizeof ints);
        wt_read_float(bytes, stored, floats, STORED);
        print_sum(kernels->name, "read_float", floats, sizeof floats);
        wt_read_double(bytes, stored, doubles, STORED);
        print_sum(kernels->name, "read_double", doubles, sizeof doubles);
    }
    wt_write_24(ints, written, STORED);
    print_sum(kernels->name, "write_24", written, sizeof written);
    /* Beyond full scale, halves between two integers, and no number. */
    for (int i = 0; i < STORED; i++) floats[i] = i % 3 ? uniform() * 1.2f : (float)(i - STORED / 2) / 65536.0f;
    floats[0] = NAN;
    for (int i = 0; i < STORED; i++) doubles[i] = floats[i];
    wt_float_to_int16(floats, shorts, STORED);
    print_sum(kernels->name, "float_to_int16", shorts, sizeof shorts);
    wt_double_to_int16(doubles, shorts, STORED);
    print_sum(kernels->name, "double_to_int16", shorts, sizeof shorts);
    wt_float_to_int32(floats, ints, STORED);
    print_sum(kernels->name, "float_to_int32", ints, sizeof ints);
    wt_double_to_int32(doubles, ints, STORED);
    print_sum(kernels->name, "double_to_int32", ints, sizeof ints);
}

int main(void)
{
    const wt_kernels *kernels;
    for (unsigned index = 0; (kernels = wt_kernels_available(index)); index++) {
        seed = 1;
        conversions(kernels);
        telephony(kernels);
        filters(kernels);
        if (!simple_filters(kernels)) return 2;
        if (!spectra(kernels)) return 1;
        levels(kernels);
        encodings(kernels);
    }
    return 0;
}
