/* The bodies of echo.h.
 *
 * The filter is cut into partitions of one frame. In the frequency domain each bin of each partition is a Kalman filter of
 * its own (Enzner and Vary 2006): the error covariance, with the noise that the error itself shows, gives the step. So there
 * is no detector of double talk.
 *
 * Two things are added. The two clocks may differ: the phase of the error along the echo tells by how much, and the filter
 * is turned by that much at each frame. The echo may jump, because a device lost or repeated samples: the echo and its copy
 * then have the same levels but not the same phases. Correlation finds the jump, and the filter is moved by it.
 *
 * All arithmetic is float32 without library functions, in a fixed order: each processor gives the same bits.
 *
 * Thread: one at a time per canceller.
 */
#include "echo.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "echo_state.h"

static float *take(float **memory, size_t count)
{
    float *taken = *memory;
    if (*memory) *memory += count;
    return taken;
}

/* Lays out all arrays from `memory` on; with NULL it only counts. Returns the number of floats. */
static size_t lay_out(wt_echo *e, float *memory)
{
    size_t line = e->line, size = e->size, all = line * e->partitions, count = 0;
    float *next = memory;
#define ARRAY(name, length) (e->name = take(&next, length), count += (length))
    ARRAY(x_re, all), ARRAY(x_im, all), ARRAY(x_power, all);
    ARRAY(w_re, all), ARRAY(w_im, all), ARRAY(covariance, all);
    ARRAY(played, size), ARRAY(near_past, 3 * size), ARRAY(echo_past, 3 * size);
    ARRAY(error_past, 2 * e->frame), ARRAY(overlap, e->frame), ARRAY(window, 2 * e->frame);
    ARRAY(error, size), ARRAY(time, 4 * size), ARRAY(work, WT_FFT_WORK(4 * size));
    ARRAY(taps, (size_t)e->partitions * e->frame + size);
    ARRAY(noise, line), ARRAY(spread, line), ARRAY(turn_re, line), ARRAY(turn_im, line);
    ARRAY(near_re, line), ARRAY(near_im, line), ARRAY(near_power, line);
    ARRAY(echo_re, line), ARRAY(echo_im, line), ARRAY(echo_power, line);
    ARRAY(error_re, line), ARRAY(error_im, line), ARRAY(error_power, line);
    ARRAY(long_re, 4 * line), ARRAY(long_im, 4 * line), ARRAY(other_re, 4 * line), ARRAY(other_im, 4 * line);
    ARRAY(mean_error, line), ARRAY(mean_echo, line), ARRAY(cross, line), ARRAY(variance, line);
    ARRAY(late_echo, line), ARRAY(residual, line), ARRAY(clean_power, line);
    ARRAY(background, line), ARRAY(least, line), ARRAY(slow_power, line);
#undef ARRAY
    return count;
}

wt_echo *wt_echo_new(const wt_kernels *kernels, uint32_t sample_rate, double tail_seconds)
{
    wt_echo *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->kernels = kernels;
    e->frame = sample_rate / 100;
    e->size = 32;
    while (e->size < 2 * e->frame) e->size *= 2;
    e->bins = e->size / 2 + 1;
    e->line = e->size / 2 + 32;
    e->partitions = (uint32_t)(tail_seconds * sample_rate / e->frame + 0.999);
    float hz = (float)sample_rate / (float)e->size, highest = 0.45f * (float)sample_rate;
    e->low = (uint32_t)(200.0f / hz);
    e->high = (uint32_t)((highest < 6000.0f ? highest : 6000.0f) / hz);
    e->plan = wt_fft_plan(e->size);
    e->long_plan = wt_fft_plan(4 * e->size);
    e->floats = lay_out(e, NULL);
    e->memory = malloc(e->floats * sizeof(float));
    if (!e->memory || !e->plan || !e->long_plan) {
        wt_echo_free(e);
        return NULL;
    }
    lay_out(e, e->memory);
    wt_echo_reset(e);
    return e;
}

void wt_echo_free(wt_echo *e)
{
    if (!e) return;
    free(e->memory);
    free(e);
}

/* The square root of a Hann window over two frames; its sine by a polynomial, so that no library decides its bits. */
static void make_window(wt_echo *e)
{
    uint32_t frame = e->frame;
    for (uint32_t i = 0; i < frame; i++) {
        double angle = 1.57079632679489661923 * (i + 0.5) / frame, square = angle * angle, sine = 1.0;
        for (int k = 15; k > 1; k -= 2) sine = 1.0 - sine * square / (double)(k * (k - 1));
        e->window[i] = e->window[2 * frame - 1 - i] = (float)(angle * sine);
    }
}

void wt_echo_reset(wt_echo *e)
{
    memset(e->memory, 0, e->floats * sizeof(float));
    make_window(e);
    /* The echo is expected to be up to 1 in all, and likelier to be early than late: 1 down to a seventh. */
    float prior = PRIOR;
    for (uint32_t p = 0; p < e->partitions; p++) {
        for (uint32_t k = 0; k < e->line; k++) e->covariance[p * e->line + k] = prior;
        prior *= 1.0f - 2.0f / (float)(e->partitions + 2);
    }
    for (uint32_t k = 0; k < e->line; k++) {
        e->noise[k] = 1e-6f;
        e->least[k] = 1e9f;
        e->variance[k] = TINY;
        e->turn_re[k] = 1.0f;
    }
    e->head = e->constrained = e->minimum_age = e->blocks = 0;
    e->drift = e->phase_sum = e->phase_weight = 0.0f;
    e->near_level = e->error_level = e->before = e->after = e->last_near = 0.0f;
    e->heard = e->suspicion = e->pause = 0;
    e->silent = e->partitions + 1;
    e->random = 0x9E3779B9u;
    atomic_store_explicit(&e->slips, 0, memory_order_relaxed);
    atomic_store_explicit(&e->path_delay, -1, memory_order_relaxed);
    atomic_store_explicit(&e->millibels, 0, memory_order_relaxed);
}

static void transform(wt_echo *e, const float *x, const float *window, float *re, float *im)
{
    e->kernels->real_fft(e->plan, x, window, e->work, re, im);
}

/* The signal of a spectrum: the Hartley transform is its own inverse, and is the difference of both parts. */
static void inverse(wt_echo *e, const wt_fft *plan, const float *re, const float *im, float *out)
{
    uint32_t size = plan->size, half = size / 2;
    float *hartley = e->time, *sum_re = e->other_re, *sum_im = e->other_im, scale = 1.0f / (float)size;
    for (uint32_t k = 0; k <= half; k++) hartley[k] = re[k] - im[k];
    for (uint32_t k = 1; k < half; k++) hartley[size - k] = re[k] + im[k];
    e->kernels->real_fft(plan, hartley, NULL, e->work, sum_re, sum_im);
    for (uint32_t k = 0; k <= half; k++) out[k] = scale * (sum_re[k] - sum_im[k]);
    for (uint32_t k = 1; k < half; k++) out[size - k] = scale * (sum_re[k] + sum_im[k]);
}

void wt_echo_inverse(wt_echo *e, const float *re, const float *im, float *out) { inverse(e, e->plan, re, im, out); }

/* Moves `count` values to the left by `new` and appends those. */
static void append(float *past, uint32_t count, const float *values, uint32_t added)
{
    memmove(past, past + added, (count - added) * sizeof(float));
    memcpy(past + count - added, values, added * sizeof(float));
}

static void power(const float *restrict re, const float *restrict im, float *restrict out, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) out[k] = re[k] * re[k] + im[k] * im[k];
}

static float energy(const float *x, uint32_t count)
{
    float sum = 0.0f;
    for (uint32_t i = 0; i < count; i++) sum += x[i] * x[i];
    return sum;
}

/* The place of the spectrum that was played `partition` frames ago. */
static size_t slot(const wt_echo *e, uint32_t partition)
{
    uint32_t at = e->head + partition;
    return (size_t)(at < e->partitions ? at : at - e->partitions) * e->line;
}

/* The copy of the echo of this frame, at the end of echo_past; and the error without it. */
static void estimate(wt_echo *e)
{
    float *restrict sum_re = e->echo_re, *restrict sum_im = e->echo_im;
    memset(sum_re, 0, e->bins * sizeof(float));
    memset(sum_im, 0, e->bins * sizeof(float));
    for (uint32_t p = 0; p < e->partitions; p++) {
        const float *restrict x_re = e->x_re + slot(e, p), *restrict x_im = e->x_im + slot(e, p);
        const float *restrict w_re = e->w_re + p * e->line, *restrict w_im = e->w_im + p * e->line;
        for (uint32_t k = 0; k < e->bins; k++) {
            sum_re[k] += w_re[k] * x_re[k] - w_im[k] * x_im[k];
            sum_im[k] += w_re[k] * x_im[k] + w_im[k] * x_re[k];
        }
    }
    uint32_t frame = e->frame, first = e->size - frame;
    float *copy = e->echo_past + 3 * e->size - frame, *near = e->near_past + 3 * e->size - frame;
    inverse(e, e->plan, sum_re, sum_im, e->time + e->size);
    memcpy(copy, e->time + e->size + first, frame * sizeof(float));
    for (uint32_t i = 0; i < frame; i++) e->error[first + i] = near[i] - copy[i];
}

/* How much of the spread of the echo the covariance leaves open, in each bin. */
static void predict_spread(wt_echo *e)
{
    float *restrict spread = e->spread;
    memset(spread, 0, e->bins * sizeof(float));
    for (uint32_t p = 0; p < e->partitions; p++) {
        const float *restrict x_power = e->x_power + slot(e, p), *restrict covariance = e->covariance + p * e->line;
        for (uint32_t k = 0; k < e->bins; k++) spread[k] += x_power[k] * covariance[k];
    }
}

/* One step of the Kalman filters, with the error's spectrum; then the filter is turned by the drift. */
static void adapt(wt_echo *e)
{
    float share = (float)e->frame / (float)e->size;
    float *restrict gain = e->residual, *restrict noise = e->noise;
    for (uint32_t k = 0; k < e->bins; k++) {
        noise[k] += (1.0f - NOISE_KEEP) * (e->error_power[k] - noise[k]) + 1e-12f;
        gain[k] = 1.0f / (e->spread[k] + noise[k] / share + 1e-9f);
    }
    const float *restrict error_re = e->error_re, *restrict error_im = e->error_im;
    const float *restrict turn_re = e->turn_re, *restrict turn_im = e->turn_im;
    const float keep = KEEP * KEEP, learned = CONFIDENCE * share, renewed = 1.0f - keep;
    for (uint32_t p = 0; p < e->partitions; p++) {
        const float *restrict x_re = e->x_re + slot(e, p), *restrict x_im = e->x_im + slot(e, p);
        const float *restrict x_power = e->x_power + slot(e, p);
        float *restrict w_re = e->w_re + p * e->line, *restrict w_im = e->w_im + p * e->line;
        float *restrict covariance = e->covariance + p * e->line;
        for (uint32_t k = 0; k < e->bins; k++) {
            float step = covariance[k] * gain[k];
            float old_power = w_re[k] * w_re[k] + w_im[k] * w_im[k];
            float re = w_re[k] + step * (x_re[k] * error_re[k] + x_im[k] * error_im[k]);
            float im = w_im[k] + step * (x_re[k] * error_im[k] - x_im[k] * error_re[k]);
            covariance[k] = keep * (1.0f - learned * step * x_power[k]) * covariance[k] + renewed * old_power + TINY;
            w_re[k] = re * turn_re[k] - im * turn_im[k];
            w_im[k] = re * turn_im[k] + im * turn_re[k];
        }
    }
}

/* Taps beyond one frame belong to the next partition: remove them from some partitions, in turn. */
static void constrain(wt_echo *e)
{
    float *taps = e->time + e->size;
    for (uint32_t i = 0; i < CONSTRAINED; i++) {
        size_t at = (size_t)e->constrained * e->line;
        inverse(e, e->plan, e->w_re + at, e->w_im + at, taps);
        memset(taps + e->frame, 0, (e->size - e->frame) * sizeof(float));
        transform(e, taps, NULL, e->w_re + at, e->w_im + at);
        e->constrained = e->constrained + 1 < e->partitions ? e->constrained + 1 : 0;
    }
}

/* By how much the echo is later than its copy, from the phases; it becomes the turn of the filter. */
static void follow_drift(wt_echo *e)
{
    uint32_t first = e->size - e->frame;
    float *copy = e->time + e->size;
    memset(copy, 0, first * sizeof(float));
    memcpy(copy + first, e->echo_past + 3 * e->size - e->frame, e->frame * sizeof(float));
    transform(e, copy, NULL, e->long_re, e->long_im);
    const float unit = 6.2831853f / (float)e->size, most = MOST_DRIFT * (float)e->frame;
    float sum = 0.0f, weights = 0.0f;
    for (uint32_t k = e->low; k < e->high; k++) {
        float omega = unit * (float)k, weight = omega / (e->noise[k] + 1e-7f);
        sum -= weight * (e->error_im[k] * e->long_re[k] - e->error_re[k] * e->long_im[k]);
        weights += weight * omega * (e->long_re[k] * e->long_re[k] + e->long_im[k] * e->long_im[k]);
    }
    e->phase_sum = PHASE_KEEP * e->phase_sum + sum;
    e->phase_weight = PHASE_KEEP * e->phase_weight + weights;
    float lag = e->phase_sum / (e->phase_weight + 1.0f);
    lag = lag < 0.5f ? lag : 0.5f;
    lag = lag > -0.5f ? lag : -0.5f;
    e->drift += DRIFT_STEP * lag;
    e->drift = e->drift < most ? e->drift : most;
    e->drift = e->drift > -most ? e->drift : -most;
    wt_echo_turn(e, e->drift + LAG_STEP * lag);
}

/* Turns by `samples` from the next adaptation on: exp(-i omega samples), by polynomials; the angle is below 1. */
void wt_echo_turn(wt_echo *e, float samples)
{
    const float unit = 6.2831853f * samples / (float)e->size;
    for (uint32_t k = 0; k < e->bins; k++) {
        float a = unit * (float)k, s = a * a;
        e->turn_re[k] = 1.0f - s * (0.5f - s * (1.0f / 24 - s * (1.0f / 720 - s * (1.0f / 40320))));
        e->turn_im[k] = -a * (1.0f - s * (1.0f / 6 - s * (1.0f / 120 - s * (1.0f / 5040))));
    }
}

/* Windowed spectra of the last two frames of the microphone and of the copy. */
static void compare(wt_echo *e)
{
    uint32_t last = 3 * e->size - 2 * e->frame;
    memset(e->time, 0, e->size * sizeof(float));
    for (uint32_t i = 0; i < 2 * e->frame; i++) e->time[i] = e->near_past[last + i] * e->window[i];
    transform(e, e->time, NULL, e->near_re, e->near_im);
    for (uint32_t i = 0; i < 2 * e->frame; i++) e->time[i] = e->echo_past[last + i] * e->window[i];
    transform(e, e->time, NULL, e->echo_re, e->echo_im);
    power(e->near_re, e->near_im, e->near_power, e->bins);
    power(e->echo_re, e->echo_im, e->echo_power, e->bins);
}

/* True if microphone and copy have about the same levels, but phases that do not fit: no voice does that, but a jump. */
static int looks_moved(wt_echo *e)
{
    float together = 0.0f, product = 0.0f, loudness = 0.0f, difference = 0.0f;
    float *levels = e->residual, *others = e->long_re;
    uint32_t count = e->high - e->low;
    for (uint32_t k = e->low; k < e->high; k++) {
        together += e->near_re[k] * e->echo_re[k] + e->near_im[k] * e->echo_im[k];
        product += sqrtf(e->near_power[k] * e->echo_power[k]);
        loudness += e->echo_power[k];
    }
    if (loudness < AUDIBLE || together > COHERENT * product) return 0;
    for (uint32_t k = 0; k < count; k++) {
        e->time[k] = e->near_power[e->low + k] + 1e-6f;
        e->time[count + k] = e->echo_power[e->low + k] + 1e-6f;
    }
    e->kernels->decibels(e->time, levels, count);
    e->kernels->decibels(e->time + count, others, count);
    for (uint32_t k = 0; k < count; k++) difference += levels[k] - others[k];
    /* The kernel takes magnitudes: half of its result is the level of a power. */
    return 0.5f * difference < ALIKE_DB * (float)count;
}

/* The jump, in samples, that explains the microphone's last frames from the copy's; 0 if there is none. */
static int32_t find_jump(wt_echo *e)
{
    uint32_t length = 2 * e->size, size = 2 * length, past = 3 * e->size;
    int32_t reach = (int32_t)e->size, found = 0;
    memset(e->time, 0, size * sizeof(float));
    memcpy(e->time, e->near_past + past - length, length * sizeof(float));
    e->kernels->real_fft(e->long_plan, e->time, NULL, e->work, e->long_re, e->long_im);
    memcpy(e->time, e->echo_past + past - length, length * sizeof(float));
    e->kernels->real_fft(e->long_plan, e->time, NULL, e->work, e->other_re, e->other_im);
    for (uint32_t k = 0; k <= size / 2; k++) {
        float re = e->long_re[k] * e->other_re[k] + e->long_im[k] * e->other_im[k];
        float im = e->long_im[k] * e->other_re[k] - e->long_re[k] * e->other_im[k];
        float scale = k >= 4 * e->low && k < 4 * e->high ? 1.0f / (sqrtf(re * re + im * im) + 1e-6f) : 0.0f;
        e->long_re[k] = re * scale;
        e->long_im[k] = im * scale;
    }
    inverse(e, e->long_plan, e->long_re, e->long_im, e->time);
    float most = 0.0f;
    for (int32_t lag = -reach; lag < reach; lag++) {
        float value = e->time[lag < 0 ? (int32_t)size + lag : lag];
        if (value > most) most = value, found = lag;
    }
    /* Later than the copy: compare the last frame and a half. Earlier: that is known only so much later. */
    uint32_t span = e->frame + e->frame / 2, end = past - (uint32_t)(found < 0 ? -found : 0);
    const float *near = e->near_past + end - span, *copy = e->echo_past + (int32_t)(end - span) - found;
    float left = 0.0f;
    for (uint32_t i = 0; i < span; i++) left += (near[i] - copy[i]) * (near[i] - copy[i]);
    return left < EXPLAINED * energy(near, span) ? found : 0;
}

/* Moves the filter by `jump` samples. */
static void move_filter(wt_echo *e, int32_t jump)
{
    size_t all = (size_t)e->partitions * e->frame, shift = (size_t)(jump < 0 ? -jump : jump);
    float *taps = e->taps, *one = e->time + e->size;
    memset(taps, 0, (all + e->size) * sizeof(float));
    for (uint32_t p = 0; p < e->partitions; p++) {
        inverse(e, e->plan, e->w_re + p * e->line, e->w_im + p * e->line, one);
        memcpy(taps + p * e->frame, one, e->frame * sizeof(float));
    }
    if (shift > all) shift = all;
    if (jump > 0) {
        memmove(taps + shift, taps, (all - shift) * sizeof(float));
        memset(taps, 0, shift * sizeof(float));
    } else {
        memmove(taps, taps + shift, (all - shift) * sizeof(float));
        memset(taps + all - shift, 0, shift * sizeof(float));
    }
    memset(one + e->frame, 0, (e->size - e->frame) * sizeof(float));
    for (uint32_t p = 0; p < e->partitions; p++) {
        memcpy(one, taps + p * e->frame, e->frame * sizeof(float));
        transform(e, one, NULL, e->w_re + p * e->line, e->w_im + p * e->line);
    }
}

/* Makes the filter less sure of itself: the covariance grows by a part of its power. */
static void loosen(wt_echo *e, float part)
{
    size_t all = (size_t)e->partitions * e->line;
    for (size_t i = 0; i < all; i++)
        e->covariance[i] += part * (e->w_re[i] * e->w_re[i] + e->w_im[i] * e->w_im[i]);
}

/* Sees whether the echo jumped, and follows it. Before an echo was ever cancelled there is nothing that could jump. */
static void guard(wt_echo *e)
{
    if (e->pause) e->pause--;
    if (e->suspicion) e->suspicion--;
    if (!e->heard || !looks_moved(e)) return;
    e->suspicion = SUSPICIOUS;
    if (e->pause) return;
    int32_t jump = find_jump(e);
    if (!jump) {
        loosen(e, LIFT);
        return;
    }
    move_filter(e, jump);
    loosen(e, LIFT_OF_JUMP);
    e->pause = PAUSE;
    e->phase_sum = e->phase_weight = 0.0f;
    atomic_fetch_add_explicit(&e->slips, 1, memory_order_relaxed);
    estimate(e);
    compare(e);
}

/* Notes whether the echo ever fell by 8 dB: only then it is one, and not chance; and for how long nothing was played. */
static void judge(wt_echo *e)
{
    float near = energy(e->near_past + 3 * e->size - e->frame, e->frame);
    e->near_level += 0.1f * (near - e->near_level) + TINY;
    e->error_level += 0.1f * (energy(e->error + e->size - e->frame, e->frame) - e->error_level) + TINY;
    if (e->error_level < 0.16f * e->near_level && e->near_level > 1e-6f * (float)e->frame) e->heard = 1;
    int plays = energy(e->played + e->size - e->frame, e->frame) > PLAYED * (float)e->frame;
    e->silent = plays ? 0 : e->silent + (e->silent <= e->partitions);
}

/* Where the echo begins: the first strong tap of the first strong partition. */
static void locate(wt_echo *e)
{
    float most = 0.0f, *each = e->long_re, *taps = e->time + e->size;
    for (uint32_t p = 0; p < e->partitions; p++) {
        const float *re = e->w_re + p * e->line, *im = e->w_im + p * e->line;
        float sum = energy(re, e->bins) + energy(im, e->bins);
        each[p] = sum;
        most = sum > most ? sum : most;
    }
    uint32_t first = 0, at = 0;
    while (first + 1 < e->partitions && each[first] < 0.2f * most) first++;
    inverse(e, e->plan, e->w_re + first * e->line, e->w_im + first * e->line, taps);
    most = 0.0f;
    for (uint32_t i = 0; i < e->frame; i++) most = fabsf(taps[i]) > most ? fabsf(taps[i]) : most;
    while (at + 1 < e->frame && fabsf(taps[at]) < 0.5f * most) at++;
    atomic_store_explicit(&e->path_delay, (int32_t)(first * e->frame + at), memory_order_relaxed);
}

/* The quotient of the powers before and after, while something was played. */
static void measure(wt_echo *e, const float *clean)
{
    float near = energy(e->near_past + 3 * e->size - e->frame, e->frame);
    if (energy(e->played + e->size - e->frame, e->frame) > PLAYED * (float)e->frame) {
        /* The output is one frame late, so it is compared with the frame before. */
        e->before += 0.02f * (e->last_near - e->before) + TINY;
        e->after += 0.02f * (energy(clean, e->frame) - e->after) + TINY;
        float quotient = e->before / (e->after + 1e-9f), level;
        e->kernels->decibels(&quotient, &level, 1);
        int32_t millibels = level > 0.0f && level < 400.0f ? (int32_t)(50.0f * level) : 0;
        atomic_store_explicit(&e->millibels, millibels, memory_order_relaxed);
    }
    e->last_near = near;
    if (e->heard && e->blocks++ % 32 == 0) locate(e);
}

void wt_echo_process(wt_echo *e, const int16_t *near_in, const int16_t *played, int16_t *out)
{
    uint32_t frame = e->frame, past = 3 * e->size;
    float *fresh = e->time, *clean = e->time + 2 * e->size;
    e->kernels->pcm16_to_floats(played, fresh, frame);
    append(e->played, e->size, fresh, frame);
    e->kernels->pcm16_to_floats(near_in, fresh, frame);
    append(e->near_past, past, fresh, frame);
    memmove(e->echo_past, e->echo_past + frame, (past - frame) * sizeof(float));
    e->head = e->head ? e->head - 1 : e->partitions - 1;
    float *x_re = e->x_re + slot(e, 0), *x_im = e->x_im + slot(e, 0);
    transform(e, e->played, NULL, x_re, x_im);
    power(x_re, x_im, e->x_power + slot(e, 0), e->bins);
    estimate(e);
    compare(e);
    guard(e);
    judge(e);
    predict_spread(e);
    transform(e, e->error, NULL, e->error_re, e->error_im);
    power(e->error_re, e->error_im, e->error_power, e->bins);
    adapt(e);
    follow_drift(e);
    constrain(e);
    wt_echo_suppress(e, clean);
    measure(e, clean);
    for (uint32_t i = 0; i < frame; i++) clean[i] *= 32768.0f;
    e->kernels->round_to_pcm16(clean, out, frame, 1);
}

float wt_echo_erle_db(const wt_echo *e)
{
    return 0.01f * (float)atomic_load_explicit(&((wt_echo *)e)->millibels, memory_order_relaxed);
}

int32_t wt_echo_path_delay(const wt_echo *e)
{
    return atomic_load_explicit(&((wt_echo *)e)->path_delay, memory_order_relaxed);
}

uint32_t wt_echo_slips(const wt_echo *e) { return atomic_load_explicit(&((wt_echo *)e)->slips, memory_order_relaxed); }

float wt_echo_drift(const wt_echo *e) { return e->drift; }
