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
#include "stamp.h"

typedef struct wt_capture {
    wt_ring ring;                    /* float32 device frames */
    wt_clock clock;
    wt_stamp stamp;                  /* all frames before `position` were captured by `ns` */
    _Atomic uint64_t frames_dropped; /* frames that found the ring full (relaxed) */
    uint32_t channels;               /* of a frame, a duplex stream's reference included; fixed before the device starts */
} wt_capture;

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
