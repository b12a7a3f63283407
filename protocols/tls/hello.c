/* How long a ClientHello says it is (RFC 8446, 4 and 5.1). It follows records, which may cut
 * even the header of a message, and looks at the first message in records that are not
 * encrypted. */
#include "hello.h"

enum { RECORD_HANDSHAKE = 22, MESSAGE_CLIENT_HELLO = 1 };

static bool message_is_short(const uint8_t message[4])
{
    const uint32_t len = (uint32_t)message[1] << 16 | (uint32_t)message[2] << 8 | message[3];
    return message[0] != MESSAGE_CLIENT_HELLO || len <= CLIENT_HELLO_LEN_MAX;
}

/* One byte of a record's content. */
static bool read_content(struct hello *hello, uint8_t byte)
{
    if (hello->head[0] != RECORD_HANDSHAKE) {
        return true;
    }
    hello->message[hello->message_len++] = byte;
    return hello->message_len < sizeof(hello->message) || message_is_short(hello->message);
}

bool leat__tls_hello_read(struct hello *hello, const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        if (hello->left == 0) {
            hello->head[hello->head_len++] = data[at++];
            if (hello->head_len == sizeof(hello->head)) {
                hello->left = (uint32_t)hello->head[3] << 8 | hello->head[4];
                hello->head_len = 0;
            }
        } else if (hello->message_len < sizeof(hello->message)) {
            if (!read_content(hello, data[at++])) {
                return false;
            }
            hello->left--;
        } else {
            const size_t rest = len - at;
            const uint32_t skip = rest < hello->left ? (uint32_t)rest : hello->left;
            hello->left -= skip;
            at += skip;
        }
    }
    return true;
}

void leat__tls_hello_again(struct hello *hello)
{
    hello->message_len = 0;
}
