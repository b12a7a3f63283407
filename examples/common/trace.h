/* --trace: every transition of every actor in a file for ui.perfetto.dev (or chrome://tracing): one
 * process for each runtime, one track for each worker, a span for each state of the actor that holds
 * it, an arrow for each message.
 *
 *   struct trace_file *file = trace_open("trace.json", NULL, NULL);
 *   trace_attach(&config, file);                     then leat_runtime_open(&config, ...)
 *   trace_name(file, leat_io_name(runtime));         before it is started
 *   trace_close(file);                               after leat_runtime_close
 *
 * The file is a JSON array of trace events. Each transition is in it once, as the one event whose
 * args have `from` and `to`. It ends at TRACE_BYTES_MAX. */
#ifndef LEAT_EXAMPLE_TRACE_H
#define LEAT_EXAMPLE_TRACE_H

#include <leat/leat.h>

#define TRACE_BYTES_MAX (UINT64_C(256) << 20)

struct trace_file;

/* Creates the file. `full` (may be NULL) is called once if it reaches TRACE_BYTES_MAX, on any thread.
 * NULL: errno tells why. */
struct trace_file *trace_open(const char *path, void (*full)(void *context), void *context);

/* Puts the file's hook before the one that `config` has. Once for each runtime, one after the other;
 * does nothing without a file. */
void trace_attach(struct leat_config *config, struct trace_file *file);

/* Names the process of the runtime that was attached last after its backend. */
void trace_name(struct trace_file *file, const char *io);

/* Ends and closes the file. When no runtime is open that it was attached to. 0, or the first error that
 * writing met. NULL is allowed. */
int trace_close(struct trace_file *file);

/* The words of docs/architecture.md: "OnInput". */
const char *trace_state_name(unsigned state);

/* What was given or popped, "message" or "deadline" say; "" for a transition that does not tell. */
const char *trace_kind_name(const struct leat_trace *trace);

#endif
