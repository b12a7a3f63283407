/* Who may publish and who may watch: a file with a line "stream publish-token view-token" for each stream; "-" in
 * the third place lets everybody watch. '#' begins a comment. */
#ifndef WHIP_WHEP_TOKENS_H
#define WHIP_WHEP_TOKENS_H

#include <leat/media.h>

/* Reads it; on an error says what is wrong with which line, and returns a negative errno. Once. */
int tokens_open(const char *path);

/* Reads it again; a file that is wrong changes nothing, and is complained about. Any thread. */
void tokens_reload(void *context);

/* A leat_media_authorize. */
enum leat_media_verdict tokens_authorize(void *context, const struct leat_media_question *question,
                                         char ret_stream[LEAT_MEDIA_STREAM_MAX + 1]);

#endif
