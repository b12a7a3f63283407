/* The front door of DTLS. The first byte of the input says how it is read:
 *
 * - even: each two bytes of length and so many bytes are a datagram for a passive side;
 * - odd: a program of what becomes of the datagrams of a handshake between two sides of ours, one
 *   byte each and what it needs: delivered, lost, repeated, held back, changed, cut, made up, or time
 *   passes, or a side finishes or is settled.
 *
 * Properties: nothing aborts; what leaves is bounded and DTLS; whatever is done to the datagrams,
 * two sides that are connected have the same keys; the queue of errors is left empty; nothing comes
 * after the end but what waited. */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include <leat/dtls.h>

#include "fuzz.h"

enum { HELD_MAX = 32, STEPS_MAX = 200 };

struct datagram {
    unsigned to;
    size_t len;
    uint8_t data[LEAT_DTLS_DATAGRAM_LEN_MAX];
};

struct scene {
    const uint8_t *data; /* what is left of the input */
    size_t size;
    leat_time now;
    leat_dtls *side[2];
    struct datagram held[HELD_MAX]; /* on the way, the first first */
    unsigned held_count;
};

static leat_dtls_context *contexts[2];
static struct leat_dtls_fingerprint fingerprints[2];

static void open_contexts(void)
{
    const struct leat_dtls_config config = {.unix_time = 1700000000};
    for (unsigned i = 0; i < 2; i++) {
        REQUIRE(leat_dtls_context_open(&config, &contexts[i]) == 0);
        const char *text = leat_dtls_context_fingerprint(contexts[i]);
        REQUIRE(leat_dtls_fingerprint_parse(text, strlen(text), &fingerprints[i]) == 0);
    }
}

static unsigned take(struct scene *s)
{
    if (s->size == 0) {
        return 0;
    }
    s->size--;
    return *s->data++;
}

static void drain(struct scene *s, unsigned from)
{
    const uint8_t *data = NULL;
    size_t len = 0, sum = 0;
    REQUIRE(ERR_peek_error() == 0);
    while (leat_dtls_transmit(s->side[from], &data, &len)) {
        sum += len;
        REQUIRE(len > 0 && len <= LEAT_DTLS_DATAGRAM_LEN_MAX && leat_dtls_is(data, len));
        if (s->side[1] && s->held_count < HELD_MAX) {
            struct datagram *const held = &s->held[s->held_count++];
            held->to = !from;
            held->len = len;
            memcpy(held->data, data, len);
        }
    }
    REQUIRE(sum <= 16384);
}

static void feed(struct scene *s, unsigned to, const uint8_t *data, size_t len)
{
    uint8_t *const block = malloc(len ? len : 1);
    const enum leat_dtls_state before = leat_dtls_state(s->side[to], NULL);
    struct leat_dtls_error error;
    memcpy(block, data, len);
    leat_dtls_receive(s->side[to], s->now, block, len);
    free(block);
    const enum leat_dtls_state after = leat_dtls_state(s->side[to], &error);
    REQUIRE(after >= before && (before < LEAT_DTLS_CLOSED || after == before));
    REQUIRE((error.status != 0) == (after == LEAT_DTLS_FAILED) && error.why);
    REQUIRE(after == LEAT_DTLS_HANDSHAKING || leat_dtls_deadline(s->side[to]) == LEAT_NEVER);
    drain(s, to);
}

static void check_keys(struct scene *s)
{
    struct leat_dtls_srtp_keys keys[2];
    if (leat_dtls_keys(s->side[0], &keys[0]) == 0 && leat_dtls_keys(s->side[1], &keys[1]) == 0) {
        REQUIRE(keys[0].profile == keys[1].profile);
        REQUIRE(memcmp(keys[0].local_key, keys[1].remote_key, 16) == 0);
        REQUIRE(memcmp(keys[0].remote_key, keys[1].local_key, 16) == 0);
        REQUIRE(memcmp(keys[0].local_salt, keys[1].remote_salt, 14) == 0);
        REQUIRE(memcmp(keys[0].remote_salt, keys[1].local_salt, 14) == 0);
    }
}

static void pass_time(struct scene *s, unsigned side)
{
    const leat_time deadline = leat_dtls_deadline(s->side[side]);
    if (deadline != LEAT_NEVER) {
        s->now = deadline > s->now ? deadline : s->now;
        leat_dtls_timeout(s->side[side], s->now);
        drain(s, side);
    }
}

/* Takes the first datagram off those on the way. */
static struct datagram next(struct scene *s)
{
    const struct datagram first = s->held[0];
    s->held_count--;
    memmove(s->held, s->held + 1, s->held_count * sizeof(s->held[0]));
    return first;
}

static void make_up(struct scene *s, unsigned to)
{
    const size_t wanted = take(s), len = wanted < s->size ? wanted : s->size;
    const uint8_t *const bytes = s->data;
    s->data += len;
    s->size -= len;
    feed(s, to, bytes, len);
}

static void step(struct scene *s)
{
    const unsigned choice = take(s) % 12;
    if (choice >= 9 || s->held_count == 0) {
        if (choice == 9) {
            make_up(s, take(s) & 1);
        } else if (choice == 10) {
            const unsigned how = take(s);
            (how & 2 ? leat_dtls_settle : leat_dtls_finish)(s->side[how & 1]);
        } else {
            pass_time(s, take(s) & 1);
        }
        return;
    }
    struct datagram one = next(s);
    switch (choice) {
    case 5:
        break; /* lost */
    case 6:    /* held back, behind all the others */
        s->held[s->held_count++] = one;
        break;
    case 7: /* changed */
        one.data[(take(s) << 8 | take(s)) % one.len] ^= (uint8_t)take(s);
        feed(s, one.to, one.data, one.len);
        break;
    case 8: /* cut */
        feed(s, one.to, one.data, (take(s) << 8 | take(s)) % (one.len + 1));
        break;
    case 4: /* twice */
        feed(s, one.to, one.data, one.len);
        feed(s, one.to, one.data, one.len);
        break;
    default:
        feed(s, one.to, one.data, one.len);
        break;
    }
}

static void run_program(struct scene *s)
{
    REQUIRE(leat_dtls_open(contexts[1], LEAT_DTLS_ACTIVE, &fingerprints[0], 1, s->now,
                           &s->side[1]) == 0);
    drain(s, 1);
    for (unsigned i = 0; i < STEPS_MAX && (s->size || s->held_count); i++) {
        step(s);
        check_keys(s);
    }
}

static void run_datagrams(struct scene *s)
{
    while (s->size) {
        const size_t wanted = (size_t)take(s) << 8 | take(s);
        const size_t len = wanted < s->size ? wanted : s->size;
        const uint8_t *const bytes = s->data;
        s->data += len;
        s->size -= len;
        if (len == 0) {
            pass_time(s, 0);
        }
        feed(s, 0, bytes, len);
        REQUIRE(leat_dtls_state(s->side[0], NULL) != LEAT_DTLS_CONNECTED); /* nobody has the key */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scene scene;
    if (!contexts[0]) {
        open_contexts();
    }
    memset(&scene, 0, sizeof(scene));
    scene.data = data;
    scene.size = size;
    scene.now = LEAT_SEC;
    const bool is_program = take(&scene) & 1;
    REQUIRE(leat_dtls_open(contexts[0], LEAT_DTLS_PASSIVE, &fingerprints[1], 1, scene.now,
                           &scene.side[0]) == 0);
    if (is_program) {
        run_program(&scene);
    } else {
        run_datagrams(&scene);
    }
    leat_dtls_close(scene.side[0]);
    leat_dtls_close(scene.side[1]);
    REQUIRE(ERR_peek_error() == 0);
    return 0;
}
