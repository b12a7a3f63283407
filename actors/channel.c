/* The names of channels: a table of the process, hashed by name. Channels are opened and closed
 * seldom, and never on the message path, so one lock guards it all. An id is the hash of the name,
 * the life of its slot, and the slot: so a closed channel's id is not its successor's. */
#include "channel.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "assert.h"
#include "atomic.h"
#include "mem.h"

#define BUCKETS 16384u
#define LIVES 0xffffu /* of a slot: 16 bits of the id, never 0 */

_Static_assert(LEAT_CHANNELS_MAX == 1u << 16, "a slot is 16 bits of an id");

struct name {
    uint64_t id;   /* 0: free */
    uint32_t uses; /* opened less closed */
    uint32_t life;
    uint32_t next; /* slot + 1 in the same bucket, or of the next free one; 0: none */
    char text[LEAT_CHANNEL_NAME_MAX + 1];
};

static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static struct name *names; /* a range: its pages come as slots are used */
static uint32_t names_len;
static uint32_t names_free;       /* slot + 1; 0: none */
static uint32_t buckets[BUCKETS]; /* slot + 1; 0: none */
static uint64_t buckets_seed;     /* so that nobody outside can fill one of them */
static uint64_t closings;         /* read by any thread, without the lock */

/* FNV-1a, the same in every run. */
static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    }
    return hash;
}

static uint32_t *bucket_of(const char *text)
{
    if (buckets_seed == 0 && getrandom(&buckets_seed, sizeof(buckets_seed), GRND_NONBLOCK) < 0) {
        buckets_seed = (uint64_t)(uintptr_t)&buckets_seed; /* early at boot: what there is */
    }
    uint64_t hash = buckets_seed;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return &buckets[hash % BUCKETS];
}

static struct name *find(const char *text)
{
    for (uint32_t at = *bucket_of(text); at != 0; at = names[at - 1].next) {
        if (strcmp(names[at - 1].text, text) == 0) {
            return &names[at - 1];
        }
    }
    return NULL;
}

static struct name *find_open(leat_channel channel)
{
    uint32_t slot = channel_slot(channel);
    bool is_open = channel.id != 0 && slot < names_len && names[slot].id == channel.id;
    return is_open ? &names[slot] : NULL;
}

/* A slot for a new name. NULL with *ret_status. */
static struct name *take(int *ret_status)
{
    if (names == NULL) {
        names = mem_range_reserve(LEAT_CHANNELS_MAX * sizeof(struct name));
    }
    if (names == NULL || (names_free == 0 && names_len == LEAT_CHANNELS_MAX)) {
        *ret_status = names == NULL ? -ENOMEM : -ENOSPC;
        return NULL;
    }
    if (names_free == 0) {
        return &names[names_len++];
    }
    struct name *name = &names[names_free - 1];
    names_free = name->next;
    return name;
}

static int add(const char *text, size_t len, uint32_t hash, leat_channel *ret)
{
    int status = 0;
    struct name *name = take(&status);
    if (name == NULL) {
        return status;
    }
    uint32_t slot = (uint32_t)(name - names);
    name->life = name->life % LIVES + 1;
    name->id = (uint64_t)hash << 32 | name->life << 16 | slot;
    name->uses = 1;
    memcpy(name->text, text, len + 1);
    uint32_t *bucket = bucket_of(text);
    name->next = *bucket;
    *bucket = slot + 1;
    *ret = (leat_channel){.id = name->id};
    return 0;
}

int leat_channel_open(const char *name, leat_channel *ret)
{
    size_t len = name != NULL ? strnlen(name, LEAT_CHANNEL_NAME_MAX + 1) : 0;
    if (len == 0 || len > LEAT_CHANNEL_NAME_MAX) {
        return -EINVAL;
    }
    uint32_t hash = hash_of(name);
    int status = 0;
    pthread_mutex_lock(&names_lock);
    struct name *found = find(name);
    if (found != NULL) {
        found->uses++;
        *ret = (leat_channel){.id = found->id};
    } else {
        status = add(name, len, hash, ret);
    }
    pthread_mutex_unlock(&names_lock);
    return status;
}

void leat_channel_close(leat_channel channel)
{
    pthread_mutex_lock(&names_lock);
    struct name *name = find_open(channel);
    if (name != NULL && --name->uses == 0) {
        uint32_t at = channel_slot(channel) + 1;
        uint32_t *link = bucket_of(name->text);
        while (*link != at) {
            LEAT_ASSERT(*link != 0);
            link = &names[*link - 1].next;
        }
        *link = name->next;
        name->id = 0;
        name->next = names_free;
        names_free = at;
        store_release_u64(&closings, closings + 1);
    }
    pthread_mutex_unlock(&names_lock);
}

int leat_channel_name(leat_channel channel, char ret[LEAT_CHANNEL_NAME_MAX + 1])
{
    pthread_mutex_lock(&names_lock);
    const struct name *name = find_open(channel);
    if (name != NULL) {
        memcpy(ret, name->text, sizeof(name->text));
    }
    pthread_mutex_unlock(&names_lock);
    return name != NULL ? 0 : -EBADF;
}

bool channel_is_open(leat_channel channel)
{
    pthread_mutex_lock(&names_lock);
    bool is_open = find_open(channel) != NULL;
    pthread_mutex_unlock(&names_lock);
    return is_open;
}

uint64_t channel_closings(void)
{
    return load_acquire_u64(&closings); /* pairs with the release above: the name is gone by then */
}

uint32_t channel_slots_len(void)
{
    pthread_mutex_lock(&names_lock);
    uint32_t len = names_len;
    pthread_mutex_unlock(&names_lock);
    return len;
}

bool channel_at(uint32_t slot, leat_channel *ret, char ret_name[LEAT_CHANNEL_NAME_MAX + 1])
{
    pthread_mutex_lock(&names_lock);
    bool is_open = slot < names_len && names[slot].id != 0;
    if (is_open) {
        *ret = (leat_channel){.id = names[slot].id};
        memcpy(ret_name, names[slot].text, sizeof(names[slot].text));
    }
    pthread_mutex_unlock(&names_lock);
    return is_open;
}
