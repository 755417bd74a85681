/* A time stamp of a stream: which position it had reached at which time, both numbers of one moment, without a lock.
 *
 * It is a seqlock: the sequence is odd while the callback writes.
 *
 * Thread: one device callback writes, any thread reads.
 */
#ifndef WT_STAMP_H
#define WT_STAMP_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct wt_stamp {
    _Atomic uint64_t sequence, position, ns;
} wt_stamp;

/* Notes that the stream had reached `position` at `ns`. Device callback. */
static inline void wt_stamp_write(wt_stamp *stamp, uint64_t position, uint64_t ns)
{
    uint64_t sequence = atomic_load_explicit(&stamp->sequence, memory_order_relaxed);
    atomic_store_explicit(&stamp->sequence, sequence + 1, memory_order_relaxed);
    /* The stores below may not move up before the odd number, nor past the even one. */
    atomic_store_explicit(&stamp->position, position, memory_order_release);
    atomic_store_explicit(&stamp->ns, ns, memory_order_release);
    atomic_store_explicit(&stamp->sequence, sequence + 2, memory_order_release);
}

/* The newest stamp. Any thread; tries again while the callback is writing. */
static inline void wt_stamp_read(wt_stamp *stamp, uint64_t *position, uint64_t *ns)
{
    uint64_t before, after;
    do {
        before = atomic_load_explicit(&stamp->sequence, memory_order_acquire);
        *position = atomic_load_explicit(&stamp->position, memory_order_acquire);
        *ns = atomic_load_explicit(&stamp->ns, memory_order_acquire);
        after = atomic_load_explicit(&stamp->sequence, memory_order_relaxed);
    } while (before != after || before % 2);
}

#endif
