/* Rendering: queued frames to frames at the device's rate, with its number of channels and the volume.
 *
 * A voice is a channel that is rendered: each channel of the queue, or their mean where the device has fewer channels.
 * The voices go to the first channels of the device; a single one is then copied to every channel, and beside several
 * the rest is silent.
 *
 * Thread: device callback, for all of it. No heap, lock or system call.
 */
#ifndef WT_RENDER_H
#define WT_RENDER_H

#include "playback.h"

/* Nearest int16, ties to even, clamped; NaN gives 0. Full scale is 32768, so int16 audio comes through unchanged. */
static inline int16_t wt_to_int16(float x)
{
    float scaled = x * 32768.0f;
    if (!(scaled == scaled)) return 0;
    if (scaled >= 32767.0f) return 32767;
    if (scaled <= -32768.0f) return -32768;
    /* Adding 1.5 * 2^23 leaves the nearest integer in the low mantissa bits; no libm call, so it vectorises. */
    union { float f; int32_t i; } bits;
    bits.f = scaled + 12582912.0f;
    return (int16_t)(bits.i - 0x4B400000);
}

static inline uint32_t wt_render_voices(const wt_playback *playback)
{
    return playback->channels > playback->outputs ? 1 : playback->channels;
}

/* One voice of `count` queued frames as float32. */
static inline void wt_render_voice_floats(
    const wt_playback *playback, uint32_t voice, const int16_t *frames, float *out, size_t count)
{
    uint32_t channels = playback->channels;
    if (channels > playback->outputs) {
        float scale = 1.0f / (32768.0f * (float)channels);
        for (size_t i = 0; i < count; i++) {
            int32_t sum = 0;
            for (uint32_t c = 0; c < channels; c++) sum += frames[i * channels + c];
            out[i] = (float)sum * scale;
        }
    } else if (channels > 1) {
        for (size_t i = 0; i < count; i++) out[i] = (float)frames[i * channels + voice] * (1.0f / 32768.0f);
    } else {
        for (size_t i = 0; i < count; i++) out[i] = (float)frames[i] * (1.0f / 32768.0f);
    }
}

/* Puts `count` queued frames into device frames, each voice into its channel; a mean is rounded half away from zero, as
 * pcm.mix_to_mono does. */
static inline void wt_render_place_frames(
    const wt_playback *playback, const int16_t *frames, int16_t *out, size_t count)
{
    uint32_t channels = playback->channels, outputs = playback->outputs;
    if (channels <= outputs) {
        for (size_t i = 0; i < count; i++)
            for (uint32_t c = 0; c < channels; c++) out[i * outputs + c] = frames[i * channels + c];
        return;
    }
    int32_t divisor = (int32_t)channels, half = divisor / 2;
    for (size_t i = 0; i < count; i++) {
        int32_t sum = 0;
        for (uint32_t c = 0; c < channels; c++) sum += frames[i * channels + c];
        out[i * outputs] = (int16_t)((sum < 0 ? sum - half : sum + half) / divisor);
    }
}

/* Puts `count` float32 samples of one voice into its channel of device frames. */
static inline void wt_render_place_voice(
    const wt_playback *playback, uint32_t voice, const float *x, int16_t *out, size_t count)
{
    uint32_t outputs = playback->outputs;
    if (outputs == 1)
        for (size_t i = 0; i < count; i++) out[i] = wt_to_int16(x[i]);
    else
        for (size_t i = 0; i < count; i++) out[i * outputs + voice] = wt_to_int16(x[i]);
}

/* Fills the device's channels beyond the voices: a single voice goes to every channel, several leave the rest silent. */
static inline void wt_render_fill_channels(const wt_playback *playback, int16_t *out, size_t count)
{
    uint32_t voices = wt_render_voices(playback), outputs = playback->outputs;
    if (voices == outputs) return;
    for (size_t i = 0; i < count; i++)
        for (uint32_t c = voices; c < outputs; c++) out[i * outputs + c] = voices == 1 ? out[i * outputs] : 0;
}

/* Copies frames [start, start + count) of `flat`, or of the queue's ring if that is NULL. */
static inline void wt_render_copy_frames(
    const wt_playback *playback, const int16_t *flat, uint64_t start, int16_t *out, size_t count)
{
    size_t channels = playback->channels;
    if (flat)
        memcpy(out, flat + start * channels, count * channels * sizeof *out);
    else
        wt_ring_copy_out(&playback->ring, start, out, count);
}

/* Frames first..last of a stretch that holds [origin, end), with silence around it. */
typedef struct wt_span {
    uint64_t start; /* of the frames that exist */
    size_t lead;    /* frames of silence before them */
    size_t count;   /* frames that exist */
    size_t tail;    /* frames of silence after them */
} wt_span;

static inline wt_span wt_render_span(const wt_cursor *cursor, uint64_t end, uint64_t first, uint64_t left, uint64_t last)
{
    uint64_t start = first > cursor->origin + left ? first - left : cursor->origin;
    uint64_t stop = last + 1 < end ? last + 1 : end;
    wt_span span = {start, (size_t)(start + left - first), (size_t)(stop - start), 0};
    span.tail = (size_t)(left + (last - first) + 1) - span.lead - span.count;
    return span;
}

/* Puts one voice of the frames of `span`, which lie in the scratch memory, into the window. */
static inline void wt_render_fill_window(const wt_playback *playback, uint32_t voice, const wt_span *span)
{
    float *window = playback->scratch.window, *existing = window + span->lead;
    memset(window, 0, span->lead * sizeof *window);
    wt_render_voice_floats(playback, voice, playback->scratch.frames, existing, span->count);
    memset(existing + span->count, 0, span->tail * sizeof *window);
}

/* As wt_render, where the device runs at the session rate: a device frame is a queued one. */
static inline size_t wt_render_copy(
    const wt_playback *playback, const int16_t *flat, uint64_t end, wt_cursor *cursor, int16_t *out, size_t count)
{
    size_t total = end - cursor->position < count ? (size_t)(end - cursor->position) : count;
    if (playback->channels == playback->outputs) {
        wt_render_copy_frames(playback, flat, cursor->position, out, total);
    } else {
        for (size_t done = 0; done < total;) {
            size_t frames = total - done < WT_PLAYBACK_BLOCK ? total - done : WT_PLAYBACK_BLOCK;
            wt_render_copy_frames(playback, flat, cursor->position + done, playback->scratch.frames, frames);
            wt_render_place_frames(playback, playback->scratch.frames, out + done * playback->outputs, frames);
            done += frames;
        }
    }
    cursor->position += total;
    return total;
}

/* Renders the voices of up to `count` device frames from `cursor` on, and moves it past the frames that they consumed.
 *
 * The queued frames lie in `flat`, or in the queue's ring if that is NULL. Outside [cursor.origin, end) is silence.
 * Returns the device frames rendered: fewer than `count` only if `end` was reached. In `out`, only the voices' channels
 * are written; wt_render_fill_channels writes the others. O(count * taps * voices). */
static inline size_t wt_render(
    const wt_playback *playback, const int16_t *flat, uint64_t end, wt_cursor *cursor, int16_t *out, size_t count)
{
    const wt_bank *bank = playback->bank;
    if (!bank) return wt_render_copy(playback, flat, end, cursor, out, count);
    uint64_t up = wt_bank_up(bank), down = wt_bank_down(bank), taps = wt_bank_taps(bank), left = taps / 2 - 1;
    uint64_t position = cursor->position + cursor->phase / up, phase = cursor->phase % up;
    uint32_t voices = wt_render_voices(playback);
    size_t done = 0;
    while (done < count && position < end) {
        /* Frames whose instant lies before `end`: the smallest n with position + (phase + n * down) / up >= end. */
        uint64_t frames = ((end - position) * up - phase + down - 1) / down, following = phase;
        if (frames > count - done) frames = count - done;
        if (frames > WT_PLAYBACK_BLOCK) frames = WT_PLAYBACK_BLOCK;
        uint64_t last = position + (phase + (frames - 1) * down) / up + taps / 2;
        wt_span span = wt_render_span(cursor, end, position, left, last);
        wt_render_copy_frames(playback, flat, span.start, playback->scratch.frames, span.count);
        for (uint32_t voice = 0; voice < voices; voice++) {
            wt_render_fill_window(playback, voice, &span);
            following = wt_polyphase(
                bank, playback->scratch.window, (uint32_t)phase, playback->scratch.block, (size_t)frames);
            wt_render_place_voice(
                playback, voice, playback->scratch.block, out + done * playback->outputs, (size_t)frames);
        }
        position += following / up;
        phase = following % up;
        done += (size_t)frames;
    }
    /* The next frame's instant may lie past the end: the phase keeps by how much. */
    if (position > end) {
        phase += (position - end) * up;
        position = end;
    }
    cursor->position = position;
    cursor->phase = phase;
    return done;
}

/* Applies the volume to the device frames of one period, in a ramp from the last gain to a new one. */
static inline void wt_render_apply_gain(wt_playback *playback, int16_t *frames, size_t count)
{
    float from = playback->device_only.gain, to = atomic_load_explicit(&playback->gain, memory_order_relaxed);
    uint32_t outputs = playback->outputs;
    /* At full volume int16 stays as it is, bit for bit. */
    if ((from == 1.0f && to == 1.0f) || count == 0) return;
    float step = (to - from) / (float)count;
    if (outputs == 1)
        for (size_t i = 0; i < count; i++)
            frames[i] = wt_to_int16((float)frames[i] * (1.0f / 32768.0f) * (from + step * (float)(i + 1)));
    else
        for (size_t i = 0; i < count * outputs; i++)
            frames[i] =
                wt_to_int16((float)frames[i] * (1.0f / 32768.0f) * (from + step * (float)(i / outputs + 1)));
    playback->device_only.gain = to;
}

#endif
