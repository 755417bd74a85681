/* The playback half of a stream: the queue of frames, the commit of what was played, gain, prebuffer and silence.
 *
 * The queue's read_pos is the one word that both sides move. The callback renders a period from read_pos and then
 * commits what it consumed with a compare-and-swap; an interrupt moves read_pos to write_pos with a compare-and-swap
 * too. One of them succeeds. If the interrupt did, the callback discards its period, so the position that the interrupt
 * returned is exactly what was handed to the device; if the callback did, the interrupt tries again from the new
 * position. Positions only grow while a device runs, so a position never comes back (no ABA problem).
 *
 * Thread: control threads, under the player's lock, are the queue's producer and set the gain; the device callback is
 * its consumer, and alone reads and writes `device_only` and the scratch memory. A struct is set up before its device
 * starts and freed after the device was closed.
 */
#ifndef WT_PLAYBACK_H
#define WT_PLAYBACK_H

#include "clock.h"
#include "fade.h"
#include "polyphase.h"
#include "spsc.h"
#include "tap.h"

/* Frames resampled at a time inside the callback; bounds its scratch memory. */
#define WT_PLAYBACK_BLOCK 256

/* Where rendering goes on, in the queue or in the fade slot. */
typedef struct wt_cursor {
    uint64_t position; /* of the next queued frame */
    uint64_t phase;    /* of the next device frame past it, in 1/up frames; may exceed up at the end of the queue */
    uint64_t origin;   /* position where this unbroken stretch began: the filter sees silence before it */
} wt_cursor;

/* The callback's own state. No other thread touches it while a device runs. */
typedef struct wt_renderer {
    wt_cursor queue;  /* as the callback left it; another read position in the queue means an interrupt */
    wt_cursor fade;   /* valid while a fade plays */
    float gain;       /* of the last frame played */
    int holding;      /* true while playback waits for the prebuffer to fill */
    uint64_t held_ns; /* when the first frame of the prebuffer arrived; 0 while nothing is queued */
} wt_renderer;

/* The callback's memory for one block; NULL where frames are copied as they are. */
typedef struct wt_scratch {
    int16_t *frames; /* input, as queued */
    float *window;   /* one voice of the same as float32, with silence where there are no frames; NULL at equal rates */
    float *block;    /* one voice of the output; NULL at equal rates */
} wt_scratch;

typedef struct wt_playback {
    wt_ring ring;             /* int16 frames of `channels` at the session rate */
    wt_clock clock;
    wt_fade fade;
    _Atomic uint64_t silence; /* written by the callback (relaxed): frames of silence since the last one of audio */
    _Atomic float gain;       /* written by control threads (relaxed): 0..1 */
    _Atomic(wt_tap *) tap;    /* gets what the device was given; NULL while nobody asks for it */

    /* Fixed before the device starts. */
    uint32_t session_rate;    /* Hz, of the queued frames */
    uint32_t channels;        /* of a queued frame */
    uint32_t outputs;         /* channels of the device */
    uint64_t prebuffer;       /* frames that must be queued before playback starts, and starts again after silence */
    const wt_bank *bank;      /* NULL where the device runs at the session rate */
    wt_scratch scratch;

    wt_renderer device_only;
} wt_playback;

static inline void wt_playback_set_gain(wt_playback *playback, float gain)
{
    atomic_store_explicit(&playback->gain, gain, memory_order_relaxed);
}

/* Lets the callback write what it plays into `tap` from now on; NULL: nowhere. Control threads. */
static inline void wt_playback_set_tap(wt_playback *playback, wt_tap *tap)
{
    atomic_store_explicit(&playback->tap, tap, memory_order_release);
}

static inline wt_tap *wt_playback_tap(wt_playback *playback)
{
    return atomic_load_explicit(&playback->tap, memory_order_acquire);
}

/* Sets up a zeroed struct; its ring and its memory are the caller's to set up. Control thread, while no callback runs. */
static inline void wt_playback_init(
    wt_playback *playback, uint32_t channels, uint32_t session_rate, uint64_t prebuffer)
{
    playback->session_rate = session_rate;
    playback->channels = playback->outputs = channels;
    playback->prebuffer = prebuffer;
    playback->device_only.holding = 1;
    playback->device_only.gain = 1.0f;
    wt_playback_set_gain(playback, 1.0f);
    wt_clock_init(&playback->clock, session_rate);
}

/* Prepares for another device: no fade plays on, and the filter starts from silence, because no read position
 * equals the one noted here. Control thread, while no callback runs. */
static inline void wt_playback_restart(wt_playback *playback, uint32_t device_rate, uint32_t outputs)
{
    playback->outputs = outputs;
    playback->device_only.queue.position = UINT64_MAX;
    wt_fade_set(&playback->fade, WT_FADE_IDLE);
    wt_clock_init(&playback->clock, device_rate);
}

/* The callback's own state. Device callback. */
static inline wt_renderer *wt_playback_renderer(wt_playback *playback) { return &playback->device_only; }

/* True while playback waits for its prebuffer. Device callback, once a period, after the clock's tick. A track that is
 * shorter than the prebuffer starts when it has waited for as long as the prebuffer lasts. */
static inline int wt_playback_hold(wt_playback *playback)
{
    wt_renderer *own = &playback->device_only;
    if (playback->prebuffer == 0 || !own->holding) return 0;
    uint64_t queued = wt_ring_readable(&playback->ring), now = wt_clock_last_ns(&playback->clock);
    if (queued == 0) {
        own->held_ns = 0;
        return 1;
    }
    if (own->held_ns == 0) own->held_ns = now;
    uint64_t patience = playback->prebuffer * 1000000000u / playback->session_rate;
    own->holding = queued < playback->prebuffer && now - own->held_ns < patience;
    return own->holding;
}

/* The compare-and-swap of both sides; on failure *expected holds the position found. */
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

/* Counts `frames` of silence at the end of a period; adds them to the earlier ones if `goes_on`: the whole period was
 * silent. Device callback. */
static inline void wt_playback_silence(wt_playback *playback, int goes_on, uint64_t frames)
{
    uint64_t before = goes_on ? wt_playback_silent_frames(playback) : 0;
    atomic_store_explicit(&playback->silence, before + frames, memory_order_relaxed);
}

#endif
