/* SPDX-License-Identifier: MIT */
#include "vmm/trace.h"

#include <stdarg.h>

/* One fprintf() for each line: stdio locks the stream, so that threads do not mix lines.
 */
__attribute__((format(printf, 3, 0))) static void emit(struct trace *trace,
                                                       const char *topic,
                                                       const char *format,
                                                       va_list arguments)
{
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    fprintf(trace->out, "s2vmm: %s: %s\n", topic, text);
}

void trace_init(struct trace *trace, FILE *out, bool details)
{
    trace->out = out;
    trace->details = details;
    atomic_init(&trace->warnings, 0);
}

void trace_finish(struct trace *trace)
{
    unsigned warnings = atomic_load(&trace->warnings);
    if (warnings > TRACE_WARNINGS_MAX)
        fprintf(trace->out, "s2vmm: %u more warnings were not shown\n",
                warnings - TRACE_WARNINGS_MAX);
    fflush(trace->out);
}

void trace_warning(struct trace *trace, const char *topic, const char *format, ...)
{
    if (atomic_fetch_add(&trace->warnings, 1) >= TRACE_WARNINGS_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    emit(trace, topic, format, arguments);
    va_end(arguments);
}

void trace_detail(struct trace *trace, const char *topic, const char *format, ...)
{
    if (!trace->details)
        return;
    va_list arguments;
    va_start(arguments, format);
    emit(trace, topic, format, arguments);
    va_end(arguments);
}
