/* The echo canceller: a filter that learns the way from loudspeaker to microphone, and a suppressor of what it leaves.
 *
 * Thread: one at a time per canceller; wt_echo_erle_db and wt_echo_path_delay any thread at any time.
 * Real-time: wt_echo_process and wt_echo_reset do not allocate, lock or call the system. wt_echo_new allocates.
 */
#ifndef WT_ECHO_H
#define WT_ECHO_H

#include <stdint.h>

#include "kernels.h"

typedef struct wt_echo wt_echo;

/* A canceller for frames of sample_rate / 100 samples (rounded down; 8000 to 48000 Hz) and for echoes up to tail_seconds
 * later than what was played. NULL if memory is short. */
wt_echo *wt_echo_new(const wt_kernels *kernels, uint32_t sample_rate, double tail_seconds);
/* Does nothing for NULL. */
void wt_echo_free(wt_echo *echo);
/* Forgets the room and both signals: afterwards the canceller is as new. */
void wt_echo_reset(wt_echo *echo);
/* Takes the echo of `played` out of one frame of `near`. `out` is one frame late, and may be one of the inputs. */
void wt_echo_process(wt_echo *echo, const int16_t *near_in, const int16_t *played, int16_t *out);
/* By how many dB the echo falls at present, 0 or more. */
float wt_echo_erle_db(const wt_echo *echo);
/* Samples from what is played to its echo; -1 while unknown. */
int32_t wt_echo_path_delay(const wt_echo *echo);
/* How often a jump of the echo was followed since the last reset, and the last drift: samples per frame. For tests. */
uint32_t wt_echo_slips(const wt_echo *echo);
float wt_echo_drift(const wt_echo *echo);

#endif
