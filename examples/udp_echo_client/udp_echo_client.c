/* Loads a UDP echo server for --seconds, one client actor a worker, and prints what came back. The
 * exit status is 1 if that was nothing, or wrong. */
#include "app.h"
#include "client.h"
#include "flight.h"
#include "payload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t window = 64, size = 64, rate;
static struct leat_addr peer;

static const struct flag own_flags[] = {
    {"peer", "ADDR:PORT", "the server", FLAG_ADDR, &peer, 0, 0},
    {"window", "N", "datagrams in flight, each client", FLAG_NUMBER, &window, 1, FLIGHT_SLOTS / 2},
    {"rate", "N", "datagrams a second, each client; 0: no limit", FLAG_NUMBER, &rate, 0, 10000000},
    {"size", "N", "bytes of a datagram", FLAG_NUMBER, &size, PAYLOAD_LEN_MIN,
     LEAT_DATAGRAM_LEN_MAX},
    {0},
};

static int spawn_clients(struct app *app, const struct leat_config *config)
{
    struct client_config client = {
        .local = flags_local(app->flags),
        .peer = peer,
        .report_to = leat_controller_ref(app->controller),
        .window = (uint32_t)window,
        .size = (uint32_t)size,
        .rate = rate,
    };
    int status = 0;
    for (int worker = 0; status == 0 && worker < (int)config->workers; worker++) {
        leat_ref ref;
        status =
            leat_spawn(app->controller, &client_behavior, &client, sizeof(client), worker, &ref);
        if (status == 0) {
            status = leat_monitor(app->controller, ref, 0);
        }
    }
    return status;
}

static void merge(struct client_report *into, const struct leat_event *event)
{
    static struct client_report one;
    memcpy(&one, leat_slice_data(event->body), sizeof(one));
    into->sent += one.sent;
    into->received += one.received;
    into->lost += one.lost;
    into->late += one.late;
    into->wrong += one.wrong;
    into->errors += one.errors;
    into->last_error = one.last_error != 0 ? one.last_error : into->last_error;
    into->first_sent = one.first_sent < into->first_sent ? one.first_sent : into->first_sent;
    into->last_received =
        one.last_received > into->last_received ? one.last_received : into->last_received;
    histogram_merge(&into->latency_ns, &one.latency_ns);
}

static void print(const struct client_report *report, bool json)
{
    const double seconds = report->last_received > report->first_sent
                               ? (double)(report->last_received - report->first_sent) / 1e9
                               : 0;
    const double loss = report->sent > 0 ? (double)report->lost / (double)report->sent : 0;
    const double per_second = seconds > 0 ? (double)report->received / seconds : 0;
    const struct histogram *ns = &report->latency_ns;
    const uint64_t p50 = histogram_quantile(ns, 0.5), p99 = histogram_quantile(ns, 0.99),
                   p999 = histogram_quantile(ns, 0.999);
    char text[LEAT_ADDR_STRLEN];
    leat_addr_format(&peer, text);
    if (json) {
        printf("{\"peer\":\"%s\",\"size\":%" PRIu64 ",\"window\":%" PRIu64 ",\"rate\":%" PRIu64
               ",\"seconds\":%.3f,\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64
               ",\"loss\":%.6f,\"late\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"errors\":%" PRIu64
               ",\"received_per_s\":%.0f,\"latency_ns\":{\"p50\":%" PRIu64 ",\"p99\":%" PRIu64
               ",\"p999\":%" PRIu64 ",\"max\":%" PRIu64 "}}\n",
               text, size, window, rate, seconds, report->sent, report->received, report->lost,
               loss, report->late, report->wrong, report->errors, per_second, p50, p99, p999,
               ns->max);
        return;
    }
    printf("peer      %s, %" PRIu64 " bytes, window %" PRIu64 "\n", text, size, window);
    printf("sent      %" PRIu64 "\n", report->sent);
    printf("received  %" PRIu64 ", %.0f/s over %.1f s\n", report->received, per_second, seconds);
    printf("lost      %" PRIu64 " (%.4f %%), late %" PRIu64 "\n", report->lost, 100 * loss,
           report->late);
    printf("wrong     %" PRIu64 "\n", report->wrong);
    printf("latency   p50 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us\n", (double)p50 / 1e3,
           (double)p99 / 1e3, (double)p999 / 1e3, (double)ns->max / 1e3);
}

int main(int argc, char **argv)
{
    struct flags flags = {
        .program = "udp_echo_client",
        .about = "Loads a UDP echo server and checks every answer.",
        .own = own_flags,
        .light = "--seconds 1 --rate 2000",
        .io = "auto",
        .workers = 1,
        .bind = "0.0.0.0",
        .seconds = 10,
    };
    (void)leat_addr_parse("127.0.0.1:7777", &peer);
    flags_parse(&flags, argc, argv);
    if (!leat_addr_is_v4(&peer) && strcmp(flags.bind, "0.0.0.0") == 0) {
        flags.bind = "::";
    }
    struct leat_config config = app_config(&flags);
    struct app app;
    if (app_open(&app, &flags, &config) != 0) {
        return 1;
    }
    int status = spawn_clients(&app, &config);
    status = status != 0 ? status : app_start(&app);

    static struct client_report all = {.first_sent = LEAT_NEVER};
    struct leat_event event;
    const bool started = status == 0;
    while (started && app_receive(&app, &event) == 0) {
        if (event.kind == LEAT_EVENT_MESSAGE && event.type == CLIENT_REPORT) {
            merge(&all, &event);
        } else if (event.kind == LEAT_EVENT_DOWN && event.status != 0) {
            app_complain(&app, "send from here", event.status);
            status = event.status;
            leat_runtime_stop(app.runtime);
        }
        leat_event_release(&event);
    }
    print(&all, flags.json);
    if (all.received == 0) {
        fprintf(stderr, "udp_echo_client: nothing came back%s%s\n", all.last_error ? ": " : "",
                all.last_error ? strerror((int)-all.last_error) : "; is a server running there?");
    }
    const bool good = app_close(&app) == 0 && status == 0 && all.received > 0 && all.wrong == 0;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
