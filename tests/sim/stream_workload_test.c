/* The random workload of streams in simulation, held against the oracles of stream_ledger.c. */
#include "seeds.h"
#include "stream_workload.h"

SEEDS(stream_workload, stream_workload_run)
