/* The file of tokens of examples/whip_whep: who may what, and what a file may not say. */
#include "../../examples/whip_whep/tokens.c"

#include <unistd.h>

#include "check.h"

static char path[64];

static int read_text(const char *text)
{
    snprintf(path, sizeof(path), "/tmp/leat-tokens-%d", (int)getpid());
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    fputs(text, file);
    fclose(file);
    const int status = tokens_open(path);
    unlink(path);
    return status;
}

static enum leat_media_verdict ask(enum leat_media_use use, const char *stream, const char *token,
                                   char ret[LEAT_MEDIA_STREAM_MAX + 1])
{
    const struct leat_media_question question = {
        .use = use, .stream = leat_http_str_of(stream), .token = leat_http_str_of(token)};
    memset(ret, 0, LEAT_MEDIA_STREAM_MAX + 1);
    return tokens_authorize(NULL, &question, ret);
}

TEST(media_tokens, say_who_may_what)
{
    char name[LEAT_MEDIA_STREAM_MAX + 1];
    CHECK_EQ(read_text("# streams\n a pub#1 view#1 # of a\n\nb pub2 -"), 0);
    CHECK_EQ(ask(LEAT_MEDIA_PUBLISH, "a", "pub#1", name), LEAT_MEDIA_OWNER);
    CHECK_EQ(ask(LEAT_MEDIA_PUBLISH, "a", "pub", name), LEAT_MEDIA_DENY);
    CHECK_EQ(ask(LEAT_MEDIA_PUBLISH, "a", "view#1", name), LEAT_MEDIA_DENY);
    CHECK_EQ(ask(LEAT_MEDIA_PUBLISH, "b", "pub#1", name), LEAT_MEDIA_DENY);
    CHECK_EQ(ask(LEAT_MEDIA_VIEW, "a", "view#1", name), LEAT_MEDIA_ALLOW);
    CHECK_EQ(ask(LEAT_MEDIA_VIEW, "a", "view", name), LEAT_MEDIA_DENY); /* nothing is cut off */
    CHECK_EQ(ask(LEAT_MEDIA_VIEW, "a", NULL, name), LEAT_MEDIA_DENY);
    CHECK_EQ(ask(LEAT_MEDIA_VIEW, "b", NULL, name), LEAT_MEDIA_ALLOW);
    CHECK_EQ(ask(LEAT_MEDIA_PUBLISH, "b", "-", name), LEAT_MEDIA_DENY);
    CHECK_EQ(ask(LEAT_MEDIA_LIST, "a", "pub#1", name), LEAT_MEDIA_DENY);
    CHECK_EQ(ask(LEAT_MEDIA_LIST, "b", NULL, name), LEAT_MEDIA_ALLOW);
    CHECK_EQ(ask(LEAT_MEDIA_PUBLISH, "", "pub2", name), LEAT_MEDIA_OWNER);
    CHECK_EQ(strcmp(name, "b"), 0);
    CHECK_EQ(ask(LEAT_MEDIA_VIEW, "", "view#1", name), LEAT_MEDIA_ALLOW);
    CHECK_EQ(strcmp(name, "a"), 0);
    CHECK_EQ(ask(LEAT_MEDIA_VIEW, "", "-", name), LEAT_MEDIA_DENY);
}

TEST(media_tokens, of_a_wrong_file_change_nothing)
{
    char name[LEAT_MEDIA_STREAM_MAX + 1], text[3 * LINE_LEN];
    CHECK_EQ(read_text("a pub view\n"), 0);
    memset(text, 'x', sizeof(text));
    memcpy(text, "b pub2 ", 7);
    snprintf(text + 2 * LINE_LEN, LINE_LEN, " c pub3 view3\n");
    const char *const wrong[] = {
        "a pub\n",        "a pub view more\n", "a - view\n",       "a same same\n",
        "endpoint p v\n", "a/b p v\n",         "a p v\na p2 v2\n", text};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_EQ(read_text(wrong[i]), -EINVAL);
        CHECK_EQ(ask(LEAT_MEDIA_PUBLISH, "a", "pub", name), LEAT_MEDIA_OWNER);
    }
}
