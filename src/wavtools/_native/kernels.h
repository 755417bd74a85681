/* The table of kernels: one body (kernels.inc), compiled for each instruction set, selected once.
 *
 * Every set gives the same bits. Inputs and outputs do not overlap.
 *
 * Thread: any; stateless.
 * Real-time: nothing here allocates, locks or calls the system, except wt_kernels_select.
 */
#ifndef WT_KERNELS_H
#define WT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "fft.h"

enum { WT_SIMPLE = 6, WT_SIMPLE_REACH = 128 };

typedef struct wt_kernels {
    const char *name;

    /* PCM16 from float32, by the rule of wavtools' floatTo16BitPCM: NaN -> 0, clamp to [-1, 1], x32768 below zero, x32767
     * above (as if in double), truncate. */
    void (*floats_to_pcm16)(const float *x, int16_t *out, size_t count);
    /* x / 32768. */
    void (*pcm16_to_floats)(const int16_t *x, float *out, size_t count);
    /* Samples on the int16 scale, rounded to the nearest and clamped, into out[i * stride]. */
    void (*round_to_pcm16)(const float *x, int16_t *out, size_t count, size_t stride);
    /* The mean of the channels, summed in double. */
    void (*floats_to_mono)(const float *x, float *out, size_t frames, size_t channels);
    /* PCM16 from G.711 codes. */
    void (*ulaw_to_pcm16)(const uint8_t *x, int16_t *out, size_t count);
    void (*alaw_to_pcm16)(const uint8_t *x, int16_t *out, size_t count);

    /* out[j] = dot(row, x + floor(t)) with t = (phase + j * down) / up and row number (phase + j * down) % up; phase < up,
     * taps >= 16. A row holds taps values, rounded up to a multiple of 16: whole vectors of 16; then, if taps is no
     * multiple, one vector for x[taps - 16 .. taps), which is zero where it overlaps the one before. */
    void (*polyphase)(const float *rows, uint32_t taps, uint32_t up, uint32_t down, const float *x, uint32_t phase,
                      float *out, size_t count);
    /* The same for simple ratios: up and down <= WT_SIMPLE, taps <= WT_SIMPLE_REACH * down. A row holds taps values: those
     * for x[0], x[down], x[2 down] ...; then those for x[1], x[1 + down] ...; and so on. */
    void (*simple_polyphase)(const float *rows, uint32_t taps, uint32_t up, uint32_t down, const float *x, uint32_t phase,
                             float *out, size_t count);

    /* The discrete Fourier transform of plan->size samples, times the window unless that is NULL: bins 0 to size / 2, not
     * scaled. Real and imaginary parts go to two arrays; or, where im is NULL, in pairs to re. work: WT_FFT_WORK(size). */
    void (*real_fft)(const wt_fft *plan, const float *x, const float *window, float *work, float *re, float *im);
    /* state[i] = keep * state[i] + gain * |re[i] + i im[i]|. */
    void (*smooth)(const float *re, const float *im, float *state, size_t count, float keep, float gain);
    /* 20 log10(x); zero gives -inf, NaN gives NaN. x >= 0. Within 2e-6 dB times (1 + |result| / 60). */
    void (*decibels)(const float *x, float *out, size_t count);
    /* The greatest of count >= 1 values; NaN if one is NaN. */
    float (*loudest)(const float *x, size_t count);

    /* The sum of squares and the greatest magnitude, on the scale of x. The sum of int16 is exact; that of floats is in
     * double, in one order. NaN makes sum and peak NaN. */
    void (*measure_pcm16)(const int16_t *x, size_t count, uint64_t *sum, uint32_t *peak);
    void (*measure_floats)(const float *x, size_t count, double *sum, float *peak);
} wt_kernels;

/* The fastest set that this processor can run, or the one that the environment variable WAVTOOLS_KERNELS names; NULL if
 * it can run no set of that name. Reads the environment: call it at import, not in a callback. */
const wt_kernels *wt_kernels_select(void);
/* The sets that this processor can run, slowest first; NULL past the last. */
const wt_kernels *wt_kernels_available(unsigned index);

#endif
