/* The single-producer single-consumer ring of frames of any sample type: positions, copies and their memory orders.
 *
 * The owner allocates the memory once; it never grows. Both ends are wait-free. A full ring refuses frames (it never
 * overwrites), an empty ring gives none. There is no way to wait: readers poll.
 *
 * Thread: the producer writes the data and write_pos, the consumer read_pos; one thread per end at a time.
 *
 * Positions count frames since creation and do not wrap in practice (2^64 frames); they are reduced modulo the capacity
 * only to index `data`. So full and empty need no spare slot:
 *     readable = write_pos - read_pos,   0 <= readable <= capacity - keep
 * The producer does not overwrite the `keep` frames behind read_pos, so that a control thread can read what was consumed
 * last (for a spectrum of what is heard, or to step back after a device was lost).
 *
 * WT_ACQUIRE / WT_RELEASE can be weakened from the command line: the race tests prove that they then fail.
 */
#ifndef WT_SPSC_H
#define WT_SPSC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef WT_ACQUIRE
#define WT_ACQUIRE memory_order_acquire
#endif
#ifndef WT_RELEASE
#define WT_RELEASE memory_order_release
#endif

/* The positions are a cache line apart, so that the two ends do not slow each other (64 bytes on x86-64; arm64 has 64 or
 * 128). */
#define WT_CACHE_LINE 128

typedef struct wt_ring {
    /* Written by the producer (release), read by the consumer (acquire). */
    _Atomic uint64_t write_pos;
    char pad1[WT_CACHE_LINE - sizeof(uint64_t)];
    /* Written by the consumer (release), read by the producer (acquire). */
    _Atomic uint64_t read_pos;
    char pad2[WT_CACHE_LINE - sizeof(uint64_t)];
    /* Fixed after wt_ring_init. */
    unsigned char *data;
    uint64_t capacity;    /* frames */
    uint64_t keep;        /* frames behind read_pos that the producer does not overwrite */
    size_t frame_bytes;
} wt_ring;

/* `data` must hold capacity * frame_bytes bytes and outlive the ring. Owner only, before either end is used. */
static inline void wt_ring_init(wt_ring *ring, void *data, uint64_t capacity, uint64_t keep, size_t frame_bytes)
{
    atomic_init(&ring->write_pos, 0);
    atomic_init(&ring->read_pos, 0);
    ring->data = (unsigned char *)data;
    ring->capacity = capacity;
    ring->keep = keep;
    ring->frame_bytes = frame_bytes;
}

static inline uint64_t wt_ring_write_pos(wt_ring *ring)
{
    return atomic_load_explicit(&ring->write_pos, WT_ACQUIRE);
}

static inline uint64_t wt_ring_read_pos(wt_ring *ring)
{
    return atomic_load_explicit(&ring->read_pos, WT_ACQUIRE);
}

/* Copies frames [pos, pos + count) out of the ring's memory; the caller guarantees that the ring holds them. */
static inline void wt_ring_copy_out(const wt_ring *ring, uint64_t pos, void *out, uint64_t count)
{
    uint64_t start = pos % ring->capacity;
    uint64_t first = ring->capacity - start < count ? ring->capacity - start : count;
    memcpy(out, ring->data + start * ring->frame_bytes, (size_t)first * ring->frame_bytes);
    memcpy((unsigned char *)out + first * ring->frame_bytes, ring->data, (size_t)(count - first) * ring->frame_bytes);
}

/* Frames that can be written now; only grows until the next write. Producer end. */
static inline uint64_t wt_ring_writable(wt_ring *ring)
{
    /* Relaxed: this end's own position. Acquire: pairs with the release of the consumer. */
    uint64_t write = atomic_load_explicit(&ring->write_pos, memory_order_relaxed);
    uint64_t read = atomic_load_explicit(&ring->read_pos, WT_ACQUIRE);
    uint64_t used = write - read + ring->keep;
    return used < ring->capacity ? ring->capacity - used : 0;
}

/* Frames that can be read now; only grows until the next read. Consumer end. */
static inline uint64_t wt_ring_readable(wt_ring *ring)
{
    /* Relaxed: this end's own position. Acquire: pairs with the release of the producer. */
    uint64_t read = atomic_load_explicit(&ring->read_pos, memory_order_relaxed);
    return atomic_load_explicit(&ring->write_pos, WT_ACQUIRE) - read;
}

/* Writes as many of `count` frames as fit and returns how many. Producer end. */
static inline uint64_t wt_ring_write(wt_ring *ring, const void *frames, uint64_t count)
{
    uint64_t room = wt_ring_writable(ring);
    uint64_t write = atomic_load_explicit(&ring->write_pos, memory_order_relaxed);
    if (count > room) count = room;
    uint64_t start = write % ring->capacity;
    uint64_t first = ring->capacity - start < count ? ring->capacity - start : count;
    memcpy(ring->data + start * ring->frame_bytes, frames, (size_t)first * ring->frame_bytes);
    memcpy(ring->data, (const unsigned char *)frames + first * ring->frame_bytes,
           (size_t)(count - first) * ring->frame_bytes);
    /* Publishes the copies above: pairs with the acquire in wt_ring_readable. */
    atomic_store_explicit(&ring->write_pos, write + count, WT_RELEASE);
    return count;
}

/* Reads up to `count` frames and returns how many. Consumer end. */
static inline uint64_t wt_ring_read(wt_ring *ring, void *frames, uint64_t count)
{
    uint64_t available = wt_ring_readable(ring);
    uint64_t read = atomic_load_explicit(&ring->read_pos, memory_order_relaxed);
    if (count > available) count = available;
    wt_ring_copy_out(ring, read, frames, count);
    /* Frees the frames only after they were copied: pairs with the acquire in wt_ring_writable. */
    atomic_store_explicit(&ring->read_pos, read + count, WT_RELEASE);
    return count;
}

/* Drops all that is readable and returns how many frames that was. Consumer end. */
static inline uint64_t wt_ring_clear(wt_ring *ring)
{
    uint64_t available = wt_ring_readable(ring);
    uint64_t read = atomic_load_explicit(&ring->read_pos, memory_order_relaxed);
    atomic_store_explicit(&ring->read_pos, read + available, WT_RELEASE);
    return available;
}

/* Set while a thread uses an end, so that a second thread is refused, with or without a GIL. */
typedef struct wt_flag {
    atomic_flag taken;
} wt_flag;

static inline void wt_flag_init(wt_flag *flag)
{
    atomic_flag_clear(&flag->taken);
}

/* True if another thread holds the flag; otherwise this one holds it now. */
static inline int wt_flag_take(wt_flag *flag)
{
    return atomic_flag_test_and_set_explicit(&flag->taken, memory_order_acquire);
}

static inline void wt_flag_drop(wt_flag *flag)
{
    atomic_flag_clear_explicit(&flag->taken, memory_order_release);
}

#endif
