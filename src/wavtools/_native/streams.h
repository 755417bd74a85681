/* What a device callback and the control threads share: one struct a direction, each field with its one writer.
 *
 * The callbacks themselves are in _callbacks.pyx. A struct is set up before its device starts and freed only after the
 * device was closed; the owner in between is the object that owns the device.
 */
#ifndef WT_STREAMS_H
#define WT_STREAMS_H

#include "polyphase.h"
#include "spsc.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

/* Nanoseconds of a clock that never goes back. Callback safe: a vDSO read on Linux, no lock anywhere. */
static inline uint64_t wt_now_ns(void)
{
#ifdef _WIN32
    LARGE_INTEGER count, frequency;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    return (uint64_t)(count.QuadPart / frequency.QuadPart) * 1000000000u
         + (uint64_t)(count.QuadPart % frequency.QuadPart) * 1000000000u / (uint64_t)frequency.QuadPart;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

/* The callback's own punctuality. Written by the callback thread only (relaxed), read anywhere (relaxed): counters. */
typedef struct wt_clock {
    _Atomic uint64_t callbacks;
    _Atomic uint64_t last_ns;           /* when the last callback began; 0 before the first */
    _Atomic uint64_t worst_lateness_ns; /* most that a callback came later than the audio of the one before lasted */
    uint32_t rate;                      /* Hz; fixed before the device starts */
    uint64_t last_frames;               /* callback thread only */
} wt_clock;

/* Sets the clock up for a device, the first or a later one: counters go on, a new device is not late by the loss of
 * the old one. While no callback runs. */
static inline void wt_clock_init(wt_clock *clock, uint32_t rate)
{
    atomic_store_explicit(&clock->last_ns, 0, memory_order_relaxed);
    clock->rate = rate;
    clock->last_frames = 0;
}

static inline uint64_t wt_clock_callbacks(wt_clock *clock)
{
    return atomic_load_explicit(&clock->callbacks, memory_order_relaxed);
}

static inline uint64_t wt_clock_last_ns(wt_clock *clock)
{
    return atomic_load_explicit(&clock->last_ns, memory_order_relaxed);
}

static inline uint64_t wt_clock_worst_lateness_ns(wt_clock *clock)
{
    return atomic_load_explicit(&clock->worst_lateness_ns, memory_order_relaxed);
}

/* Called first thing by a callback of `frames` frames. Callback thread. */
static inline void wt_clock_tick(wt_clock *clock, uint64_t frames)
{
    uint64_t now = wt_now_ns();
    uint64_t last = wt_clock_last_ns(clock);
    if (clock->last_frames != 0) {
        uint64_t due = last + clock->last_frames * 1000000000u / clock->rate;
        if (now > due && now - due > wt_clock_worst_lateness_ns(clock))
            atomic_store_explicit(&clock->worst_lateness_ns, now - due, memory_order_relaxed);
    }
    /* The first one fills a device that does not run yet: what it gave lasts from the start on, some 30 ms later. */
    clock->last_frames = last == 0 ? 0 : frames;
    atomic_store_explicit(&clock->last_ns, now, memory_order_relaxed);
    atomic_store_explicit(&clock->callbacks, wt_clock_callbacks(clock) + 1, memory_order_relaxed);
}

typedef struct wt_capture {
    wt_ring ring;                    /* float32 device frames; producer: callback, consumer: the delivery thread */
    wt_clock clock;
    _Atomic uint64_t frames_dropped; /* written by the callback (relaxed): frames that found the ring full */
    uint32_t channels;               /* fixed before the device starts; of a duplex stream, the reference included */
    /* When which frame was captured: written by the callback, odd sequence numbers while it does (a seqlock). */
    _Atomic uint64_t stamp_sequence, stamp_position, stamp_ns;
} wt_capture;

/* Notes that all frames before `position` were captured by now. Callback thread. */
static inline void wt_capture_stamp(wt_capture *capture, uint64_t position, uint64_t now_ns)
{
    uint64_t sequence = atomic_load_explicit(&capture->stamp_sequence, memory_order_relaxed);
    atomic_store_explicit(&capture->stamp_sequence, sequence + 1, memory_order_relaxed);
    /* The stores below may not move up before the odd number, nor past the even one. */
    atomic_store_explicit(&capture->stamp_position, position, memory_order_release);
    atomic_store_explicit(&capture->stamp_ns, now_ns, memory_order_release);
    atomic_store_explicit(&capture->stamp_sequence, sequence + 2, memory_order_release);
}

/* The newest stamp, both numbers of one moment. Any thread; tries again while the callback is writing. */
static inline void wt_capture_read_stamp(wt_capture *capture, uint64_t *position, uint64_t *now_ns)
{
    uint64_t before, after;
    do {
        before = atomic_load_explicit(&capture->stamp_sequence, memory_order_acquire);
        *position = atomic_load_explicit(&capture->stamp_position, memory_order_acquire);
        *now_ns = atomic_load_explicit(&capture->stamp_ns, memory_order_acquire);
        after = atomic_load_explicit(&capture->stamp_sequence, memory_order_relaxed);
    } while (before != after || before % 2);
}

static inline uint64_t wt_capture_dropped(wt_capture *capture)
{
    return atomic_load_explicit(&capture->frames_dropped, memory_order_relaxed);
}

static inline void wt_capture_drop(wt_capture *capture, uint64_t frames)
{
    atomic_store_explicit(&capture->frames_dropped, wt_capture_dropped(capture) + frames, memory_order_relaxed);
}

/* What a device's user data points to. A device that could not be closed, because its audio server is frozen, may call
 * back long after its stream went on with another device: its seat is vacated then, and the callback does nothing. */
typedef struct wt_seat {
    _Atomic(struct wt_capture *) capture;   /* written by control threads (release); NULL: frames go nowhere */
    _Atomic(struct wt_playback *) playback; /* the same; NULL: silence */
    _Atomic uint32_t notified;   /* bits of ma_device_notification_type; set by miniaudio's threads, taken by control */
    uint32_t channels;           /* of the capture half, fixed before the device starts */
} wt_seat;

static inline struct wt_capture *wt_seat_capture(wt_seat *seat)
{
    return atomic_load_explicit(&seat->capture, memory_order_acquire);
}

static inline struct wt_playback *wt_seat_playback(wt_seat *seat)
{
    return atomic_load_explicit(&seat->playback, memory_order_acquire);
}

static inline void wt_seat_take_capture(wt_seat *seat, struct wt_capture *capture)
{
    atomic_store_explicit(&seat->capture, capture, memory_order_release);
}

static inline void wt_seat_take_playback(wt_seat *seat, struct wt_playback *playback)
{
    atomic_store_explicit(&seat->playback, playback, memory_order_release);
}

static inline void wt_seat_notify(wt_seat *seat, uint32_t type)
{
    if (type < 32) atomic_fetch_or_explicit(&seat->notified, 1u << type, memory_order_relaxed);
}

static inline uint32_t wt_seat_take_notified(wt_seat *seat)
{
    return atomic_exchange_explicit(&seat->notified, 0, memory_order_relaxed);
}

/* Nearest int16, ties to even, clamped; NaN gives 0. The full scale is 32768, so int16 audio comes through unchanged. */
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

static inline void wt_floats_to_int16(const float *x, int16_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = wt_to_int16(x[i]);
}

/* A fade is handed over through one slot. IDLE -> ARMED (control thread, release: the samples are in place)
 * -> PLAYING (callback) -> IDLE (callback, release: the slot may be filled again). KILL asks the callback to end a
 * running fade at once. */
enum { WT_FADE_IDLE, WT_FADE_ARMED, WT_FADE_PLAYING, WT_FADE_KILL };

/* Frames resampled at a time inside the callback; bounds its scratch memory. */
#define WT_PLAYBACK_BLOCK 256

/* The queue's read_pos is the one word both sides move. The callback renders a period from read_pos and then commits
 * what it consumed with a compare-and-swap; an interrupt moves read_pos to write_pos with a compare-and-swap too.
 * One of them wins. If the interrupt won, the callback throws its period away, so the position that the interrupt
 * returned is exactly what was handed to the device; if the callback won, the interrupt tries again from the new
 * position. Positions only grow, so there is no ABA. */
typedef struct wt_playback {
    wt_ring ring;                  /* int16 mono at the session rate; producer: control threads, under the player's lock */
    wt_clock clock;
    _Atomic uint64_t silence;      /* callback (relaxed): frames of silence since the last one of audio */
    _Atomic float gain;            /* control threads (relaxed): 0..1 */
    _Atomic int fade_state;
    int16_t *fade;                 /* fade_head samples before the cut, then fade_length - fade_head ramped ones */
    uint64_t fade_capacity;        /* fixed */
    uint64_t fade_length, fade_head, fade_cut, fade_to; /* control thread while IDLE, then the callback */

    /* Fixed before the device starts. */
    uint32_t session_rate;         /* Hz, of the queued samples */
    uint64_t prebuffer;            /* samples that must be queued before playback starts, after every drought */
    const wt_bank *bank;           /* NULL where the device runs at the session rate */
    int16_t *samples;              /* scratch: input of one block, as queued */
    float *window;                 /* scratch: the same as float32, with silence where there is none */
    float *block;                  /* scratch: output of one block */

    /* Callback thread only. */
    float gain_now;                /* of the last frame played */
    int holding;                   /* waiting for the prebuffer to fill */
    uint64_t held_ns;              /* since when, 0 while nothing is queued: what arrived late is not held for ever */
    uint64_t expected;             /* read_pos as the callback left it; another value means an interrupt */
    uint64_t origin;               /* position of the first sample of this unbroken stretch: before it lies silence */
    uint64_t phase;                /* of the next frame past read_pos, in 1/up samples; may exceed up after a drought */
    uint64_t fade_pos, fade_phase, fade_origin;
} wt_playback;

/* Whether playback still waits for its prebuffer. Callback thread, once a period, after the clock's tick. A track that
 * is shorter than the prebuffer starts when it has waited for as long as the prebuffer lasts. */
static inline int wt_playback_hold(wt_playback *playback)
{
    if (playback->prebuffer == 0 || !playback->holding) return 0;
    uint64_t queued = wt_ring_readable(&playback->ring), now = wt_clock_last_ns(&playback->clock);
    if (queued == 0) {
        playback->held_ns = 0;
        return 1;
    }
    if (playback->held_ns == 0) playback->held_ns = now;
    uint64_t patience = playback->prebuffer * 1000000000u / playback->session_rate;
    playback->holding = queued < playback->prebuffer && now - playback->held_ns < patience;
    return playback->holding;
}

/* Applies the volume to the frames of one period, gliding from the last gain to a new one. Callback thread. */
static inline void wt_playback_apply_gain(wt_playback *playback, int16_t *frames, size_t count)
{
    float from = playback->gain_now, to = atomic_load_explicit(&playback->gain, memory_order_relaxed);
    if ((from == 1.0f && to == 1.0f) || count == 0) return; /* int16 stays bit for bit */
    float step = (to - from) / (float)count;
    for (size_t i = 0; i < count; i++)
        frames[i] = wt_to_int16((float)frames[i] * (1.0f / 32768.0f) * (from + step * (float)(i + 1)));
    playback->gain_now = to;
}

static inline void wt_playback_set_gain(wt_playback *playback, float gain)
{
    atomic_store_explicit(&playback->gain, gain, memory_order_relaxed);
}

/* The swap both sides use; on failure *expected holds the position found. */
static inline int wt_playback_commit(wt_playback *playback, uint64_t *expected, uint64_t position)
{
    /* Release: the copies out of the ring are done before the producer may reuse the frames, and before an interrupt
     * that fails against this swap refills the fade slot. Acquire on failure: pairs with that release. */
    return atomic_compare_exchange_strong_explicit(
        &playback->ring.read_pos, expected, position, memory_order_acq_rel, memory_order_acquire);
}

static inline uint64_t wt_playback_silent_frames(wt_playback *playback)
{
    return atomic_load_explicit(&playback->silence, memory_order_relaxed);
}

/* Counts `frames` of silence at the end of a period, on top of earlier ones if the whole period was silent. */
static inline void wt_playback_silence(wt_playback *playback, int goes_on, uint64_t frames)
{
    uint64_t before = goes_on ? wt_playback_silent_frames(playback) : 0;
    atomic_store_explicit(&playback->silence, before + frames, memory_order_relaxed);
}

static inline int wt_fade_state(wt_playback *playback)
{
    return atomic_load_explicit(&playback->fade_state, memory_order_acquire);
}

static inline void wt_fade_set(wt_playback *playback, int state)
{
    atomic_store_explicit(&playback->fade_state, state, memory_order_release);
}

/* Moves from one state to another; false when the state was a different one. Either thread. */
static inline int wt_fade_move(wt_playback *playback, int from, int to)
{
    return atomic_compare_exchange_strong_explicit(
        &playback->fade_state, &from, to, memory_order_acq_rel, memory_order_acquire);
}

#endif
