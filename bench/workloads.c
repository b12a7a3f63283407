/* The table of workloads. The first nine are those of the Savina suite with their usual parameters;
 * the counts in "quick" are only enough to show that the workload runs and its result holds. */
#include <string.h>

#include "runs.h"

#define SECOND UINT64_C(1000000000)
#define MILLI UINT64_C(1000000)

static const struct workload workloads[] = {
    {"pingpong", "2 actors, 2,000,000 round trips; ns per message", pingpong_run, pingpong_floor,
     "exchange queues on one thread", 2000000, 20000, 5, WORKLOAD_MESSAGES, 1, false},
    {"counting", "one actor sends another 10,000,000 increments, then asks; ns per increment",
     counting_run, counting_floor, "an exchange queue, bursts of 64 preallocated", 10000000, 100000,
     5, WORKLOAD_MESSAGES, 1, false},
    {"threadring", "100 actors, 2,000,000 hops; ns per hop", threadring_run, threadring_floor,
     "exchange queues on one thread", 2000000, 20000, 5, WORKLOAD_MESSAGES, 1, false},
    {"fjthroughput", "one driver, 100,000 messages to each of 60 actors; ns per message",
     fjthroughput_run, fjthroughput_floor, "exchange queues, bursts of 64 preallocated", 100000,
     1000, 5, WORKLOAD_MESSAGES, 1, false},
    {"fjcreate", "1,000,000 actors made, sent one message each, and ended; ns per actor",
     fjcreate_run, fjcreate_floor, "malloc, dispatch, free", 1000000, 10000, 5, WORKLOAD_MESSAGES,
     1, false},
    {"idle1m", "1,000,000 live idle actors with 32 bytes of state; ns to make one, bytes of each",
     idle1m_run, idle1m_floor, "malloc of 160 bytes, cleared", 1000000, 20000, 5, WORKLOAD_MESSAGES,
     1, false},
    {"big", "120 actors, 10,000 pings of each to random others; ns per message", big_run, big_floor,
     "exchange queues on one thread", 10000, 100, 5, WORKLOAD_MESSAGES, 1, false},
    {"mailbox", "100 actors send 100,000 messages each to one; ns per message", mailbox_run,
     mailbox_floor, "a take-all stack on one thread", 100000, 1000, 5, WORKLOAD_MESSAGES, 1, false},
    {"ext", "a thread outside keeps 400 messages in flight over 2 echo actors; ns per echo",
     ext_run, ext_floor, "exchange queues between two threads", 2000000, 20000, 5,
     WORKLOAD_ONE | WORKLOAD_TWO, 1, false},
    {"ext1", "the same with one in flight, hot, and after a pause (cold_ns); ns per echo",
     ext1_run, ext1_floor, "exchange queues; cold: eventfd and epoll", 200000, 5000, 5,
     WORKLOAD_ONE | WORKLOAD_TWO, 1, false},
    {"idle_cpu", "100,000 idle actors, 10 s; ns of CPU in each second", idle_cpu_run,
     idle_cpu_floor, "a process that sleeps", 10 * SECOND, 200 * MILLI, 1,
     WORKLOAD_ONE | WORKLOAD_TWO, 1, false},
    {"deadlines", "1,000,000 pending deadlines; ns to arm one, by a message, and to fire it",
     deadlines_run, deadlines_floor, "a binary heap", 1000000, 5000, 3, WORKLOAD_ONE, 1, false},
    {"roundtrip", "ping-pong between two workers; ns per message", roundtrip_run, roundtrip_floor,
     "exchange queues between two threads", 2000000, 20000, 5, WORKLOAD_TWO, 2, false},
    {"wakeup", "a message to a sleeping worker; ns until its actor has it (median)", wakeup_run,
     wakeup_floor, "eventfd and epoll", 2000, 40, 5, WORKLOAD_ONE, 1, false},
    {"udp_echo", "64-byte datagrams of 256 peers echoed; ns per datagram", udp_echo_run,
     udp_echo_floor, "epoll, recvmmsg, sendmmsg", SECOND / 2, 40 * MILLI, 5, WORKLOAD_ONE, 1, true},
    {"udp_echo_trains", "trains of 32 of one peer echoed, an event for each datagram",
     udp_echo_trains_run, udp_echo_trains_floor, "epoll, GRO, GSO, whole trains", SECOND / 2,
     40 * MILLI, 5, WORKLOAD_ONE, 1, true},
    {"udp_echo_trains_whole", "trains of 32 of one peer echoed, an event for each train",
     udp_echo_trains_whole_run, udp_echo_trains_floor, "epoll, GRO, GSO, whole trains", SECOND / 2,
     40 * MILLI, 5, WORKLOAD_ONE, 1, true},
    {"udp_echo_64x4", "trains of 4 of 64 peers echoed, an event for each datagram",
     udp_echo_64x4_run, udp_echo_64x4_floor, "epoll, GRO, GSO, whole trains", SECOND / 2,
     40 * MILLI, 5, WORKLOAD_ONE, 1, true},
    {"udp_fanout", "each request answered to 64 peers, one body; ns per datagram sent",
     udp_fanout_run, udp_fanout_floor, "epoll, recvmmsg, sendmmsg", SECOND / 2, 40 * MILLI, 5,
     WORKLOAD_ONE, 1, true},
    {"udp_rtt", "64-byte round trip, spinning, and with a sleeping server; ns (median)",
     udp_rtt_run, udp_rtt_floor, "recvmmsg in a loop; sleeping: epoll", 20000, 500, 5,
     WORKLOAD_ONE, 1, true},
};

const struct workload *workload_at(size_t index)
{
    return index < sizeof(workloads) / sizeof(workloads[0]) ? &workloads[index] : NULL;
}

const struct workload *workload_find(const char *name)
{
    const struct workload *workload;
    for (size_t i = 0; (workload = workload_at(i)) != NULL; i++) {
        if (strcmp(workload->name, name) == 0) {
            return workload;
        }
    }
    return NULL;
}
