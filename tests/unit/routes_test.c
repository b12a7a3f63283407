/* A socket's routes against a naive model. */
#include "helpers.h"
#include "routes.h"

#define PEERS 500u

static uint64_t ended; /* actors, as far as the table is told: more before each call */

static struct leat_addr peer_of(uint32_t i)
{
    struct leat_addr peer;
    char text[32];
    snprintf(text, sizeof(text), "10.0.%u.%u", i / 200, i % 200);
    leat_addr_from_host(text, (uint16_t)(1000 + i % 3), &peer);
    return peer;
}

struct model {
    leat_ref target[PEERS]; /* NONE: not routed */
    bool dead[16];          /* targets, by id */
};

static bool is_alive(void *context, leat_ref target)
{
    const struct model *model = context;
    return !model->dead[target.id];
}

static void check_same(const struct socket *socket, const struct model *model)
{
    uint32_t len = 0;
    for (uint32_t i = 0; i < PEERS; i++) {
        struct leat_addr peer = peer_of(i);
        const struct route *route = routes_find(socket, &peer);
        leat_ref is = route != NULL ? route->target : LEAT_REF_NONE;
        bool gone = model->dead[model->target[i].id] && is.id == 0; /* the dead may go any time */
        CHECK(leat_ref_equal(is, model->target[i]) || gone);
        len += route != NULL;
    }
    CHECK_EQ(socket->routes_len, len);
}

TEST(routes, against_a_model)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct socket socket = {0};
        struct model model = {.target = {{0}}};
        uint64_t random = seed;
        for (uint32_t step = 0; step < 3000; step++) {
            uint32_t i = random_below(&random, PEERS);
            struct leat_addr peer = peer_of(i);
            struct route *route = routes_find(&socket, &peer);
            if (random_below(&random, 3) == 0) {
                if (route != NULL) {
                    routes_remove(&socket, route);
                }
                model.target[i] = LEAT_REF_NONE;
            } else {
                leat_ref target = {.id = 1 + random_below(&random, 15)};
                model.dead[target.id] = false;
                CHECK_EQ(routes_set(&socket, &peer, target, 5, PEERS, ++ended, is_alive, &model), 0);
                CHECK_EQ(routes_find(&socket, &peer)->flags, 5);
                model.target[i] = target;
            }
            if (random_below(&random, 500) == 0) {
                uint64_t dead = 1 + random_below(&random, 15);
                model.dead[dead] = true;
                for (uint32_t k = 0; k < PEERS; k++) { /* nobody asks for them any more */
                    struct leat_addr of = peer_of(k);
                    route = routes_find(&socket, &of);
                    if (model.target[k].id == dead && random_below(&random, 2) == 0) {
                        if (route != NULL) {
                            routes_remove(&socket, route);
                        }
                        model.target[k] = LEAT_REF_NONE;
                    }
                }
            }
            if (step % 100 == 0) {
                check_same(&socket, &model);
            }
        }
        check_same(&socket, &model);
        routes_fini(&socket);
        CHECK_EQ(socket.routes_len, 0);
    }
}

TEST(routes, an_empty_table_finds_nothing)
{
    struct socket socket = {0};
    struct leat_addr peer = peer_of(1);
    CHECK(routes_find(&socket, &peer) == NULL);
    routes_fini(&socket);
    struct model model = {.target = {{0}}};
    CHECK_EQ(routes_set(&socket, &peer, (leat_ref){.id = 1}, 0, 0, ++ended, is_alive, &model), -ENOSPC);
    CHECK(routes_find(&socket, &peer) == NULL);
    routes_fini(&socket);
}

TEST(routes, a_full_table_forgets_the_dead_only)
{
    struct socket socket = {0};
    struct model model = {.target = {{0}}};
    for (uint32_t i = 0; i < 100; i++) {
        struct leat_addr peer = peer_of(i);
        leat_ref target = {.id = 1 + i % 2};
        CHECK_EQ(routes_set(&socket, &peer, target, 0, 100, ++ended, is_alive, &model), 0);
    }
    struct leat_addr extra = peer_of(100), known = peer_of(7);
    uint32_t version = socket.routes_version;
    CHECK_EQ(routes_set(&socket, &extra, (leat_ref){.id = 3}, 0, 100, ++ended, is_alive, &model),
             -ENOSPC);
    CHECK_EQ(routes_set(&socket, &extra, (leat_ref){.id = 3}, 0, 100, ended, NULL, NULL),
             -ENOSPC); /* nobody has ended since: it is not looked through again */
    CHECK(routes_find(&socket, &extra) == NULL);
    CHECK_EQ(routes_set(&socket, &known, (leat_ref){.id = 3}, 0, 100, ++ended, is_alive, &model), 0);
    CHECK_EQ(routes_find(&socket, &known)->target.id, 3); /* to replace one needs no room */
    CHECK(socket.routes_version != version);
    model.dead[1] = true;
    CHECK_EQ(routes_set(&socket, &extra, (leat_ref){.id = 3}, 0, 100, ++ended, is_alive, &model), 0);
    for (uint32_t i = 0; i < 100; i++) {
        struct leat_addr peer = peer_of(i);
        CHECK_EQ(routes_find(&socket, &peer) != NULL, i % 2 == 1);
    }
    CHECK_EQ(socket.routes_len, 51);
    routes_fini(&socket);
}

/* Removed routes do not fill the table up. */
TEST(routes, coming_and_going)
{
    struct socket socket = {0};
    struct model model = {.target = {{0}}};
    for (uint32_t i = 0; i < 20000; i++) {
        struct leat_addr peer = peer_of(i % PEERS);
        peer.port = (uint16_t)i;
        CHECK_EQ(routes_set(&socket, &peer, (leat_ref){.id = 1}, 0, 4, ++ended, is_alive, &model), 0);
        routes_remove(&socket, routes_find(&socket, &peer));
        CHECK(routes_find(&socket, &peer) == NULL);
    }
    CHECK(socket.routes_cap <= 64);
    routes_fini(&socket);
}
