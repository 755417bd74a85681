/* A device's seat: the user data through which its callbacks find the stream they work for.
 *
 * A device cannot be closed while its audio server is frozen, and may call back long after its stream went on with
 * another device. Its seat is vacated then, and its callbacks do nothing.
 *
 * Thread: control threads write the two pointers (release), the device callbacks read them (acquire); miniaudio's
 * threads set notification bits, a control thread takes them.
 */
#ifndef WT_SEAT_H
#define WT_SEAT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct wt_capture;
struct wt_playback;

typedef struct wt_seat {
    _Atomic(struct wt_capture *) capture;   /* NULL: captured frames are discarded */
    _Atomic(struct wt_playback *) playback; /* NULL: silence */
    _Atomic uint32_t notified; /* bit n: a notification of ma_device_notification_type n arrived */
    uint32_t channels;         /* of the microphone; fixed before the device starts */
    uint32_t outputs;          /* of the speaker; fixed before the device starts */
} wt_seat;

static inline struct wt_capture *wt_seat_capture(wt_seat *seat)
{
    return atomic_load_explicit(&seat->capture, memory_order_acquire);
}

static inline struct wt_playback *wt_seat_playback(wt_seat *seat)
{
    return atomic_load_explicit(&seat->playback, memory_order_acquire);
}

static inline void wt_seat_set_capture(wt_seat *seat, struct wt_capture *capture)
{
    atomic_store_explicit(&seat->capture, capture, memory_order_release);
}

static inline void wt_seat_set_playback(wt_seat *seat, struct wt_playback *playback)
{
    atomic_store_explicit(&seat->playback, playback, memory_order_release);
}

static inline void wt_seat_notify(wt_seat *seat, uint32_t type)
{
    if (type < 32) atomic_fetch_or_explicit(&seat->notified, 1u << type, memory_order_relaxed);
}

/* The notification bits since the last call, which clears them. */
static inline uint32_t wt_seat_take_notified(wt_seat *seat)
{
    return atomic_exchange_explicit(&seat->notified, 0, memory_order_relaxed);
}

#endif
