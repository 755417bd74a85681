/* Suppresses the echo that the filter left, bin by bin, and fills up with noise like that of the room.
 *
 * What is left is estimated from three sides: the filter's own covariance says what it does not know yet; regression of
 * the error on the copy says how much leaks through steadily; and while a jump is suspected, all of it is taken as echo.
 * The gain is Wiener's, with the decision-directed ratio of Ephraim and Malah.
 *
 * Thread: one at a time per canceller.
 */
#include <math.h>
#include <string.h>

#include "echo_state.h"

/* How fast the regression learns; bins on each side over which it is averaged. */
#define LEARN 0.05f
#define REACH 4
/* How much more than the regression says is taken out; how slowly the copy's power fades, as reverberation does. */
#define OVER 4.0f
#define FADE 0.6f
/* Part of the copy's power that turns up in other bins, where a loudspeaker distorts. */
#define DISTORTED 1.0f
#define DISTORTED_REACH 15
/* How much more than the covariance says is taken out. */
#define OVER_SPREAD 1.5f
/* How much of the last frame's ratio is kept, and the least gain (-45 dB). */
#define DIRECTED 0.8f
#define LEAST_GAIN 0.005623413f
/* Frames over which the least power counts as background noise. */
#define MINIMUM_AGE 50
/* From this part of the error's power on, what the filter left hides the background noise. */
#define HIDDEN 0.5f

/* The mean of each value and its neighbours. Sums are made anew for each, so that rounding does not add up. */
static void average(const float *x, float *out, uint32_t count, uint32_t reach)
{
    for (uint32_t k = 0; k < count; k++) {
        uint32_t first = k < reach ? 0 : k - reach, last = k + reach < count ? k + reach : count - 1;
        float sum = 0.0f;
        for (uint32_t i = first; i <= last; i++) sum += x[i];
        out[k] = sum / (float)(2 * reach + 1);
    }
}

/* The leak: how much of a change of the copy's power is seen in the error's. */
static void regress(wt_echo *e, float *leak)
{
    float *restrict mean_error = e->mean_error, *restrict mean_echo = e->mean_echo;
    float *restrict cross = e->cross, *restrict variance = e->variance, *restrict quotient = e->time;
    for (uint32_t k = 0; k < e->bins; k++) {
        mean_error[k] += LEARN * (e->error_power[k] - mean_error[k]) + 1e-15f;
        mean_echo[k] += LEARN * (e->echo_power[k] - mean_echo[k]) + 1e-15f;
        float error = e->error_power[k] - mean_error[k], echo = e->echo_power[k] - mean_echo[k];
        cross[k] += LEARN * (error * echo - cross[k]) + TINY;
        variance[k] += LEARN * (echo * echo - variance[k]) + TINY;
        quotient[k] = cross[k] / (variance[k] + 1e-12f);
    }
    average(quotient, leak, e->bins, REACH);
    for (uint32_t k = 0; k < e->bins; k++) {
        leak[k] = leak[k] > 0.0f ? leak[k] : 0.0f;
        leak[k] = leak[k] < 1.0f ? leak[k] : 1.0f;
    }
}

/* The power that the echo still has in the error. */
static void estimate_residual(wt_echo *e)
{
    float *leak = e->time + e->size, *wide = e->long_re, *spread = e->long_im, *residual = e->residual;
    float share = (float)e->frame / (float)e->size;
    regress(e, leak);
    for (uint32_t k = 0; k < e->bins; k++) {
        float faded = FADE * e->late_echo[k] + TINY;
        e->late_echo[k] = faded > e->echo_power[k] ? faded : e->echo_power[k];
    }
    average(e->late_echo, wide, e->bins, DISTORTED_REACH);
    average(e->spread, spread, e->bins, 1);
    /* Before an echo was cancelled once, the copy may be nothing but the voice of somebody who wears headphones. */
    float over = e->heard ? OVER : 0.0f;
    for (uint32_t k = 0; k < e->bins; k++)
        residual[k] = over * leak[k] * (e->late_echo[k] + DISTORTED * wide[k]) + OVER_SPREAD * share * spread[k];
    if (!e->suspicion) return;
    average(e->echo_power, wide, e->bins, 2);
    for (uint32_t k = 0; k < e->bins; k++) residual[k] += 4.0f * wide[k] + e->error_power[k];
}

/* The least of the smoothed powers of the last half second to second is background noise. Where the echo hides it, the
 * smoothed power stays what it was. */
static void follow_background(wt_echo *e)
{
    int renew = ++e->minimum_age >= MINIMUM_AGE;
    /* Before an echo was cancelled nobody knows what the filter left. */
    float hidden = e->heard || e->silent > e->partitions ? HIDDEN : 0.0f;
    for (uint32_t k = 0; k < e->bins; k++) {
        float seen = e->residual[k] <= hidden * e->error_power[k] ? e->error_power[k] : e->slow_power[k];
        e->slow_power[k] += 0.1f * (seen - e->slow_power[k]) + TINY;
        e->least[k] = e->slow_power[k] < e->least[k] ? e->slow_power[k] : e->least[k];
        if (!renew) continue;
        float rise = 2.0f * e->background[k];
        e->background[k] = rise < 1e-8f || e->least[k] < rise ? e->least[k] : rise;
        e->least[k] = e->slow_power[k];
    }
    if (renew) e->minimum_age = 0;
}

/* -1 to 1, of the generator's next 24 bits. */
static float random_value(wt_echo *e)
{
    e->random = e->random * 1664525u + 1013904223u;
    return (float)(int32_t)(e->random >> 8) * (1.0f / 8388608) - 1.0f;
}

/* Applies the gains to the error's spectrum and adds noise where they took noise away, too. */
static void apply_gains(wt_echo *e)
{
    for (uint32_t k = 0; k < e->bins; k++) {
        float scale = 1.0f / (e->residual[k] + 1e-10f), more = e->error_power[k] * scale - 1.0f;
        float ratio = DIRECTED * e->clean_power[k] * scale + (1.0f - DIRECTED) * (more > 0.0f ? more : 0.0f);
        float gain = ratio / (1.0f + ratio);
        gain = gain > LEAST_GAIN ? gain : LEAST_GAIN;
        e->clean_power[k] = gain * gain * e->error_power[k] + TINY;
        float missing = e->background[k] - e->clean_power[k];
        /* Both parts are uniform from -1 to 1: their power is 2 / 3. */
        float noise = missing > 0.0f ? sqrtf(1.5f * missing * (1.0f - gain * gain)) : 0.0f;
        float re = random_value(e), im = random_value(e);
        e->error_re[k] = gain * e->error_re[k] + noise * re;
        e->error_im[k] = gain * e->error_im[k] + noise * im;
    }
}

void wt_echo_suppress(wt_echo *e, float *clean)
{
    uint32_t frame = e->frame;
    float *both = e->time, *made = e->time + e->size;
    memcpy(e->error_past, e->error_past + frame, frame * sizeof(float));
    memcpy(e->error_past + frame, e->error + e->size - frame, frame * sizeof(float));
    memset(both, 0, e->size * sizeof(float));
    memcpy(both, e->error_past, 2 * frame * sizeof(float));
    for (uint32_t i = 0; i < 2 * frame; i++) both[i] *= e->window[i];
    e->kernels->real_fft(e->plan, both, NULL, e->work, e->error_re, e->error_im);
    for (uint32_t k = 0; k < e->bins; k++)
        e->error_power[k] = e->error_re[k] * e->error_re[k] + e->error_im[k] * e->error_im[k];
    estimate_residual(e);
    follow_background(e);
    apply_gains(e);
    e->error_im[0] = e->error_im[e->bins - 1] = 0.0f;
    wt_echo_inverse(e, e->error_re, e->error_im, made);
    for (uint32_t i = 0; i < frame; i++) {
        clean[i] = e->overlap[i] + made[i] * e->window[i];
        e->overlap[i] = made[frame + i] * e->window[frame + i];
    }
}
