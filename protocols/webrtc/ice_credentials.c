/* Credentials of ICE (RFC 8445, 5.3) and where they stand in a check: USERNAME is the receiver's
 * ufrag, ':', the sender's (7.2.2). Pure but for the randomness; any thread. */
#include "ice_credentials.h"

#include <errno.h>
#include <string.h>

#include <openssl/rand.h>

enum { PREFIX_MAX = 32, PWD_RANDOM = 24, UFRAG_MIN = 4, PWD_MIN = 22 };

/* 64 of them, so that six random bits are one. */
static const char ice_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool are_ice_chars(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == 0 || !strchr(ice_chars, text[i])) {
            return false;
        }
    }
    return true;
}

int leat_ice_credentials_make(const char *prefix, struct leat_ice_credentials *ret)
{
    const size_t prefix_len = strlen(prefix);
    uint8_t random[LEAT_ICE_UFRAG_RANDOM + PWD_RANDOM];
    if (prefix_len > PREFIX_MAX || !are_ice_chars(prefix, prefix_len)) {
        return -EINVAL;
    }
    if (RAND_bytes(random, sizeof(random)) != 1) {
        return -EIO;
    }
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->ufrag, prefix, prefix_len);
    for (size_t i = 0; i < LEAT_ICE_UFRAG_RANDOM; i++) {
        ret->ufrag[prefix_len + i] = ice_chars[random[i] % 64];
    }
    for (size_t i = 0; i < PWD_RANDOM; i++) {
        ret->pwd[i] = ice_chars[random[LEAT_ICE_UFRAG_RANDOM + i] % 64];
    }
    return 0;
}

static bool is_valid(const char *ufrag, size_t ufrag_len, const char *pwd, size_t pwd_len)
{
    return ufrag_len >= UFRAG_MIN && ufrag_len <= LEAT_ICE_UFRAG_MAX && pwd_len >= PWD_MIN &&
           pwd_len <= LEAT_ICE_PWD_MAX && are_ice_chars(ufrag, ufrag_len) &&
           are_ice_chars(pwd, pwd_len);
}

int leat_ice_credentials_set(const char *ufrag, size_t ufrag_len, const char *pwd, size_t pwd_len,
                             struct leat_ice_credentials *ret)
{
    if (!is_valid(ufrag, ufrag_len, pwd, pwd_len)) {
        return -EINVAL;
    }
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->ufrag, ufrag, ufrag_len);
    memcpy(ret->pwd, pwd, pwd_len);
    return 0;
}

bool leat__ice_credentials_valid(const struct leat_ice_credentials *credentials)
{
    return is_valid(credentials->ufrag, strnlen(credentials->ufrag, sizeof(credentials->ufrag)),
                    credentials->pwd, strnlen(credentials->pwd, sizeof(credentials->pwd)));
}

bool leat__ice_username_local(const struct leat_stun_message *message, const char **ret_ufrag,
                              size_t *ret_len)
{
    const leat_stun_bytes name = message->username;
    const uint8_t *const colon = name.len ? memchr(name.data, ':', name.len) : NULL;
    if (!colon || colon == name.data) {
        return false;
    }
    *ret_ufrag = (const char *)name.data;
    *ret_len = (size_t)(colon - name.data);
    return true;
}

int leat_ice_username(const void *data, size_t len, const char **ret_ufrag, size_t *ret_len)
{
    struct leat_stun_message message;
    if (leat_stun_parse(data, len, &message) != 0 || message.kind != LEAT_STUN_REQUEST ||
        message.method != LEAT_STUN_BINDING ||
        !leat__ice_username_local(&message, ret_ufrag, ret_len)) {
        return -EBADMSG;
    }
    return 0;
}

int leat_ice_check_write(const struct leat_ice_check *check, void *data, size_t cap,
                         size_t *ret_len)
{
    struct leat_stun_writer writer;
    char name[LEAT_STUN_USERNAME_MAX];
    const size_t remote_len = strlen(check->remote->ufrag), local_len = strlen(check->local->ufrag);
    memcpy(name, check->remote->ufrag, remote_len);
    name[remote_len] = ':';
    memcpy(name + remote_len + 1, check->local->ufrag, local_len);
    leat_stun_begin(&writer, data, cap, LEAT_STUN_REQUEST, LEAT_STUN_BINDING, check->transaction);
    leat_stun_put(&writer, LEAT_STUN_ATTR_USERNAME, name, remote_len + 1 + local_len);
    leat_stun_put_u32(&writer, LEAT_STUN_ATTR_PRIORITY, check->priority);
    leat_stun_put_u64(&writer,
                      check->controlling ? LEAT_STUN_ATTR_ICE_CONTROLLING
                                         : LEAT_STUN_ATTR_ICE_CONTROLLED,
                      check->tie_breaker);
    if (check->use_candidate) {
        leat_stun_put(&writer, LEAT_STUN_ATTR_USE_CANDIDATE, NULL, 0);
    }
    return leat_stun_end(&writer, check->remote->pwd, strlen(check->remote->pwd), ret_len);
}
