/* The tap of a playback stream: a ring that gets what the device was given, gain applied and silence included.
 *
 * A recorder that cancels the speaker's echo needs that signal. The ring exists only while a recorder asks for it.
 *
 * Thread: the device callback is the ring's producer and writes counter and stamp; one delivery thread is the consumer;
 * control threads put a tap into a playback stream (release), the callback finds it there (acquire).
 */
#ifndef WT_TAP_H
#define WT_TAP_H

#include "spsc.h"
#include "stamp.h"

typedef struct wt_tap {
    wt_ring ring;                    /* int16 device frames, the mean of the speaker's channels */
    wt_stamp stamp;                  /* the frame at `position` was the first of a period that was asked for at `ns` */
    _Atomic uint64_t frames_dropped; /* frames that found the ring full (relaxed) */
} wt_tap;

/* Notes that the next frame written is the first of the period asked for at `ns`. Device callback. */
static inline void wt_tap_stamp(wt_tap *tap, uint64_t ns)
{
    wt_stamp_write(&tap->stamp, wt_ring_write_pos(&tap->ring), ns);
}

static inline uint64_t wt_tap_dropped(wt_tap *tap)
{
    return atomic_load_explicit(&tap->frames_dropped, memory_order_relaxed);
}

/* Puts `count` frames into the ring; counts those that do not fit. Device callback. */
static inline void wt_tap_write(wt_tap *tap, const int16_t *frames, uint64_t count)
{
    uint64_t taken = wt_ring_write(&tap->ring, frames, count);
    if (taken < count)
        atomic_store_explicit(&tap->frames_dropped, wt_tap_dropped(tap) + count - taken, memory_order_relaxed);
}

#endif
