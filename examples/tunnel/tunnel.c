/* A tunnel: packets of a TUN interface over UDP, from one machine to another. There is no
 * encryption. The command line is here; the actor is in actor.c, what it sends in frame.c. */
#include "actor.h"
#include "app.h"
#include "frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MTU_USUAL 1500u /* of the interface, unless the network between cannot carry as much */
#define UDP4_LEN 28u    /* IPv4 and UDP headers */
#define UDP6_LEN 48u

struct settings {
    struct leat_addr peer;
    const char *name;
    const char *addrs;
    uint64_t mtu;          /* 0: as much as fits */
    uint64_t underlay_mtu; /* of the network between */
    bool no_offload;
};

/* "10.9.0.1/24,fd09::1/64" */
static void parse_addrs(const struct flags *flags, const char *text, struct tunnel_config *config)
{
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        char one[LEAT_ADDR_STRLEN] = "";
        if (len < sizeof(one)) {
            memcpy(one, text, len);
        }
        char *slash = strchr(one, '/');
        char *end = slash;
        uint32_t at = config->tun.addrs_len;
        unsigned long prefix_len = slash != NULL ? strtoul(slash + 1, &end, 10) : 0;
        if (slash != NULL) {
            *slash = '\0';
        }
        if (slash == NULL || end == slash + 1 || *end != '\0' || at == TUNNEL_ADDRS_MAX ||
            leat_addr_from_host(one, 0, &config->addrs[at].ip) != 0 ||
            prefix_len > (leat_addr_is_v4(&config->addrs[at].ip) ? 32 : 128)) {
            flags_wrong(flags,
                        "--addr: \"%s\" is no list of up to %d addresses such as "
                        "10.9.0.1/24,fd09::1/64",
                        text, TUNNEL_ADDRS_MAX);
        }
        config->addrs[at].prefix_len = (uint32_t)prefix_len;
        config->tun.addrs_len++;
        text += len + (text[len] == ',');
    }
}

static struct tunnel_config make_config(const struct flags *flags, const struct settings *settings)
{
    struct tunnel_config config = {.local = flags_local(flags), .peer = settings->peer};
    uint32_t headers = leat_addr_is_v4(&settings->peer) ? UDP4_LEN : UDP6_LEN;
    if (settings->peer.port == 0) {
        flags_wrong(flags, "--peer: where the other end is must be said, as 192.0.2.1:7700; "
                           "examples/tunnel/run [FLAG]... tries it on this machine");
    }
    config.datagram_max = (uint32_t)settings->underlay_mtu - headers;
    if (config.datagram_max > LEAT_DATAGRAM_LEN_MAX) {
        config.datagram_max = LEAT_DATAGRAM_LEN_MAX;
    }
    uint32_t fits = config.datagram_max - FRAME_LEN;
    config.tun = (struct leat_tun_config){
        .name = settings->name,
        .flags = LEAT_TUN_UP | (settings->no_offload ? 0u : (uint32_t)LEAT_TUN_OFFLOADS),
        .mtu = settings->mtu != 0 ? (uint32_t)settings->mtu : fits < MTU_USUAL ? fits : MTU_USUAL,
    };
    if (config.tun.mtu > fits) {
        flags_wrong(flags,
                    "--mtu: packets of %u bytes do not fit; --underlay-mtu %u leaves room for %u",
                    config.tun.mtu, (unsigned)settings->underlay_mtu, fits);
    }
    parse_addrs(flags, settings->addrs, &config);
    return config;
}

static void print_totals(const struct app *app, const struct tunnel_totals *totals)
{
    printf(app->flags->json
               ? "{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"garbage\":%" PRIu64
                 ",\"dropped\":%" PRIu64 ",\"errors\":%" PRIu64 "}\n"
               : "sent %" PRIu64 ", received %" PRIu64 ", garbage %" PRIu64 ", dropped %" PRIu64
                 ", errors %" PRIu64 "\n",
           totals->sent, totals->received, totals->garbage, totals->dropped, totals->errors);
}

static int run(struct app *app, const struct tunnel_config *config)
{
    leat_ref ref;
    struct leat_event event;
    int status = leat_spawn(app->controller, &tunnel, config, sizeof(*config), 0, &ref);
    status = status != 0 ? status : leat_monitor(app->controller, ref, 0);
    status = status != 0 ? status : app_start(app);
    while (status == 0 && app_receive(app, &event) == 0) {
        char peer[LEAT_ADDR_STRLEN];
        if (event.kind == LEAT_EVENT_MESSAGE && event.type == TUNNEL_OPEN) {
            struct leat_tun_info info;
            memcpy(&info, event.payload, sizeof(info));
            printf("tunnel %s, MTU %u, to %s\n", info.name, info.mtu,
                   leat_addr_format(&config->peer, peer));
            fflush(stdout);
        } else if (event.kind == LEAT_EVENT_MESSAGE && event.type == TUNNEL_TOTALS) {
            struct tunnel_totals totals;
            memcpy(&totals, event.payload, sizeof(totals));
            print_totals(app, &totals);
        } else if (event.kind == LEAT_EVENT_DOWN && event.status != 0) {
            fprintf(stderr, "tunnel: it ended: %s%s\n", strerror(-event.status),
                    flags_sim(app->flags) ? "; a simulation has no interfaces" : "");
            status = event.status;
            leat_runtime_stop(app->runtime);
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings = {.name = "leat%d", .underlay_mtu = 1500};
    const struct flag own[] = {
        {"peer", "ADDR:PORT", "the other end; needed", FLAG_ADDR, &settings.peer, 0, 0},
        {"name", "NAME", "of the interface; %d: the first that is free", FLAG_TEXT,
         &settings.name, 0, 0},
        {"addr", "ADDR/LEN,...", "addresses of the interface", FLAG_TEXT, &settings.addrs, 0, 0},
        {"mtu", "N", "of the interface; 0: what fits, at most 1500", FLAG_NUMBER, &settings.mtu, 0,
         65535},
        {"underlay-mtu", "N", "of the network between: longer datagrams are not sent", FLAG_NUMBER,
         &settings.underlay_mtu, 576, 65535},
        {"no-offload", NULL, "one packet at a time", FLAG_SWITCH, &settings.no_offload, 0, 0},
        {0},
    };
    struct flags flags = {.program = "tunnel",
                          .about = "Packets of a TUN interface over UDP. Nothing is encrypted.",
                          .own = own,
                          .io = "auto",
                          .workers = 1,
                          .bind = "0.0.0.0",
                          .port = 7700};
    flags_parse(&flags, argc, argv);
    struct tunnel_config config = make_config(&flags, &settings);
    struct leat_config runtime = app_config(&flags);
    struct app app;
    if (app_open(&app, &flags, &runtime) != 0) {
        return 1;
    }
    config.main = leat_controller_ref(app.controller);
    int status = run(&app, &config);
    return app_close(&app) != 0 || status != 0;
}
