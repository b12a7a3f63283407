/* The random workload of the bus in simulation, held against the oracles of bus_ledger.c. */
#include "bus_workload.h"
#include "seeds.h"

SEEDS(bus_workload, bus_workload_run)
