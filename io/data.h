/* What every backend demands of a DATA operation. */
#ifndef LEAT_IO_DATA_H
#define LEAT_IO_DATA_H

#include <errno.h>

#include "io.h"

/* 0 and how many datagrams it is, or -EMSGSIZE, or -EINVAL: no port, or an address of a family that
 * the socket does not speak. */
static inline int data_check(const struct io_op *op, bool speaks_v4, bool speaks_v6,
                             uint32_t *ret_segments)
{
    uint32_t len = op->data.body.len;
    uint32_t size = op->data.segment_size;
    bool train = size != 0 && size < len;
    if (len > (train ? BUF_TRAIN_LEN : LEAT_DATAGRAM_LEN_MAX)) {
        return -EMSGSIZE;
    }
    uint32_t segments = train ? (len + size - 1) / size : 1;
    if (segments > IO_TRAIN_SEGMENTS_MAX || (train && size > LEAT_DATAGRAM_LEN_MAX)) {
        return -EMSGSIZE;
    }
    bool v4 = leat_addr_is_v4(op->data.peer);
    bool local_fits = op->data.local == NULL || leat_addr_is_v4(op->data.local) == v4;
    if (op->data.peer->port == 0 || !(v4 ? speaks_v4 : speaks_v6) || !local_fits) {
        return -EINVAL;
    }
    *ret_segments = segments;
    return 0;
}

#endif
