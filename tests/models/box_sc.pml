/* The mailbox, on sequentially consistent memory: every access is one step, in program order. */

#define LD(a, v)    v = mem[a]
#define ST(a, v)    mem[a] = (v)
#define DRAINED     true
#define FENCE       skip

#include "box.inc"

init { atomic { start() } }
