/* Channels of the bus: names, interned to ids that are cheap to publish on. The names are the
 * process's: an actor opens one in init, or is handed the id by its spawner. */
#ifndef LEAT_CHANNEL_H
#define LEAT_CHANNEL_H

#include <leat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_CHANNEL_NAME_MAX 80u /* bytes */
#define LEAT_CHANNELS_MAX 65536u  /* open at once */

/* The channel of that name, the same for all who open it. It stays open until it has been closed as many
 * times: names that come from outside are to be closed, those of the program need not. Any thread; takes
 * a short lock: not for the message path. -EINVAL: empty, or longer than LEAT_CHANNEL_NAME_MAX;
 * -ENOSPC: LEAT_CHANNELS_MAX are open; -ENOMEM. */
LEAT_API int leat_channel_open(const char *name, leat_channel *ret);

/* With the last one nothing published on it arrives any more, but for what is being handed out already;
 * its subscriptions end without a word. Any thread; takes the same lock. */
LEAT_API void leat_channel_close(leat_channel channel);

/* Copies the name into `ret`, with its NUL. -EBADF: not open. Any thread; takes the same lock. */
LEAT_API int leat_channel_name(leat_channel channel, char ret[LEAT_CHANNEL_NAME_MAX + 1]);

#ifdef __cplusplus
}
#endif

#endif
