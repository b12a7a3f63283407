/* The random workload in simulation, held against the oracles of ledger.c. */
#include "seeds.h"

SEEDS(workload, workload_run)
