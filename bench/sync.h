/* The only file of the benchmark that names atomics: a counter that threads share, and the queues
 * the floors are made of. */
#ifndef LEAT_BENCH_SYNC_H
#define LEAT_BENCH_SYNC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/* Keeps the compiler from folding a floor's loop away. */
static inline void keep(void *what)
{
    __asm__ volatile("" : : "r"(what) : "memory");
}

/* ---- counter ---- */

struct counter {
    _Atomic uint64_t value;
};

/* Adds and returns the sum. Acquire and release: who sees a sum sees what was done before it. */
static inline uint64_t counter_add(struct counter *counter, uint64_t n)
{
    return atomic_fetch_add_explicit(&counter->value, n, memory_order_acq_rel) + n;
}

static inline uint64_t counter_get(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_acquire);
}

static inline void counter_set(struct counter *counter, uint64_t value)
{
    atomic_store_explicit(&counter->value, value, memory_order_release);
}

/* ---- exchange queue (Vyukov): many producers, one consumer, intrusive ---- */

struct link {
    struct link *_Atomic next;
};

struct queue {
    struct link *_Atomic tail __attribute__((aligned(64))); /* producers exchange it */
    struct link *head __attribute__((aligned(64)));         /* the consumer's */
    struct link  stub;
};

static inline void queue_init(struct queue *queue)
{
    atomic_init(&queue->stub.next, NULL);
    atomic_init(&queue->tail, &queue->stub);
    queue->head = &queue->stub;
}

static inline void queue_push(struct queue *queue, struct link *link)
{
    atomic_store_explicit(&link->next, NULL, memory_order_relaxed);
    struct link *before = atomic_exchange_explicit(&queue->tail, link, memory_order_acq_rel);
    /* Pairs with the acquire loads of queue_pop: the consumer sees the message behind the link. */
    atomic_store_explicit(&before->next, link, memory_order_release);
}

/* NULL: empty, or a producer is between its two stores. */
static inline struct link *queue_pop(struct queue *queue)
{
    struct link *head = queue->head;
    struct link *next = atomic_load_explicit(&head->next, memory_order_acquire);
    if (head == &queue->stub) {
        if (next == NULL) {
            return NULL;
        }
        queue->head = next;
        head = next;
        next = atomic_load_explicit(&head->next, memory_order_acquire);
    }
    if (next != NULL) {
        queue->head = next;
        return head;
    }
    if (head != atomic_load_explicit(&queue->tail, memory_order_acquire)) {
        return NULL;
    }
    queue_push(queue, &queue->stub);
    next = atomic_load_explicit(&head->next, memory_order_acquire);
    if (next == NULL) {
        return NULL;
    }
    queue->head = next;
    return head;
}

/* ---- take-all stack: push by compare-and-swap, the consumer takes everything at once ---- */

struct stack {
    struct link *_Atomic top;
};

static inline void stack_push(struct stack *stack, struct link *link)
{
    struct link *top = atomic_load_explicit(&stack->top, memory_order_relaxed);
    do {
        atomic_store_explicit(&link->next, top, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&stack->top, &top, link, memory_order_release,
                                                    memory_order_relaxed));
}

/* All of it, oldest first; NULL: empty. */
static inline struct link *stack_take(struct stack *stack)
{
    struct link *newest = atomic_exchange_explicit(&stack->top, NULL, memory_order_acquire);
    struct link *oldest = NULL;
    while (newest != NULL) {
        struct link *next = atomic_load_explicit(&newest->next, memory_order_relaxed);
        atomic_store_explicit(&newest->next, oldest, memory_order_relaxed);
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static inline struct link *link_next(struct link *link)
{
    return atomic_load_explicit(&link->next, memory_order_relaxed);
}

#endif
