/*
 * Waiting for room in a full box: actors/park.c.
 *
 * Senders on workers of their own, and one on R's worker B, send with mode wait
 * to R; a stranger sends with mode refuse. A sender that finds the box full is
 * parked, and a note with its one held output goes through R's door. From then
 * on B alone decides; the note comes back, through the sender's control lane,
 * with the end of the wait.
 *
 * Doors and control lanes are channels here: that they lose nothing, keep each
 * sender's order and wake the worker is shown by box_*.pml. Each node keeps its
 * count in `inside` until it is collected.
 */

#ifndef NS
#define NS 2            /* senders on other workers */
#endif
#ifndef NM
#define NM 2            /* messages each */
#endif
#ifndef NL
#define NL 1            /* messages of the sender on B */
#endif
#ifndef NX
#define NX 1            /* messages of the stranger */
#endif
#ifndef LIMIT
#define LIMIT 2
#endif
#define HALF (LIMIT / 2)

#define LOCAL       NS                          /* who the sender on B is */
#define NODE(s, m)  ((s)*NM + (m) + 1)
#define STRANGE     0                           /* a node of the stranger's */
#define PARK(s)     (100 + (s))                 /* a note */

mtype = { moved, refused, dead_letter };        /* how a wait ends */

byte inside, len_now;                           /* of R's door; of its box */
bool dead;                                      /* R */
bool closed;                                    /* somebody waits for R: no room for anyone else */
chan door = [LIMIT + NS + 1] of { byte };       /* pushed, not yet collected */
chan box = [2*LIMIT] of { byte };             
chan waiters = [NS + 1] of { byte };            /* oldest first */
chan control[NS] = [1] of { mtype };            /* of the remote senders: the note, back */
byte held[NS + 1];                              /* the output a note carries */

/* What follows is seen by the checks only. */
bool parked[NS + 1];    /* a wait is under way and has not been ended by B */
bool freed[NS];         /* the sender's cell is gone */
byte done;              /* bit set: nodes processed, refused or dead-lettered */

#define BIT(k)  (1 << ((k) - 1))

inline finish(k) {
    if
    :: k != STRANGE -> assert(!(done & BIT(k))); done = done | BIT(k)
    :: else
    fi
}

/*
 * A sender finds no room while somebody waits. Left open, the box would be
 * refilled by newcomers before it is half empty, for ever.
 */
#ifdef M_LEFT_OPEN
#define FULL    (n >= LIMIT)
#else
#define FULL    (n >= LIMIT || closed)
#endif

proctype sender(byte s) {
    byte m, k, n;
    mtype end;

    do
    :: m < NM ->
       atomic { k = NODE(s, m); m++ };
       if
       :: dead -> atomic { finish(k) }
       :: else ->
          atomic { n = inside; inside++ };
          n = n + len_now;
          if
          :: !FULL -> door!k
          :: FULL ->
             inside--;
             inside++;                          /* in again, with the note, which is never refused */
             if
             :: dead -> inside--; atomic { finish(k) }
             :: else ->
                atomic { held[s] = k; parked[s] = true; door!PARK(s) };
                if
                :: control[s]?end
#ifdef KILL
                /* S is stopped by force meanwhile: it can end only when the note is back (CELL_AWAY). */
#ifdef M_FREE_PARKED
                :: true -> freed[s] = true; break
#else
                :: control[s]?end -> m = NM
#endif
#endif
                fi;
                atomic {
                    assert(!parked[s]);
                    if
                    :: end == moved -> assert(held[s] == 0)
                    :: end == refused -> assert(held[s] == k); held[s] = 0; finish(k)
                    :: end == dead_letter -> assert(held[s] == 0 && (done & BIT(k)))
                    fi;
                    end = 0
                }
             fi
          fi
       fi;
       atomic { n = 0; k = 0 }
    :: else -> break
    od
}

/* Mode refuse. What matters to the others: it is inside for a moment even when refused. */
proctype stranger() {
    byte m, n;

    do
#ifdef LIVE
    :: true ->                                  /* for ever: it must not keep the waiters out */
#else
    :: m < NX -> m++;
#endif
       atomic { n = inside; inside++ };
       n = n + len_now;
       if
       :: !FULL -> door!STRANGE
       :: FULL -> inside--
       fi;
       n = 0
#ifndef LIVE
    :: else -> break
#endif
    od
}

inline answer(s, how) {
    assert(parked[s]);                          /* once */
    parked[s] = false;
    if
    :: s == LOCAL ->
       if
       :: how == refused && held[s] != 0 -> finish(held[s]); held[s] = 0
       :: else
       fi
    :: else -> assert(!freed[s]); control[s]!how
    fi
}

inline append(k) {
    assert(nfull(box));
    box!k; len_now++
}

inline admit(s) {
    if
    :: held[s] != 0 -> append(held[s]); held[s] = 0
    :: else -> assert(s == LOCAL)               /* it has ended meanwhile */
    fi;
    answer(s, moved)
}

#define WAIT(s)     closed = true; waiters!s

inline take_waiter() {
    waiters?s;
    if
    :: empty(waiters) -> closed = false
    :: nempty(waiters)
    fi
}

inline abandon(s) {
    if
    :: held[s] != 0 -> finish(held[s]); held[s] = 0
    :: else
    fi;
    answer(s, dead_letter)
}

inline park_arrived(s) {
    if
    :: dead -> abandon(s)
    :: else ->
       if
#ifdef M_NO_SECOND_LOOK
       :: true -> WAIT(s)
#else
       :: !closed && len_now < LIMIT ->
#ifdef M_REPLY_TWICE
          control[s]!moved;
#endif
          admit(s)
       :: else -> WAIT(s)
#endif
       fi
    fi
}

inline collect() {
    do
#ifdef M_NOTE_OVERTAKES                         /* a lane of its own for notes */
    :: door??[100] -> atomic { door??100; n++; park_arrived(0) }
#endif
    :: door?k ->
       atomic {
           n++;
           if
           :: k >= PARK(0) -> s = k - PARK(0); park_arrived(s); s = 0
           :: else ->
              if
              :: dead -> finish(k)
              :: else -> append(k)
              fi
           fi;
           k = 0
       }
    :: empty(door) -> break
    od;
    atomic { inside = inside - n; n = 0 }
}

/*
 * Who is inside may be about to leave with nothing done, and that tells nobody.
 * So one waits only behind what is in the box: there are waiters only while
 * len_now > 0, and every message processed looks at them again.
 */
#ifdef M_ROOM_BY_COUNT
#define LOCAL_FULL  (closed || n + len_now >= LIMIT)
#else
#define LOCAL_FULL  (closed || (n + len_now >= LIMIT && len_now > 0))
#endif

proctype worker_b() {
    byte s, k, n, l;

end:
    do
    :: nempty(door) -> collect()

    :: l < NL && !parked[LOCAL] && !dead ->     /* the sender on B: host_post, park */
       collect();
       n = inside;
       atomic {
           l++;
           if
           :: LOCAL_FULL -> held[LOCAL] = NS*NM + l; parked[LOCAL] = true; WAIT(LOCAL)
           :: else -> append(NS*NM + l)
           fi;
           n = 0
       }

    :: !dead && len_now > 0 ->                  /* R is given one message */
       atomic {
           box?k;
           assert(k == STRANGE || k > NS*NM || (k - 1) % NM == 0 || (done & BIT(k - 1)));
                                                /* in each sender's order */
           finish(k); k = 0; len_now--
       };
       if
#ifdef M_ONLY_AT_HALF
       :: len_now == HALF ->
#else
       :: len_now <= HALF ->
#endif
          do
          :: closed && len_now < LIMIT -> atomic { take_waiter(); admit(s); s = 0 }
          :: !closed || len_now >= LIMIT -> break
          od
       :: else
       fi

#ifdef TIMER
    :: nempty(waiters) ->                       /* send_wait_ns is over for the oldest */
       atomic {
#ifdef M_TIMEOUT_NO_UNLINK
           waiters?<s>;
#else
           take_waiter();
#endif
           answer(s, refused); s = 0
       }
#endif

#ifdef KILL
    :: parked[LOCAL] && held[LOCAL] != 0 ->     /* park_cancel: the note keeps its place */
       atomic { finish(held[LOCAL]); held[LOCAL] = 0; l = NL }
#endif

#ifdef DIE
    :: !dead ->
       atomic {
           dead = true; len_now = 0;
           do
           :: box?k -> finish(k)
           :: empty(box) -> break
           od;
#ifndef M_DEATH_FORGETS
           do
           :: nempty(waiters) -> take_waiter(); abandon(s)
           :: empty(waiters) -> break
           od;
#endif
           k = 0; s = 0
       }
#endif
    od
}

#ifdef LIVE
/* Under weak fairness and without the timer: a wait ends, whatever the stranger does. */
ltl wait_ends { [] (parked[0] -> <> !parked[0]) }
#else
proctype at_rest() {
    byte s;

    timeout;
    assert(empty(waiters) && empty(box) && empty(door));
    assert(inside == 0 && len_now == 0 && !closed);
    for (s : 0 .. NS) { assert(!parked[s] && held[s] == 0) }
}
#endif

init {
    byte s;

    atomic {
        for (s : 0 .. NS - 1) { run sender(s) }
        s = 0;
        run stranger();
        run worker_b();
#ifndef LIVE
        run at_rest()
#endif
    }
}
