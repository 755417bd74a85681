/* The state that the two halves of the echo canceller share: the filter (echo.c) and the suppressor (echo_suppress.c).
 *
 * Thread: one at a time per canceller.
 */
#ifndef WT_ECHO_STATE_H
#define WT_ECHO_STATE_H

#include <stdatomic.h>

#include "echo.h"

/* Keeps sums that fade away out of the range in which processors become slow. */
#define TINY 1e-20f
/* The first covariance: the power of the echo's path, in the first partition. */
#define PRIOR 0.9f
/* How much of the filter is the same after a frame; how much of its noise is remembered. */
#define KEEP 0.999f
#define NOISE_KEEP 0.8f
/* How fast the covariance falls, of what theory says: the bins are not as independent as it takes them to be. */
#define CONFIDENCE 0.6f
/* Partitions that are constrained in each frame. */
#define CONSTRAINED 6
/* The loop that follows the drift: memory of the phases, and what part of a lag becomes drift and turn. */
#define PHASE_KEEP 0.9f
#define DRIFT_STEP 0.001f
#define LAG_STEP 0.1f
/* Greatest difference of the clocks: 500 ppm. */
#define MOST_DRIFT 0.0005f
/* A jump: phases fit less, levels differ by less, and the copy is louder. */
#define COHERENT 0.8f
#define ALIKE_DB 4.0f
#define AUDIBLE 1e-2f
/* The least power of a sample that counts as played. */
#define PLAYED 2.5e-7f
/* What a jump must leave at most of the microphone's power. */
#define EXPLAINED 0.35f
/* Frames for which a suspicion lasts, and for which no second jump is looked for. */
#define SUSPICIOUS 3
#define PAUSE 8
/* By which part of its power a filter becomes less sure: at a suspicion, and after a jump. */
#define LIFT 0.05f
#define LIFT_OF_JUMP 0.01f

struct wt_echo {
    const wt_kernels *kernels;
    const wt_fft *plan, *long_plan;
    /* Samples of a frame; of a transform; bins of it; distance of rows of bins; partitions; band of speech in bins. */
    uint32_t frame, size, bins, line, partitions, low, high;
    /* Everything below that is an array. */
    float *memory;
    size_t floats;

    /* Rows of what was played, newest at `head`; rows of the filter and its covariance. */
    float *x_re, *x_im, *x_power, *w_re, *w_im, *covariance;
    uint32_t head, constrained;
    /* Signals: what was played, the microphone, the copy of the echo; the error in the last frame of `error`. */
    float *played, *near_past, *echo_past, *error_past, *error, *overlap, *window;
    /* Work space: signals, transforms, taps of the whole filter. */
    float *time, *work, *taps, *long_re, *long_im, *other_re, *other_im;
    /* Spectra: noise of the error, spread of the echo, turn by the drift; and of the last two frames. */
    float *noise, *spread, *turn_re, *turn_im;
    float *near_re, *near_im, *near_power, *echo_re, *echo_im, *echo_power, *error_re, *error_im, *error_power;
    float drift, phase_sum, phase_weight;

    /* The suppressor: regression of the error on the copy, reverberation, residue, its output, background noise. */
    float *mean_error, *mean_echo, *cross, *variance, *late_echo, *residual, *clean_power;
    float *background, *least, *slow_power;
    uint32_t minimum_age, random;

    /* True once the echo fell by 8 dB; frames that a suspicion and a pause still last. */
    int heard, suspicion, pause;
    float near_level, error_level, before, after, last_near;
    /* Frames since something was played, up to the length of the filter; frames so far. */
    uint32_t silent, blocks;
    _Atomic uint32_t slips;
    _Atomic int32_t path_delay, millibels;
};

/* Of echo.c */
void wt_echo_turn(wt_echo *echo, float samples);
void wt_echo_inverse(wt_echo *echo, const float *re, const float *im, float *out);
/* Of echo_suppress.c: the frame before this one, without what the filter left of the echo. */
void wt_echo_suppress(wt_echo *echo, float *clean);

#endif
