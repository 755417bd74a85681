/* Selects the set of kernels that runs: by the processor's features, or by the environment.
 *
 * Thread: any.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

extern const wt_kernels wt_kernels_base;

const wt_kernels *wt_kernels_available(unsigned index)
{
    if (index == 0) return &wt_kernels_base;
#if defined(__x86_64__) && defined(__GNUC__)
    extern const wt_kernels wt_kernels_v3, wt_kernels_v4;
    __builtin_cpu_init();
    int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    /* Ice Lake, Zen 4 and their successors have avx512vbmi2; older processors lower their clock for 512-bit vectors. */
    int v4 = v3 && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi2");
    if (index == 1 && v3) return &wt_kernels_v3;
    if (index == 2 && v4) return &wt_kernels_v4;
#endif
    return NULL;
}

const wt_kernels *wt_kernels_select(void)
{
    const char *wanted = getenv("WAVTOOLS_KERNELS");
    const wt_kernels *found = NULL;
    for (unsigned i = 0; wt_kernels_available(i); i++) {
        if (!wanted || !*wanted)
            found = wt_kernels_available(i);
        else if (strcmp(wanted, wt_kernels_available(i)->name) == 0)
            return wt_kernels_available(i);
    }
    return found;
}
