/* The monotonic clock, and a device callback's own timing: how often, how recently and how late it ran.
 *
 * Thread: wt_now_ns: any. wt_clock: the device callback writes its counters, any thread reads them (all relaxed);
 * wt_clock_init: a control thread, while no callback runs.
 */
#ifndef WT_CLOCK_H
#define WT_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

/* Nanoseconds of a clock that never goes back. Callback safe: a vDSO read on Linux, no lock on any system. */
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

/* A callback that is later than this lets a device of 30 ms run dry. */
#define WT_SLIP_NS 25000000u

/* Bins of lateness: 0 counts callbacks less than 1 us late, bin i those from 2^(i - 1) us on; the last has no end. */
enum { WT_LATENESS_BINS = 24 };

typedef struct wt_clock {
    _Atomic uint64_t callbacks;         /* since the stream was created */
    _Atomic uint64_t slips;             /* callbacks that were later than WT_SLIP_NS */
    _Atomic uint64_t last_ns;           /* when the last callback began; 0 before the first */
    _Atomic uint64_t worst_lateness_ns; /* greatest time from the end of one callback's audio to the next callback */
    _Atomic uint32_t lateness[WT_LATENESS_BINS]; /* callbacks, by how late they came */
    uint32_t rate;                      /* Hz; fixed before the device starts */
    struct {
        uint64_t last_frames; /* of the last callback; 0 where the next one cannot be late */
    } device_only;
} wt_clock;

/* Prepares the clock for a device, the first or a later one. The counters go on; the time between two devices does not
 * count as lateness. Control thread, while no callback runs. */
static inline void wt_clock_init(wt_clock *clock, uint32_t rate)
{
    atomic_store_explicit(&clock->last_ns, 0, memory_order_relaxed);
    clock->rate = rate;
    clock->device_only.last_frames = 0;
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

static inline uint64_t wt_clock_slips(wt_clock *clock)
{
    return atomic_load_explicit(&clock->slips, memory_order_relaxed);
}

/* How many callbacks were as late as a bin says. */
static inline uint32_t wt_clock_lateness(wt_clock *clock, uint32_t bin)
{
    return atomic_load_explicit(&clock->lateness[bin], memory_order_relaxed);
}

static inline void wt_clock_count_lateness(wt_clock *clock, uint64_t ns)
{
    uint32_t bin = 0;
    for (uint64_t us = ns / 1000; us && bin < WT_LATENESS_BINS - 1; us >>= 1) bin++;
    atomic_store_explicit(&clock->lateness[bin], wt_clock_lateness(clock, bin) + 1, memory_order_relaxed);
}

/* Counts a callback of `frames` frames and measures its lateness. Device callback, before any other work. */
static inline void wt_clock_tick(wt_clock *clock, uint64_t frames)
{
    uint64_t now = wt_now_ns();
    uint64_t last = wt_clock_last_ns(clock);
    if (clock->device_only.last_frames != 0) {
        uint64_t due = last + clock->device_only.last_frames * 1000000000u / clock->rate;
        wt_clock_count_lateness(clock, now > due ? now - due : 0);
        if (now > due && now - due > wt_clock_worst_lateness_ns(clock))
            atomic_store_explicit(&clock->worst_lateness_ns, now - due, memory_order_relaxed);
        if (now > due + WT_SLIP_NS)
            atomic_store_explicit(&clock->slips, wt_clock_slips(clock) + 1, memory_order_relaxed);
    }
    /* The first callback fills a device that does not run yet: its audio lasts from the start on, some 30 ms later. */
    clock->device_only.last_frames = last == 0 ? 0 : frames;
    atomic_store_explicit(&clock->last_ns, now, memory_order_relaxed);
    atomic_store_explicit(&clock->callbacks, wt_clock_callbacks(clock) + 1, memory_order_relaxed);
}

#endif
