/* The kernels for every processor: SSE2 on x86-64, NEON on arm64.
 *
 * Thread: any; stateless.
 */
#include <math.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__GNUC__)
#include <arm_neon.h>
#endif

#include "kernels.h"

#define WT_SET wt_kernels_base
#define WT_SET_NAME "base"
extern const wt_kernels WT_SET;

#include "kernels.inc"
