/* The fade slot: the ramped frames that an interrupt hands to the device callback, so that the sound ends softly.
 *
 * One slot, handed over by its state:
 *     IDLE    -> ARMED     control thread (release: the frames are in place)
 *     ARMED   -> PLAYING   device callback, when it finds the read position that the interrupt left
 *     PLAYING -> IDLE      device callback, after the last frame (release: the slot may be filled again)
 *     ARMED, PLAYING -> KILL -> IDLE   a later interrupt asks the callback to end the fade at once
 *
 * Thread: control threads write the frames and their extent while the state is IDLE; the device callback reads them in
 * every other state. How far the callback has played is its own: `fade` in wt_renderer (playback.h).
 */
#ifndef WT_FADE_H
#define WT_FADE_H

#include <stdatomic.h>
#include <stdint.h>

enum { WT_FADE_IDLE, WT_FADE_ARMED, WT_FADE_PLAYING, WT_FADE_KILL };

typedef struct wt_fade {
    _Atomic int state;
    int16_t *frames;   /* `head` frames from before the cut, then the ramped ones */
    uint64_t capacity; /* most ramped frames; fixed when the stream is created */
    uint64_t head;     /* frames that the resampling filter sees before its position; fixed before the device starts */
    uint64_t length;   /* frames in `frames`, head included */
    uint64_t cut;      /* queue position of the first ramped frame */
    uint64_t resume;   /* read position that the interrupt leaves: playback goes on here after the fade */
} wt_fade;

static inline int wt_fade_state(wt_fade *fade)
{
    return atomic_load_explicit(&fade->state, memory_order_acquire);
}

static inline void wt_fade_set(wt_fade *fade, int state)
{
    atomic_store_explicit(&fade->state, state, memory_order_release);
}

/* Moves from one state to another; false, and no change, if the state was a different one. Either side. */
static inline int wt_fade_move(wt_fade *fade, int from, int to)
{
    return atomic_compare_exchange_strong_explicit(
        &fade->state, &from, to, memory_order_acq_rel, memory_order_acquire);
}

#endif
