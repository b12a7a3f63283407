/* One run of the random workload of streams: everything about it is decided by its seed. */
#ifndef LEAT_TESTS_SIM_STREAM_WORKLOAD_H
#define LEAT_TESTS_SIM_STREAM_WORKLOAD_H

#include "workload.h"

/* As workload_run. */
bool stream_workload_run(uint64_t seed, struct workload_result *ret);

#endif
