/* The capture half of a stream: the ring of captured frames, the count of dropped ones, and the time of capture.
 *
 * Thread: the device callback is the ring's producer and writes every counter and stamp; the delivery thread is the
 * ring's consumer; any thread reads counters and stamps. A struct is set up before its device starts and freed after
 * the device was closed.
 */
#ifndef WT_CAPTURE_H
#define WT_CAPTURE_H

#include "clock.h"
#include "spsc.h"

/* "All frames before `position` were captured by `ns`", as a seqlock: the sequence is odd while the callback writes. */
typedef struct wt_stamp {
    _Atomic uint64_t sequence, position, ns;
} wt_stamp;

typedef struct wt_capture {
    wt_ring ring;                    /* float32 device frames */
    wt_clock clock;
    wt_stamp stamp;
    _Atomic uint64_t frames_dropped; /* frames that found the ring full (relaxed) */
    uint32_t channels;               /* of a frame, a duplex stream's reference included; fixed before the device starts */
} wt_capture;

/* Notes that all frames before `position` were captured by now. Device callback. */
static inline void wt_capture_stamp(wt_capture *capture, uint64_t position, uint64_t now_ns)
{
    wt_stamp *stamp = &capture->stamp;
    uint64_t sequence = atomic_load_explicit(&stamp->sequence, memory_order_relaxed);
    atomic_store_explicit(&stamp->sequence, sequence + 1, memory_order_relaxed);
    /* The stores below may not move up before the odd number, nor past the even one. */
    atomic_store_explicit(&stamp->position, position, memory_order_release);
    atomic_store_explicit(&stamp->ns, now_ns, memory_order_release);
    atomic_store_explicit(&stamp->sequence, sequence + 2, memory_order_release);
}

/* The newest stamp, both numbers of one moment. Any thread; tries again while the callback is writing. */
static inline void wt_capture_read_stamp(wt_capture *capture, uint64_t *position, uint64_t *now_ns)
{
    wt_stamp *stamp = &capture->stamp;
    uint64_t before, after;
    do {
        before = atomic_load_explicit(&stamp->sequence, memory_order_acquire);
        *position = atomic_load_explicit(&stamp->position, memory_order_acquire);
        *now_ns = atomic_load_explicit(&stamp->ns, memory_order_acquire);
        after = atomic_load_explicit(&stamp->sequence, memory_order_relaxed);
    } while (before != after || before % 2);
}

static inline uint64_t wt_capture_dropped(wt_capture *capture)
{
    return atomic_load_explicit(&capture->frames_dropped, memory_order_relaxed);
}

/* Counts `frames` more dropped frames. Device callback. */
static inline void wt_capture_drop(wt_capture *capture, uint64_t frames)
{
    atomic_store_explicit(&capture->frames_dropped, wt_capture_dropped(capture) + frames, memory_order_relaxed);
}

#endif
