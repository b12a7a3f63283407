/* The bodies of all workloads and floors, for the table in workloads.c. */
#ifndef LEAT_BENCH_RUNS_H
#define LEAT_BENCH_RUNS_H

#include "bench.h"

/* A runtime with nothing to do: what every workload's memory is compared with. */
rep_body idle_run;

/* messages.c */
rep_body pingpong_run, roundtrip_run, counting_run, threadring_run;

/* A ping-pong on a stage that is there already; ns per message. */
struct stage;
int pingpong_measure(struct stage *stage, uint64_t rounds, double *ret_ns);

/* fan.c */
rep_body fjthroughput_run, mailbox_run, big_run;

/* create.c */
rep_body fjcreate_run, idle1m_run, idle_cpu_run;

/* external.c */
rep_body ext_run, ext1_run, wakeup_run;

/* bus.c */
rep_body publish1000_run, publish1000_floor, trace_overhead_run, trace_overhead_floor;

/* group.c */
rep_body group_tick_run, group_tick_floor, group_walk_run, group_walk_floor;

/* deadlines.c */
rep_body deadlines_run;

/* udp.c */
rep_body udp_echo_run, udp_echo_trains_run, udp_echo_trains_whole_run, udp_echo_64x4_run;
rep_body udp_fanout_run, udp_rtt_run;

/* tun.c, tun_floor.c */
rep_body tun_echo_run, tun_echo_offload_run, tun_echo_floor, tun_echo_offload_floor;

/* tcp.c, tcp_floor.c */
rep_body tcp_echo_run, tcp_echo_1000_run, tcp_echo_floor, tcp_echo_1000_floor;

/* floors.c: one thread */
rep_body pingpong_floor, counting_floor, threadring_floor, fjthroughput_floor, mailbox_floor;
rep_body big_floor, fjcreate_floor, idle1m_floor, idle_cpu_floor, deadlines_floor;

/* floors_threads.c: two threads */
rep_body roundtrip_floor, ext_floor, ext1_floor, wakeup_floor;

/* udp_floor.c */
rep_body udp_echo_floor, udp_echo_trains_floor, udp_echo_64x4_floor, udp_fanout_floor;
rep_body udp_rtt_floor;

#endif
