/* The file of tokens. Only digests are kept and compared, in constant time, and all lines are looked at where a
 * token is to name its stream: how long an answer takes says nothing about a token. */
#include "tokens.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 4096u
#define LINE_LEN 1024u

struct entry {
    char stream[LEAT_MEDIA_STREAM_MAX + 1];
    uint8_t publish[SHA256_DIGEST_LENGTH];
    uint8_t view[SHA256_DIGEST_LENGTH];
    bool is_public;
};

static struct {
    pthread_mutex_t mutex; /* held for a look or a swap, never while the file is read */
    const char *path;
    struct entry *entries;
    size_t len;
} tokens = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void digest(const char *token, size_t len, uint8_t ret[SHA256_DIGEST_LENGTH])
{
    SHA256((const uint8_t *)token, len, ret);
}

/* What is wrong with a line, or NULL. Never says what the tokens are. */
static const char *entry_read(char *line, struct entry *ret)
{
    static const char blanks[] = " \t\r\n";
    char *rest = NULL;
    const char *const stream = strtok_r(line, blanks, &rest);
    const char *const publish = strtok_r(NULL, blanks, &rest);
    const char *const view = strtok_r(NULL, blanks, &rest);
    leat_channel channel;
    if (view == NULL || strtok_r(NULL, blanks, &rest) != NULL) {
        return "it is not \"stream publish-token view-token\", with - for a public stream";
    }
    if (leat_media_channel(stream, &channel) != 0) {
        return "the stream's name is not 1 to 64 of A-Z a-z 0-9 . _ - (and not \"endpoint\")";
    }
    leat_channel_close(channel);
    if (strcmp(publish, "-") == 0 || strcmp(publish, view) == 0) {
        return "a publish token may be neither - nor the view token";
    }
    strcpy(ret->stream, stream); /* as long as a name may be */
    digest(publish, strlen(publish), ret->publish);
    digest(view, strlen(view), ret->view);
    ret->is_public = strcmp(view, "-") == 0;
    return NULL;
}

/* '#' begins a comment where a word could begin; within one it is a token's. */
static size_t comment_at(const char *line)
{
    size_t at = 0;
    while (line[at] != '\0' &&
           !(line[at] == '#' && (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t'))) {
        at++;
    }
    return at;
}

static int file_read(FILE *file, struct entry *entries, size_t *ret_len)
{
    char line[LINE_LEN];
    size_t len = 0;
    for (unsigned number = 1; fgets(line, sizeof(line), file) != NULL; number++) {
        const char *wrong = NULL;
        if (strchr(line, '\n') == NULL && !feof(file)) {
            fprintf(stderr, "%s, line %u: it is too long\n", tokens.path, number);
            return -EINVAL;
        }
        line[comment_at(line)] = '\0';
        if (line[strspn(line, " \t\r\n")] == '\0') {
            continue;
        }
        wrong = len == LINES_MAX ? "too many streams" : entry_read(line, &entries[len]);
        for (size_t i = 0; i < len && wrong == NULL; i++) {
            wrong = strcmp(entries[i].stream, entries[len].stream) == 0 ? "that stream was named before" : NULL;
        }
        if (wrong != NULL) {
            fprintf(stderr, "%s, line %u: %s\n", tokens.path, number, wrong);
            return -EINVAL;
        }
        len++;
    }
    *ret_len = len;
    return ferror(file) ? -EIO : 0;
}

static int read_all(void)
{
    size_t len = 0;
    FILE *const file = fopen(tokens.path, "r");
    struct entry *entries = file != NULL ? calloc(LINES_MAX, sizeof(*entries)) : NULL;
    int status = file == NULL ? -errno : entries == NULL ? -ENOMEM : file_read(file, entries, &len);
    if (file != NULL) {
        fclose(file);
    }
    if (status != 0) {
        free(entries);
        return status;
    }
    pthread_mutex_lock(&tokens.mutex);
    struct entry *const old = tokens.entries;
    tokens.entries = entries;
    tokens.len = len;
    pthread_mutex_unlock(&tokens.mutex);
    free(old);
    return 0;
}

int tokens_open(const char *path)
{
    tokens.path = path;
    const int status = read_all();
    if (status != 0 && status != -EINVAL) {
        fprintf(stderr, "cannot read %s: %s\n", path, strerror(-status));
    }
    return status;
}

void tokens_reload(void *context)
{
    (void)context;
    const int status = read_all();
    printf(status == 0 ? "new tokens\n" : "the old tokens stay: %s\n", strerror(-status));
    fflush(stdout);
}

static bool entry_allows(const struct entry *entry, enum leat_media_use use, const uint8_t *token)
{
    switch (use) {
    case LEAT_MEDIA_PUBLISH:
        return CRYPTO_memcmp(entry->publish, token, sizeof(entry->publish)) == 0;
    case LEAT_MEDIA_VIEW:
        return entry->is_public || CRYPTO_memcmp(entry->view, token, sizeof(entry->view)) == 0;
    case LEAT_MEDIA_LIST:
        return entry->is_public;
    }
    return false;
}

enum leat_media_verdict tokens_authorize(void *context, const struct leat_media_question *question,
                                         char ret_stream[LEAT_MEDIA_STREAM_MAX + 1])
{
    uint8_t token[SHA256_DIGEST_LENGTH];
    const struct entry *found = NULL;
    const bool named = question->stream.len > 0;
    (void)context;
    digest(question->token.data != NULL ? question->token.data : "", question->token.len, token);
    pthread_mutex_lock(&tokens.mutex);
    for (size_t i = 0; i < tokens.len; i++) {
        const struct entry *const entry = &tokens.entries[i];
        const bool is_meant = named ? strlen(entry->stream) == question->stream.len &&
                                          memcmp(entry->stream, question->stream.data, question->stream.len) == 0
                                    : !(question->use == LEAT_MEDIA_VIEW && entry->is_public);
        if (is_meant && entry_allows(entry, question->use, token)) {
            found = entry;
        }
    }
    if (found != NULL && !named) {
        strcpy(ret_stream, found->stream);
    }
    pthread_mutex_unlock(&tokens.mutex);
    return found == NULL                             ? LEAT_MEDIA_DENY
           : question->use == LEAT_MEDIA_PUBLISH ? LEAT_MEDIA_OWNER
                                                 : LEAT_MEDIA_ALLOW;
}
