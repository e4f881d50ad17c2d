/* Preloaded beside the library in a bench: records an event of LTTng-UST for each copy_file_range(2). */
#define _GNU_SOURCE
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "lttng_event.h"

#include <sys/syscall.h>
#include <unistd.h>

ssize_t copy_file_range(int in, off64_t *off_in, int out, off64_t *off_out, size_t len, unsigned flags)
{
    long result = syscall(SYS_copy_file_range, in, off_in, out, off_out, len, flags);
    lttng_ust_tracepoint(bench_calls, copied, in, out, len, result);
    return result;
}
