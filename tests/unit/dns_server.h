/* A name server for tests, in a thread, on a port of 127.0.0.1 over UDP and TCP. What it says follows from the first
 * part of the name it is asked for: see dns_reply. */
#ifndef LEAT_TESTS_DNS_SERVER_H
#define LEAT_TESTS_DNS_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

#define DNS_LEN_MAX 4096
#define DNS_A 1
#define DNS_CNAME 5
#define DNS_AAAA 28
#define DNS_BIG 20 /* addresses of "big" */

struct dns_server {
    int udp, tcp, quit;
    char servers[32]; /* "127.0.0.1:port" */
    pthread_t thread;
    unsigned queries, tcp_queries; /* after dns_close */
};

struct dns_query {
    uint8_t bytes[DNS_LEN_MAX];
    size_t len;      /* all of it */
    size_t name_end; /* behind type and class */
    char first[64];  /* label */
    uint16_t type;
};

static inline bool dns_parse(struct dns_query *query)
{
    size_t at = 12;
    memset(query->first, 0, sizeof(query->first));
    while (at < query->len && query->bytes[at] != 0) {
        size_t label = query->bytes[at];
        if (label > 63 || at + 1 + label >= query->len) {
            return false;
        }
        if (at == 12) {
            memcpy(query->first, query->bytes + at + 1, label);
        }
        at += 1 + label;
    }
    query->name_end = at + 5;
    if (query->name_end > query->len) {
        return false;
    }
    query->type = (uint16_t)(query->bytes[at + 1] << 8 | query->bytes[at + 2]);
    return true;
}

/* A record about the name at `pointer`; returns where the next one goes. */
static inline size_t dns_record(uint8_t *reply, size_t at, uint16_t pointer, uint16_t type,
                                uint32_t ttl, const void *data, uint16_t len)
{
    const uint8_t head[12] = {(uint8_t)(0xc0 | pointer >> 8),
                              (uint8_t)pointer,
                              (uint8_t)(type >> 8),
                              (uint8_t)type,
                              0,
                              1,
                              (uint8_t)(ttl >> 24),
                              (uint8_t)(ttl >> 16),
                              (uint8_t)(ttl >> 8),
                              (uint8_t)ttl,
                              (uint8_t)(len >> 8),
                              (uint8_t)len};
    memcpy(reply + at, head, sizeof(head));
    memcpy(reply + at + sizeof(head), data, len);
    reply[7]++; /* ANCOUNT */
    return at + sizeof(head) + len;
}

static inline bool dns_is(const struct dns_query *query, const char *first)
{
    return strcmp(query->first, first) == 0;
}

static inline size_t dns_address(const struct dns_query *query, uint8_t *reply, size_t at,
                                 uint32_t ttl, unsigned n)
{
    const uint8_t v4[4] = {10, 0, (uint8_t)(n >> 8), (uint8_t)n};
    uint8_t v6[16] = {0xfd, 0, [14] = (uint8_t)(n >> 8), [15] = (uint8_t)n};
    return query->type == DNS_A      ? dns_record(reply, at, 12, DNS_A, ttl, v4, sizeof(v4))
           : query->type == DNS_AAAA ? dns_record(reply, at, 12, DNS_AAAA, ttl, v6, sizeof(v6))
                                     : at;
}

/* Returns its length; 0: nothing is said. */
static inline size_t dns_reply(const struct dns_query *query, bool over_tcp, uint8_t *reply)
{
    size_t at = query->name_end;
    memcpy(reply, query->bytes, at);
    memset(reply + 6, 0, 6);
    reply[2] = 0x81; /* an answer, recursion was desired */
    reply[3] = 0x80;
    if (dns_is(query, "silent")) {
        return 0;
    }
    if (dns_is(query, "nx")) {
        reply[3] |= 3;
    } else if (dns_is(query, "fail")) {
        reply[3] |= 2;
    } else if (dns_is(query, "refused")) {
        reply[3] |= 5;
    } else if (dns_is(query, "garbage")) {
        reply[7] = 1; /* an answer that is not there */
        memset(reply + at, 0xc0, 40);
        at += 40;
    } else if (dns_is(query, "cut")) {
        at = 13;
    } else if (dns_is(query, "loop")) { /* a name that points to itself */
        uint8_t own[2] = {(uint8_t)(0xc0 | (at + 12) >> 8), (uint8_t)(at + 12)};
        at = dns_record(reply, at, 12, DNS_CNAME, 60, own, sizeof(own));
    } else if (dns_is(query, "cname") && query->type == DNS_A) {
        static const uint8_t other[] = {5, 'o', 't', 'h', 'e', 'r', 4, 't', 'e', 's', 't', 0};
        static const uint8_t v4[4] = {10, 0, 0, 9};
        uint16_t target = (uint16_t)(at + 12);
        at = dns_record(reply, at, 12, DNS_CNAME, 30, other, sizeof(other));
        at = dns_record(reply, at, target, DNS_A, 60, v4, sizeof(v4));
    } else if (dns_is(query, "big") && !over_tcp) {
        reply[2] |= 2; /* truncated */
    } else if (dns_is(query, "big")) {
        for (unsigned i = 0; i < DNS_BIG; i++) {
            at = dns_address(query, reply, at, 60, i);
        }
    } else if (dns_is(query, "v4") || dns_is(query, "both") || query->first[0] == 'n') {
        at = query->type == DNS_A || dns_is(query, "both")
                 ? dns_address(query, reply, at, 60, (unsigned)atoi(query->first + 1))
                 : at;
    } else if (dns_is(query, "mapped") && query->type == DNS_AAAA) {
        static const uint8_t v6[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
        at = dns_record(reply, at, 12, DNS_AAAA, 60, v6, sizeof(v6));
    } else if (dns_is(query, "v6") && query->type == DNS_AAAA) {
        at = dns_address(query, reply, at, 60, 6);
    }
    return at;
}

static inline void dns_over_udp(struct dns_server *server)
{
    struct dns_query query;
    uint8_t reply[DNS_LEN_MAX];
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    ssize_t got = recvfrom(server->udp, query.bytes, sizeof(query.bytes), MSG_DONTWAIT,
                           (struct sockaddr *)&from, &from_len);
    query.len = got > 0 ? (size_t)got : 0;
    if (got <= 0 || !dns_parse(&query)) {
        return;
    }
    server->queries++;
    if (strcmp(query.first, "nnoise") == 0) { /* others' answers first, and what is none at all */
        uint8_t other[64] = {0};
        memcpy(other, query.bytes, 40);
        other[0] ^= 1;
        other[2] = 0x81;
        sendto(server->udp, other, 40, 0, (struct sockaddr *)&from, from_len);
        sendto(server->udp, other, 3, 0, (struct sockaddr *)&from, from_len);
        sendto(server->udp, other, 0, 0, (struct sockaddr *)&from, from_len);
    }
    size_t len = dns_reply(&query, false, reply);
    if (len > 0) {
        sendto(server->udp, reply, len, 0, (struct sockaddr *)&from, from_len);
    }
}

/* One question, answered in two pieces. */
static inline void dns_over_tcp(struct dns_server *server)
{
    struct dns_query query;
    uint8_t reply[DNS_LEN_MAX + 2];
    uint8_t len[2];
    int fd = accept4(server->tcp, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    struct timeval wait = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (recv(fd, len, 2, MSG_WAITALL) == 2) {
        query.len = (size_t)(len[0] << 8 | len[1]);
        if (query.len <= sizeof(query.bytes) &&
            recv(fd, query.bytes, query.len, MSG_WAITALL) == (ssize_t)query.len &&
            dns_parse(&query)) {
            server->queries++;
            server->tcp_queries++;
            size_t n = dns_reply(&query, true, reply + 2);
            reply[0] = (uint8_t)(n >> 8);
            reply[1] = (uint8_t)n;
            send(fd, reply, 30, MSG_NOSIGNAL);
            usleep(10000);
            send(fd, reply + 30, n + 2 - 30, MSG_NOSIGNAL);
        }
    }
    while (recv(fd, query.bytes, sizeof(query.bytes), 0) > 0) { /* until the other side closes it */
    }
    close(fd);
}

static inline void *dns_run(void *context)
{
    struct dns_server *server = context;
    struct pollfd fds[3] = {{.fd = server->udp, .events = POLLIN},
                            {.fd = server->tcp, .events = POLLIN},
                            {.fd = server->quit, .events = POLLIN}};
    while (poll(fds, 3, -1) > 0 && fds[2].revents == 0) {
        if (fds[0].revents != 0) {
            dns_over_udp(server);
        }
        if (fds[1].revents != 0) {
            dns_over_tcp(server);
        }
    }
    return NULL;
}

static inline void dns_open(struct dns_server *server)
{
    struct sockaddr_in local;
    socklen_t len = sizeof(local);
    int status = -1;
    int room = 1 << 20;
    memset(server, 0, sizeof(*server));
    for (int i = 0; i < 20 && status != 0; i++) { /* the same port for both */
        local = (struct sockaddr_in){.sin_family = AF_INET};
        local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(bind(server->udp, (struct sockaddr *)&local, sizeof(local)) == 0);
        REQUIRE(getsockname(server->udp, (struct sockaddr *)&local, &len) == 0);
        status = bind(server->tcp, (struct sockaddr *)&local, sizeof(local));
        if (status != 0) {
            close(server->udp);
            close(server->tcp);
        }
    }
    REQUIRE(status == 0);
    setsockopt(server->udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    REQUIRE(listen(server->tcp, 10) == 0);
    server->quit = eventfd(0, EFD_CLOEXEC);
    snprintf(server->servers, sizeof(server->servers), "127.0.0.1:%u", ntohs(local.sin_port));
    REQUIRE(pthread_create(&server->thread, NULL, dns_run, server) == 0);
}

static inline void dns_close(struct dns_server *server)
{
    uint64_t one = 1;
    CHECK_EQ(write(server->quit, &one, sizeof(one)), sizeof(one));
    pthread_join(server->thread, NULL);
    close(server->udp);
    close(server->tcp);
    close(server->quit);
}

#endif
