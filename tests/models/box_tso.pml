/*
 * The mailbox, on x86-TSO: each process has a store buffer of one entry, which
 * memory takes whenever it likes. A load sees the process's own entry first; a
 * locked operation and a fence wait until it is gone.
 */

#define NOWHERE     255
#define NPROC       6                   /* by _pid: init, up to 4 producers, the worker */

byte sb_addr[NPROC] = NOWHERE;
byte sb_val[NPROC];

#define LD(a, v)    v = (sb_addr[_pid] == (a) -> sb_val[_pid] : mem[a])
#define ST(a, v)    atomic { DRAINED -> sb_val[_pid] = (v); sb_addr[_pid] = (a) }
#define DRAINED     sb_addr[_pid] == NOWHERE
#define FENCE       DRAINED

#include "box.inc"

proctype buffer(byte p) {
end:
    do
    :: d_step {
           sb_addr[p] != NOWHERE ->
           mem[sb_addr[p]] = sb_val[p];
           sb_addr[p] = NOWHERE; sb_val[p] = 0
       }
    od
}

init {
    byte b;

    atomic {
        start();
        for (b : 1 .. NP + 1) { run buffer(b) }
        b = 0
    }
}
