/* The event of LTTng-UST that lttng_shim.c records. The header includes itself again, as its makers want. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER bench_calls
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./lttng_event.h"
#if !defined(LTTNG_EVENT_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define LTTNG_EVENT_H
#include <lttng/tracepoint.h>
LTTNG_UST_TRACEPOINT_EVENT(bench_calls, copied,
    LTTNG_UST_TP_ARGS(int, fd_in, int, fd_out, size_t, len, long, result),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(int, fd_in, fd_in)
        lttng_ust_field_integer(int, fd_out, fd_out)
        lttng_ust_field_integer(size_t, len, len)
        lttng_ust_field_integer(long, result, result)))
#endif
#include <lttng/tracepoint-event.h>
