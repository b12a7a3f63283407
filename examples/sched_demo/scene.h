/* Who is there, and what can be done to them: spawns the actors of a runtime, and carries out what
 * keys and the script ask for. The controller's thread only. */
#ifndef SCHED_DEMO_SCENE_H
#define SCHED_DEMO_SCENE_H

#include "actors.h"
#include "app.h"

struct scene_config {
    uint64_t tickers;
    uint64_t messages;  /* a second, each producer, at a load of 100 % */
    uint64_t datagrams; /* a second, each client, the same */
    uint64_t publish;   /* a second, each publisher of news, the same; twice as many on video */
    uint64_t members;   /* of the group that hears the news; 0: no group */
};

#define SCENE_CAST_MAX 12u
#define SCENE_ORDERS_MAX 512u /* two for each worker, and some keys more */

/* A message to an actor whose mailbox may be full just now. */
struct order {
    leat_ref to;
    uint32_t type;
    uint32_t len;
    uint8_t payload[LEAT_INLINE_MAX];
};

struct scene {
    struct app *app;
    struct scene_config config;
    int workers;
    int status;    /* the first error, of a spawn; none is expected */
    uint64_t load; /* percent */
    bool slow, full, stopped;
    bool strained; /* so much was asked for that datagrams may have been lost */

    leat_ref router, echo, flooder, small, ticker, ring, group;
    leat_channel news, video;
    leat_ref reporters[LEAT_WORKERS_MAX]; /* publish on news */
    leat_ref camera, viewer;              /* publishes on video, hears it */
    leat_ref producers[LEAT_WORKERS_MAX];
    leat_ref consumers[RELAY_TO_MAX];
    uint32_t consumers_len, consumers_min;

    struct { /* those worth watching, by name */
        const char *name;
        const leat_ref *actor; /* of this scene */
    } cast[SCENE_CAST_MAX];
    uint32_t cast_len;

    struct order orders[SCENE_ORDERS_MAX]; /* oldest first */
    uint32_t orders_len;
};

#define SCENE_LOAD_MIN 12u /* percent */
#define SCENE_LOAD_MAX 12800u
#define SCENE_LOAD_SIM_MAX 800u /* all of it in one thread, which the view waits for */

/* Spawns all of it. 0, or the first error. */
int scene_open(struct scene *scene, struct app *app, const struct scene_config *config,
               int workers);

/* Gives orders that had no room before. Once a frame. */
void scene_turn(struct scene *scene);

/* What the producers send and the clients too, in percent of what the flags say. */
void scene_set_load(struct scene *scene, uint64_t percent);

/* As many consumers more as there were workers, or fewer. False: there are as many, or as few, as there
 * can be. */
bool scene_more(struct scene *scene);
bool scene_fewer(struct scene *scene);

/* Each producer sends `len` messages at once. */
void scene_burst(struct scene *scene, uint64_t len);

/* Breaks something, or puts it right: a consumer holds its worker for 20 ms per message; a small
 * mailbox is flooded, by a subscriber who misses half of what it hears; a consumer is stopped, and the router not told. */
void scene_set_slow(struct scene *scene, bool slow);
void scene_set_full(struct scene *scene, bool full);
void scene_set_stopped(struct scene *scene, bool stopped);

#endif
