/* The course of a run: the publisher connects, viewers join one after the other, all settle, it
 * is measured, all leave. The report is one JSON document on standard output. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define TICK_NS (5 * LEAT_MS)
#define PROGRESS_NS (5 * LEAT_SEC)
#define SETTLE_NS (30 * LEAT_SEC) /* after the last has been posted, if all went in time */
#define VIEWERS_MAX 20000u
#define OTHER_FILES 64u

struct options options = {.viewers = 1,
                          .kbps = 1500,
                          .fps = 30,
                          .ramp_ms = 5,
                          .warm_ms = 500,
                          .decrypt = 20,
                          .seconds = 10,
                          .rtx = true};
leat_dtls_context *dtls_context;

struct viewer *viewers;

leat_time now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (leat_time)now.tv_sec * LEAT_SEC + (leat_time)now.tv_nsec;
}

/* ---- flags ---- */

static void usage(FILE *to)
{
    fputs("usage: whip_load --whip URL --whep URL [FLAG]...\n\n"
          "One publisher and many viewers for a WHIP and WHEP server; the report is JSON.\n\n"
          "  --whip URL       publish there, http://host:port/whip/name; without it only viewers "
          "come\n"
          "  --whep URL       watch there\n"
          "  --token TEXT     bearer token\n"
          "  --viewers N      [1]\n"
          "  --seconds N      measured [10], after --warm MS [500]\n"
          "  --ramp MS        from one viewer's POST to the next one's [5]\n"
          "  --kbps N         of video [1500], --fps N [30], --gop MS between key frames [when "
          "asked]\n"
          "  --decrypt N      one packet in N is decrypted for latency [20]; 0: none\n"
          "  --drop PERCENT   of what viewers receive is lost [0]\n"
          "  --no-rtx         repeats come on the stream itself\n"
          "  --gro            receive trains whole: less work here, and for a server on this "
          "machine\n"
          "  --sha1           AES_CM_128_HMAC_SHA1_80 instead of AES-GCM\n"
          "  --server-pid PID adds the server's CPU and memory to the report\n",
          to);
}

static void parse(int argc, char **argv)
{
    enum {
        WHIP = 1,
        WHEP,
        TOKEN,
        VIEWERS,
        SECONDS,
        RAMP,
        WARM,
        KBPS,
        FPS,
        GOP,
        DECRYPT,
        DROP,
        NO_RTX,
        GRO,
        SHA1,
        PID,
        HELP
    };
    static const struct option all[] = {
        {"whip", 1, NULL, WHIP},       {"whep", 1, NULL, WHEP},       {"token", 1, NULL, TOKEN},
        {"viewers", 1, NULL, VIEWERS}, {"seconds", 1, NULL, SECONDS}, {"ramp", 1, NULL, RAMP},
        {"warm", 1, NULL, WARM},       {"kbps", 1, NULL, KBPS},       {"fps", 1, NULL, FPS},
        {"gop", 1, NULL, GOP},         {"decrypt", 1, NULL, DECRYPT}, {"drop", 1, NULL, DROP},
        {"no-rtx", 0, NULL, NO_RTX},   {"gro", 0, NULL, GRO},         {"sha1", 0, NULL, SHA1},
        {"server-pid", 1, NULL, PID},  {"help", 0, NULL, HELP},       {0}};
    unsigned *const numbers[] = {
        [VIEWERS] = &options.viewers, [SECONDS] = &options.seconds, [RAMP] = &options.ramp_ms,
        [WARM] = &options.warm_ms,    [KBPS] = &options.kbps,       [FPS] = &options.fps,
        [GOP] = &options.gop_ms,      [DECRYPT] = &options.decrypt};
    for (int flag; (flag = getopt_long(argc, argv, "", all, NULL)) != -1;) {
        char *end = NULL;
        switch (flag) {
        case WHIP:
            options.whip = optarg;
            break;
        case WHEP:
            options.whep = optarg;
            break;
        case TOKEN:
            options.token = optarg;
            break;
        case NO_RTX:
            options.rtx = false;
            break;
        case GRO:
            options.gro = true;
            break;
        case SHA1:
            options.sha1 = true;
            break;
        case DROP:
            options.drop = strtod(optarg, &end);
            break;
        case PID:
            options.server_pid = (int)strtol(optarg, &end, 10);
            break;
        case HELP:
            usage(stdout);
            exit(0);
        case '?':
            usage(stderr);
            exit(2);
        default:
            *numbers[flag] = (unsigned)strtoul(optarg, &end, 10);
            break;
        }
        if (end != NULL && (*end != '\0' || optarg[0] == '-')) {
            fprintf(stderr, "whip_load: \"%s\" is no number\n", optarg);
            exit(2);
        }
    }
    if (optind != argc || (options.whip == NULL && options.whep == NULL) || options.fps == 0 ||
        options.seconds == 0 || options.viewers > VIEWERS_MAX) {
        usage(stderr);
        exit(2);
    }
    options.viewers = options.whep != NULL ? options.viewers : 0;
}

/* ---- the publisher ---- */

static bool publish(pthread_t *ret)
{
    if (options.whip == NULL) {
        return true;
    }
    publisher.publishes = true;
    client_post(&publisher);
    if (publisher.state == CLIENT_DEAD || pthread_create(ret, NULL, publisher_main, NULL) != 0) {
        return false;
    }
    const leat_time until = now_ns() + 12 * LEAT_SEC;
    while (publisher.state != CLIENT_UP && publisher.state != CLIENT_DEAD && now_ns() < until) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return publisher.state == CLIENT_UP;
}

/* ---- the loop ---- */

static void begin_measuring(struct reading *ret)
{
    for (unsigned i = 0; i < options.viewers; i++) {
        viewers[i].before = viewers[i].counts;
    }
    measuring = true;
    *ret = take_reading();
}

/* Ticks all viewers; how many of them are up or have failed. */
static unsigned tick_all(void)
{
    unsigned settled = 0;
    for (unsigned i = 0; i < options.viewers; i++) {
        viewer_tick(&viewers[i], now_ns());
        const int state = viewers[i].client.state;
        settled += state == CLIENT_UP || state == CLIENT_DEAD;
    }
    return settled;
}

/* Reads what has come, waits 5 ms for it at most. */
static void read_all(int epoll)
{
    struct epoll_event events[256];
    const int len = epoll_wait(epoll, events, 256, 5);
    for (int i = 0; i < len; i++) {
        viewer_read(events[i].data.ptr);
    }
}

/* Until all viewers are up or have failed, and --warm has passed. Some may hang: it is not
 * waited for them for ever. */
static void settle(int epoll)
{
    const leat_time begun = now_ns();
    const leat_time until =
        begun + (leat_time)options.viewers * options.ramp_ms * LEAT_MS + SETTLE_NS;
    leat_time next_tick = 0, next_said = begun + PROGRESS_NS, settled = 0;
    for (;;) {
        read_all(epoll);
        const leat_time now = now_ns();
        if (now < next_tick) {
            continue;
        }
        next_tick = now + TICK_NS;
        const unsigned count = tick_all();
        if (settled == 0 && (count == options.viewers || now > until)) {
            settled = now;
        }
        if (settled != 0 && now - settled >= options.warm_ms * LEAT_MS) {
            return;
        }
        if (now >= next_said) {
            fprintf(stderr, "whip_load: %u of %u viewers have joined or failed\n", count,
                    options.viewers);
            next_said = now + PROGRESS_NS;
        }
    }
}

static void measure(int epoll, struct reading *ret_before, struct reading *ret_after)
{
    leat_time next_tick = 0;
    fprintf(stderr, "whip_load: measuring for %u s\n", options.seconds);
    begin_measuring(ret_before);
    const leat_time end = now_ns() + options.seconds * LEAT_SEC;
    for (leat_time now = now_ns(); now < end; now = now_ns()) {
        read_all(epoll);
        if (now >= next_tick) {
            next_tick = now + TICK_NS;
            (void)tick_all();
        }
    }
    measuring = false;
    *ret_after = take_reading();
}

/* A socket each. */
static bool allow_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return false;
    }
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) == 0 && options.viewers + OTHER_FILES <= files.rlim_cur;
}

static bool prepare(void)
{
    const struct leat_dtls_config config = {.unix_time = time(NULL),
                                            .srtp_profile = options.sha1
                                                                ? LEAT_DTLS_SRTP_AES128_CM_SHA1_80
                                                                : LEAT_DTLS_SRTP_AEAD_AES_128_GCM};
    if (!allow_files()) {
        fprintf(stderr, "whip_load: so many viewers need as many open files; raise ulimit -n\n");
        return false;
    }
    viewers = calloc(options.viewers + 1, sizeof(*viewers));
    if (viewers == NULL || leat_dtls_context_open(&config, &dtls_context) != 0) {
        fprintf(stderr, "whip_load: no memory\n");
        return false;
    }
    for (unsigned i = 0; i < options.viewers; i++) {
        viewers[i].random = i * 7919 + 1;
    }
    return true;
}

int main(int argc, char **argv)
{
    pthread_t publishing;
    struct reading before = {0}, after = {0};
    parse(argc, argv);
    if (!prepare()) {
        return 1;
    }
    if (!publish(&publishing)) {
        printf("{\"ok\": false, \"why\": \"publisher: %s\"}\n", publisher.why);
        return 1;
    }
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!join_begin(epoll)) {
        fprintf(stderr, "whip_load: no thread\n");
        return 1;
    }
    settle(epoll);
    measure(epoll, &before, &after);
    join_end();
    const bool ok = print_report(&before, &after);
    (void)fflush(stdout);
    leave_all();
    for (unsigned i = 0; i < options.viewers; i++) {
        client_end(&viewers[i].client);
    }
    publisher_stop = true;
    if (options.whip != NULL) {
        pthread_join(publishing, NULL);
        client_leave(&publisher);
        client_end(&publisher);
    }
    close(epoll);
    leat_dtls_context_unref(dtls_context);
    free(viewers);
    return ok ? 0 : 1;
}
