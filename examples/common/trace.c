/* The writer of --trace. The hook runs on the workers' threads, so each worker has a track: a buffer
 * of its own, which it alone fills, and writes as one when it is full. The file is opened for append,
 * so whole buffers of several workers stand one after the other, and no lock is needed. Events of one
 * track are in order; those of different tracks need not be, and trace viewers sort.
 *
 * A span is open for the state of the actor that holds the worker. Give way and parking are no
 * transitions: that an actor gave way shows in the next one to run, and its span then ends where its
 * last transition was. */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (256u << 10)
#define EVENT_BYTES 4096u /* the most that one transition takes */
#define NAME_MAX_SHOWN 64u
#define STARTED_BITS 16u

struct track { /* of one worker; its thread alone touches it while the runtime runs */
    struct trace_file *file;
    char *buffer; /* made at the first transition */
    size_t len;
    leat_time last; /* ns on the file's axis */
    leat_ref open;  /* whose span is open, or LEAT_REF_NONE */
};

struct trace_file {
    int descriptor;
    unsigned process;   /* the runtime attached last, from 1 */
    bool virtual_time;  /* which it has */
    leat_time started;  /* on its clock, */
    leat_time offset;   /* and on the file's axis */
    leat_time sim_last; /* one thread: virtual time stands still while much happens */
    _Atomic uint64_t written;
    atomic_bool full;
    atomic_int error; /* the first; 0: none */
    void (*on_full)(void *context);
    void *full_context;
    void (*next)(void *context, const struct leat_trace *trace);
    void *next_context;
    struct track tracks[LEAT_WORKERS_MAX];
    /* Arrows that have a start and no end yet, by the number of their message; a later one may take the
     * place of another, which then has no end. Messages of controllers, say, have no start. */
    _Atomic uint64_t arrows[1u << STARTED_BITS];
};

/* ---- names ---- */

const char *trace_state_name(unsigned state)
{
    static const char *const names[] = {
        [LEAT_STATE_CREATED] = "Created",
        [LEAT_STATE_WAITING] = "Waiting",
        [LEAT_STATE_ON_TICK] = "OnTick",
        [LEAT_STATE_ON_INPUT] = "OnInput",
        [LEAT_STATE_POP_OUTPUT] = "PopOutput",
        [LEAT_STATE_STOPPED] = "Stopped",
        [LEAT_STATE_ON_TICK_MEMBER] = "OnTickSingleTask",
        [LEAT_STATE_POP_TICK_OUTPUT] = "PopCurrentTickTaskOutput",
        [LEAT_STATE_ON_INPUT_MEMBER] = "OnInputSingleTask",
        [LEAT_STATE_POP_INPUT_OUTPUT] = "PopCurrentInputTaskOutput",
    };
    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

static const char *event_name(unsigned kind)
{
    static const char *const names[] = {
        [LEAT_EVENT_MESSAGE] = "message",
        [LEAT_EVENT_SPAWNED] = "spawned",
        [LEAT_EVENT_DEADLINE] = "deadline",
        [LEAT_EVENT_DOWN] = "down",
        [LEAT_EVENT_SHUTDOWN] = "shutdown",
        [LEAT_EVENT_OPENED] = "opened",
        [LEAT_EVENT_DATA] = "data",
        [LEAT_EVENT_WRITABLE] = "writable",
        [LEAT_EVENT_SOCK_ERROR] = "socket error",
        [LEAT_EVENT_SOCK_CLOSED] = "socket closed",
        [LEAT_EVENT_STATS] = "stats",
        [LEAT_EVENT_PUBLISHED] = "published",
        [LEAT_EVENT_SUBSCRIBED] = "subscribed",
        [LEAT_EVENT_UNSUBSCRIBED] = "unsubscribed",
        [LEAT_EVENT_REFUSED] = "refused",
        [LEAT_EVENT_ACCEPTED] = "accepted",
        [LEAT_EVENT_GIVEN] = "given",
        [LEAT_EVENT_FINISHED] = "finished",
    };
    return kind < sizeof(names) / sizeof(names[0]) && names[kind] != NULL ? names[kind] : "";
}

static const char *output_name(unsigned kind)
{
    static const char *const names[] = {
        [LEAT_OUTPUT_SEND] = "send",
        [LEAT_OUTPUT_SPAWN] = "spawn",
        [LEAT_OUTPUT_MONITOR] = "monitor",
        [LEAT_OUTPUT_STOP] = "stop",
        [LEAT_OUTPUT_FAIL] = "fail",
        [LEAT_OUTPUT_OPEN] = "open",
        [LEAT_OUTPUT_DATA] = "data",
        [LEAT_OUTPUT_DATA_MANY] = "data to many",
        [LEAT_OUTPUT_ROUTE] = "route",
        [LEAT_OUTPUT_CLOSE] = "close",
        [LEAT_OUTPUT_PUBLISH] = "publish",
        [LEAT_OUTPUT_SUBSCRIBE] = "subscribe",
        [LEAT_OUTPUT_UNSUBSCRIBE] = "unsubscribe",
        [LEAT_OUTPUT_BROADCAST] = "broadcast",
        [LEAT_OUTPUT_SPAWN_GROUP] = "spawn group",
        [LEAT_OUTPUT_SPAWN_MEMBER] = "spawn member",
        [LEAT_OUTPUT_LISTEN] = "listen",
        [LEAT_OUTPUT_CONNECT] = "connect",
        [LEAT_OUTPUT_GIVE] = "give",
        [LEAT_OUTPUT_FINISH] = "finish",
        [LEAT_OUTPUT_PAUSE] = "pause",
        [LEAT_OUTPUT_RESUME] = "resume",
        [LEAT_OUTPUT_OPEN_TUN] = "open TUN",
    };
    return kind < sizeof(names) / sizeof(names[0]) && names[kind] != NULL ? names[kind] : "";
}

static bool is_pop(unsigned state)
{
    return state == LEAT_STATE_POP_OUTPUT || state == LEAT_STATE_POP_TICK_OUTPUT ||
           state == LEAT_STATE_POP_INPUT_OUTPUT;
}

const char *trace_kind_name(const struct leat_trace *trace)
{
    return is_pop(trace->to) ? output_name(trace->kind) : event_name(trace->kind);
}

/* ---- text: by hand, as printf would be half of what the traced program does ---- */

static void put(struct track *track, const char *text)
{
    const size_t len = strlen(text);
    memcpy(&track->buffer[track->len], text, len);
    track->len += len;
}

static void put_number(struct track *track, uint64_t number, unsigned base)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    memcpy(&track->buffer[track->len], &digits[at], sizeof(digits) - at);
    track->len += sizeof(digits) - at;
}

/* A behaviour's name is any C string: what JSON does not take is not shown. */
static void put_name(struct track *track, const char *name)
{
    for (size_t i = 0; i < NAME_MAX_SHOWN && name[i] != '\0'; i++) {
        const bool plain = (unsigned char)name[i] >= ' ' && name[i] != '"' && name[i] != '\\';
        track->buffer[track->len++] = plain ? name[i] : '?';
    }
}

/* The start of an event, up to its track and time: microseconds with three digits behind the point. */
static void put_event(struct track *track, const char *phase, const struct leat_trace *trace)
{
    const uint64_t ns = track->last % 1000;
    put(track, "{\"ph\":\"");
    put(track, phase);
    put(track, "\",\"pid\":");
    put_number(track, track->file->process, 10);
    put(track, ",\"tid\":");
    put_number(track, trace->worker + 1u, 10);
    put(track, ",\"ts\":");
    put_number(track, track->last / 1000, 10);
    put(track, ns < 10 ? ".00" : ns < 100 ? ".0" : ".");
    put_number(track, ns, 10);
}

static void put_named(struct track *track, const char *before, const struct leat_trace *trace)
{
    put(track, ",\"name\":\"");
    put(track, before);
    put_name(track, trace->behavior->name);
    put(track, " ");
    put_number(track, trace->actor.id, 16);
}

/* The arguments, by which a reader of the file finds each transition once. */
static void put_transition(struct track *track, const struct leat_trace *trace)
{
    const char *kind = trace_kind_name(trace);
    put(track, ",\"args\":{\"actor\":\"");
    put_number(track, trace->actor.id, 16);
    put(track, "\",\"from\":\"");
    put(track, trace_state_name(trace->from));
    put(track, "\",\"to\":\"");
    put(track, trace_state_name(trace->to));
    if (kind[0] != '\0') {
        put(track, "\",\"what\":\"");
        put(track, kind);
    }
    if (trace->peer.id != 0) {
        put(track, "\",\"peer\":\"");
        put_number(track, trace->peer.id, 16);
    }
    if (trace->member.id != 0) {
        put(track, "\",\"member\":\"");
        put_number(track, trace->member.id, 16);
    }
    put(track, "\"}},\n");
}

/* One end of an arrow from the span of the pop to that of the input. */
static void put_arrow(struct track *track, const struct leat_trace *trace)
{
    const bool popped = is_pop(trace->to);
    const uint64_t hash = trace->message * UINT64_C(0x9e3779b97f4a7c15);
    _Atomic uint64_t *arrow = &track->file->arrows[hash >> (64 - STARTED_BITS)];
    uint64_t expected = trace->message;
    if (popped) {
        atomic_store_explicit(arrow, trace->message, memory_order_relaxed);
    } else if (!atomic_compare_exchange_strong_explicit(arrow, &expected, 0, memory_order_relaxed,
                                                        memory_order_relaxed)) {
        return;
    }
    put_event(track, popped ? "s" : "f", trace);
    put(track, popped ? "" : ",\"bp\":\"e\"");
    put(track, ",\"cat\":\"message\",\"name\":\"message\",\"id\":\"");
    put_number(track, track->file->process, 10);
    put(track, ".");
    put_number(track, trace->message, 16);
    put(track, "\"},\n");
}

/* ---- the file ---- */

static void write_all(struct trace_file *file, const char *bytes, size_t len)
{
    const uint64_t before = atomic_fetch_add_explicit(&file->written, len, memory_order_relaxed);
    if (before < TRACE_BYTES_MAX && before + len >= TRACE_BYTES_MAX) {
        atomic_store_explicit(&file->full, true, memory_order_relaxed);
        if (file->on_full != NULL) {
            file->on_full(file->full_context);
        }
    }
    while (len > 0) {
        const ssize_t done = write(file->descriptor, bytes, len);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            int none = 0;
            atomic_compare_exchange_strong(&file->error, &none, done < 0 ? errno : EIO);
            atomic_store_explicit(&file->full, true, memory_order_relaxed);
            return;
        }
        bytes += done;
        len -= (size_t)done;
    }
}

static void track_flush(struct track *track)
{
    write_all(track->file, track->buffer, track->len);
    track->len = 0;
}

static void track_name(struct track *track, const struct leat_trace *trace)
{
    put_event(track, "M", trace);
    put(track, ",\"name\":\"thread_name\",\"args\":{\"name\":\"worker ");
    put_number(track, trace->worker, 10);
    put(track, "\"}},\n");
}

/* Later than the track's last event, so that no span is without length and each arrow starts before
 * it ends; a loop turn has one `now`, so with real backends the clock itself is read. */
static leat_time track_clock(struct trace_file *file, const struct track *track,
                             const struct leat_trace *trace)
{
    leat_time now = trace->now;
    leat_time last = track->last;
    if (file->virtual_time) {
        last = file->sim_last;
    } else {
        struct timespec clock;
        clock_gettime(CLOCK_MONOTONIC, &clock);
        now = (leat_time)clock.tv_sec * LEAT_SEC + (leat_time)clock.tv_nsec;
    }
    now = now - file->started + file->offset;
    return now > last ? now : last + 1;
}

static bool track_begin(struct track *track, const struct leat_trace *trace)
{
    if (track->buffer == NULL) {
        track->buffer = malloc(BUFFER_BYTES);
        if (track->buffer == NULL) {
            atomic_store_explicit(&track->file->full, true, memory_order_relaxed);
            return false;
        }
        track_name(track, trace);
    }
    if (BUFFER_BYTES - track->len < EVENT_BYTES) {
        track_flush(track);
    }
    return true;
}

/* The open span ends; returns whether that event has told the transition. */
static bool span_close(struct track *track, const struct leat_trace *trace, leat_time now)
{
    if (track->open.id == 0) {
        track->last = now;
        return false;
    }
    const bool same = leat_ref_equal(track->open, trace->actor);
    track->last = same ? now : track->last + 1; /* another's: it gave way there */
    track->open = LEAT_REF_NONE;
    put_event(track, "E", trace);
    if (same && trace->to == LEAT_STATE_WAITING) {
        put_transition(track, trace);
        return true;
    }
    put(track, "},\n");
    track->last = now > track->last ? now : track->last + 1;
    return false;
}

static void write_transition(struct track *track, const struct leat_trace *trace, leat_time now)
{
    bool told = span_close(track, trace, now);
    const bool spawned = trace->from == LEAT_STATE_CREATED;
    const bool stopped = trace->to == LEAT_STATE_STOPPED;
    const bool span = trace->to != LEAT_STATE_WAITING && !stopped;
    if (spawned || stopped || (!span && !told)) { /* a moment: it needs no span */
        put_event(track, "i", trace);
        put(track, ",\"s\":\"t\"");
        put_named(track, stopped ? "stop " : spawned ? "spawn " : "wait ", trace);
        put(track, "\"");
        if (span) {
            put(track, "},\n");
        } else {
            put_transition(track, trace);
        }
    }
    if (span) {
        put_event(track, "B", trace);
        put_named(track, "", trace);
        put(track, " · ");
        put(track, trace_state_name(trace->to));
        put(track, "\"");
        put_transition(track, trace);
        track->open = trace->actor;
    }
    if (trace->message != 0 && span) {
        put_arrow(track, trace);
    }
}

static void on_transition(void *context, const struct leat_trace *trace)
{
    struct trace_file *file = context;
    struct track *track = &file->tracks[trace->worker];
    if (file->next != NULL) {
        file->next(file->next_context, trace);
    }
    if (atomic_load_explicit(&file->full, memory_order_relaxed) || !track_begin(track, trace)) {
        return; /* full: who is given a message sees at least what its sender saw: arrows have starts */
    }
    write_transition(track, trace, track_clock(file, track, trace));
    if (file->virtual_time) {
        file->sim_last = track->last; /* there is one thread, then */
    }
}

/* Ends what is open on all tracks: the runtime that was attached has ended. */
static void end_process(struct trace_file *file)
{
    for (size_t i = 0; i < LEAT_WORKERS_MAX; i++) {
        struct track *track = &file->tracks[i];
        if (track->buffer != NULL) {
            if (track->open.id != 0) {
                track->last++;
                put_event(track, "E", &(struct leat_trace){.worker = (uint16_t)i});
                put(track, "},\n");
            }
            track_flush(track);
        }
        free(track->buffer);
        file->offset = track->last > file->offset ? track->last : file->offset;
        *track = (struct track){.file = file};
    }
}

struct trace_file *trace_open(const char *path, void (*full)(void *context), void *context)
{
    struct trace_file *file = calloc(1, sizeof(*file));
    if (file == NULL) {
        return NULL;
    }
    file->descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (file->descriptor < 0) {
        free(file);
        return NULL;
    }
    file->on_full = full;
    file->full_context = context;
    write_all(file, "[\n", 2);
    return file;
}

void trace_attach(struct leat_config *config, struct trace_file *file)
{
    if (file == NULL) {
        return;
    }
    end_process(file);
    file->process++;
    file->virtual_time = strcmp(config->io, "sim") == 0;
    file->started = 0;
    if (!file->virtual_time) {
        struct timespec clock;
        clock_gettime(CLOCK_MONOTONIC, &clock);
        file->started = (leat_time)clock.tv_sec * LEAT_SEC + (leat_time)clock.tv_nsec;
    }
    file->sim_last = file->offset;
    file->next = config->trace;
    file->next_context = config->trace_context;
    config->trace = on_transition;
    config->trace_context = file;
}

void trace_name(struct trace_file *file, const char *io)
{
    char process[256];
    if (file == NULL) {
        return;
    }
    const int len = snprintf(process, sizeof(process),
                             "{\"ph\":\"M\",\"pid\":%u,\"tid\":0,\"ts\":0,\"name\":"
                             "\"process_name\",\"args\":{\"name\":\"leat %u, io=%s\"}},\n",
                             file->process, file->process, io);
    write_all(file, process, (size_t)len);
}

int trace_close(struct trace_file *file)
{
    static const char last[] = "{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"ts\":0,\"name\":"
                               "\"process_labels\",\"args\":{\"labels\":\"leat\"}}\n]\n";
    if (file == NULL) {
        return 0;
    }
    end_process(file);
    write_all(file, last, sizeof(last) - 1);
    int status = -atomic_load(&file->error);
    if (close(file->descriptor) != 0 && status == 0) {
        status = -errno;
    }
    free(file);
    return status;
}
