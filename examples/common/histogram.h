/* Latencies in log buckets: every power of two is cut into 32, so a value is off by at most 3 %.
 * Plain numbers: it may be copied, sent and added. */
#ifndef LEAT_EXAMPLE_HISTOGRAM_H
#define LEAT_EXAMPLE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The smallest value that `part` (0..1) of all values do not exceed; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, double part);

#endif
