/* Prints a checksum of what every kernel computes from the same input, for each set that this processor can run.
 *
 * Thread: one. tests/native/test_kernels.py builds and runs it, and compares sets, compilers and processors.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
    const wt_kernels *kernels;
    for (unsigned index = 0; (kernels = wt_kernels_available(index)); index++) {
        seed = 1;
        conversions(kernels);
        filters(kernels);
        if (!spectra(kernels)) return 1;
    }
    return 0;
}
