/* Polyphase windowed-sinc interpolation: the filter bank and its inner loop.
 *
 * Thread: any; a bank never changes after wt_bank_new, so all threads may share one. wt_bank_new and wt_bank_free:
 * control threads.
 * Real-time: wt_polyphase allocates nothing, locks nothing and is O(count * taps).
 *
 * Output frame j lies at input time t_j = (phase + j * down) / up, counted in input samples from an origin. It is
 *     y[j] = sum over k < taps of h(phase_j, k) * x[floor(t_j) - (taps / 2 - 1) + k]
 * so it reads taps / 2 - 1 samples before floor(t_j), that sample, and taps / 2 samples after it. The filter is symmetric
 * about t_j: it adds no delay; the look-ahead of taps / 2 samples is the only latency.
 */
#ifndef WT_POLYPHASE_H
#define WT_POLYPHASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wt_bank wt_bank;

typedef enum { WT_FAST = 0, WT_HIGH = 1, WT_BEST = 2 } wt_quality;

/* A bank for in_rate -> out_rate (Hz, 8000..192000), new or shared, or NULL if memory is short. wt_bank_free releases it;
 * NULL is allowed there. */
wt_bank *wt_bank_new(uint32_t in_rate, uint32_t out_rate, wt_quality quality);
void wt_bank_free(wt_bank *bank);

/* The reduced ratio: t advances by down / up input samples for each output frame. */
uint32_t wt_bank_up(const wt_bank *bank);
uint32_t wt_bank_down(const wt_bank *bank);
/* Taps per output frame; even. */
uint32_t wt_bank_taps(const wt_bank *bank);

/* Writes the wt_bank_taps coefficients of one phase, in single precision. Returns 0, and writes nothing, for a bank that
 * computes in double, interpolates its rows, or copies. With row NULL, only returns whether it could. */
int wt_bank_row(const wt_bank *bank, uint32_t phase, float *row);

/* Computes count output frames of one channel.
 *
 * x[0] is the input sample floor(t_0) - (taps / 2 - 1); the caller guarantees every sample the formula reads.
 * phase is the numerator of t_0's fraction, 0 <= phase < up.
 * Returns the phase after the last frame without reduction, phase + count * down: the caller splits it into the whole
 * input samples (/ up) to drop from the front of x, and the next phase (% up).
 */
uint64_t wt_polyphase(const wt_bank *bank, const float *x, uint32_t phase, float *y, size_t count);

#ifdef __cplusplus
}
#endif
#endif
