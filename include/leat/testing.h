/* The testing kit: one actor without a runtime, or a whole runtime in simulation.
 *
 * One actor: a probe owns the actor and the time. Give it an event, then read its outputs; the probe
 * keeps the drain rule and refuses a second event while outputs are left.
 *
 *   struct leat_output out;
 *   leat_probe *probe = leat_probe_open(&echo_behavior, &arg, 0);
 *   while (leat_probe_pop(probe, &out)) { ... leat_output_release(&out); }   what init wants
 *   struct leat_event event = leat_probe_message(7, "hi", 2);
 *   leat_probe_give(probe, &event);
 *   while (leat_probe_pop(probe, &out)) { ... leat_output_release(&out); }   what the event causes
 *   leat_probe_close(probe);
 *
 * A whole runtime: leat_config_default() with io = "sim", a seed and several workers; then
 * leat_receive runs it in virtual time, and leat_sim_hash tells two runs apart. */
#ifndef LEAT_TESTING_H
#define LEAT_TESTING_H

#include <leat/actor.h>
#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leat_probe leat_probe;

/* Makes the actor and calls init. NULL: no memory. leat_probe_status tells what init returned. One
 * thread; never blocks. */
LEAT_API leat_probe *leat_probe_open(const struct leat_behavior *behavior, const void *arg,
                                     leat_time now);

/* Calls fini, unless the actor has ended, and frees. */
LEAT_API void leat_probe_close(leat_probe *probe);

/* The actor's state, for looking into, and the ref that leat_self gives it. */
LEAT_API void *leat_probe_state(leat_probe *probe);
LEAT_API leat_ref leat_probe_ref(const leat_probe *probe);

/* Gives one input; its `now` is set to the probe's time. 0; -EBUSY until leat_probe_pop has returned
 * false once since the last; -ESRCH when the actor has ended. The event's body stays the caller's. */
LEAT_API int leat_probe_give(leat_probe *probe, struct leat_event *event);

/* The next output, false when there are none (the drain has ended). A body in it is the caller's:
 * leat_output_release. STOP and FAIL end the actor: fini has run when it returns. */
LEAT_API bool leat_probe_pop(leat_probe *probe, struct leat_output *ret);

/* Hands the output just popped back to on_refused, as a full mailbox would. */
LEAT_API void leat_probe_refuse(leat_probe *probe, struct leat_output *output, int status);

/* What deadline() said when the last drain ended, LEAT_NEVER if there is none. */
LEAT_API leat_time leat_probe_deadline(const leat_probe *probe);

/* Moves time forward by `ns`; gives DEADLINE if the deadline has come and nothing is left to pop.
 * Returns whether it did. */
LEAT_API bool leat_probe_advance(leat_probe *probe, leat_time ns);

/* 0 while it runs; 1 after STOP; the negative status after FAIL or a failed init. */
LEAT_API int leat_probe_status(const leat_probe *probe);

/* Events to give: a message (up to LEAT_INLINE_MAX bytes, cut), and a datagram with a body of its
 * own, which the caller gives back with leat_event_release. */
LEAT_API struct leat_event leat_probe_message(uint32_t type, const void *payload, size_t len);
LEAT_API struct leat_event leat_probe_datagram(leat_sock sock, const struct leat_addr *peer,
                                               const void *bytes, uint32_t len);

#ifdef __cplusplus
}
#endif

#endif
