/* A leat::tls client against `openssl s_server`, over a socket of 127.0.0.1: versions, ALPN,
 * close_notify, tickets. The server's side meets OpenSSL's clients in
 * tests/examples/tls_echo.sh. */
#include "tls_pair.h"
#include "tmp.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct cert authority, cert;
static leat_tls_context *client;

/* An s_server that answers each line with its reverse. */
struct server {
    pid_t pid;
    char folder[256];
    uint16_t port;
};

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *const file = fopen(path, "w");
    REQUIRE(file != NULL);
    REQUIRE(fputs(text, file) >= 0);
    REQUIRE(fclose(file) == 0);
}

static void run_server(const char *folder, const char *version, int out)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever happens to the test */
    const int nowhere = open("/dev/null", O_WRONLY);
    if (chdir(folder) != 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(nowhere, STDERR_FILENO) < 0) {
        _exit(1);
    }
    execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key",
           "key.pem", "-cert_chain", "cert.pem", "-alpn", "http/1.1", "-rev", version,
           (char *)NULL);
    _exit(127);
}

static bool server_open(struct server *server, const char *version)
{
    int out[2];
    char line[256], *colon = NULL;
    *server = (struct server){.pid = 0};
    snprintf(server->folder, sizeof(server->folder), "%s/leat-tls-XXXXXX", tmp_folder());
    REQUIRE(mkdtemp(server->folder) != NULL && pipe(out) == 0);
    write_file(server->folder, "cert.pem", cert.pem);
    write_file(server->folder, "key.pem", cert.key_pem);
    server->pid = fork();
    if (server->pid == 0) {
        run_server(server->folder, version, out[1]);
    }
    close(out[1]);
    FILE *const lines = fdopen(out[0], "r");
    while (server->port == 0 && fgets(line, sizeof(line), lines)) {
        if (strncmp(line, "ACCEPT 127.0.0.1:", 17) == 0 && (colon = strrchr(line, ':'))) {
            server->port = (uint16_t)atoi(colon + 1);
        }
    }
    fclose(lines);
    return server->port != 0;
}

static void server_close(struct server *server)
{
    char path[300];
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    snprintf(path, sizeof(path), "%s/cert.pem", server->folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/key.pem", server->folder);
    unlink(path);
    rmdir(server->folder);
}

/* ---- a blocking driver ---- */

struct link {
    int fd;

    struct pair pair; /* what it sends to a server is taken from there */
};

static void link_send(struct link *link)
{
    side_flush(&link->pair, &link->pair.client);
    struct wire *const wire = &link->pair.server.in;
    size_t at = 0;
    while (at < wire->len) {
        const ssize_t len = send(link->fd, wire->data + at, wire->len - at, MSG_NOSIGNAL);
        REQUIRE(len > 0);
        at += (size_t)len;
    }
    wire_drop(wire, wire->len);
}

/* One portion of what the server sends. False: it has closed. */
static bool link_receive(struct link *link)
{
    uint8_t bytes[4096];
    link_send(link);
    const ssize_t len = recv(link->fd, bytes, sizeof(bytes), 0);
    REQUIRE(len >= 0);
    side_feed(&link->pair, &link->pair.client, bytes, (size_t)len);
    link_send(link);
    return len > 0;
}

static void link_open(struct link *link, const struct server *server,
                      const struct leat_tls_options *options)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    const struct timeval patience = {.tv_sec = 20};
    memset(link, 0, sizeof(*link));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    link->pair.plain_cap = 4096;
    link->fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(setsockopt(link->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
    REQUIRE(connect(link->fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    REQUIRE(leat_tls_open(client, options, 0, &link->pair.client.tls) == 0);
    struct side *const side = &link->pair.client;
    while (side->opened + side->errors == 0 && link_receive(link)) {
    }
}

/* Says a line, and hears it reversed; ends it well; saves the session. */
static void converse(const struct server *server, struct leat_tls_out *saved, bool *ret_resumed)
{
    struct link link;
    const struct leat_tls_options options = {
        .host = "a.example", .unix_time = CERTS_NOW, .session = {saved->data, saved->len}};
    link_open(&link, server, &options);
    struct side *const side = &link.pair.client;
    REQUIRE(side->opened == 1);
    CHECK_EQ(side->as.protocol.len, 8);
    *ret_resumed = side->as.resumed;
    CHECK_EQ(side_say(&link.pair, side, "leat tls\n", 9), 0);
    while (side->said.len < 9 && side->errors == 0 && link_receive(&link)) {
    }
    CHECK(side_heard(side, "slt tael\n", 9));
    saved->len = 0;
    CHECK_EQ(leat_tls_session_save(side->tls, saved), 0);
    CHECK_EQ(leat_tls_finish(side->tls), 0);
    while (link_receive(&link)) {
    }
    CHECK_EQ(side->errors, 0);
    close(link.fd);
    pair_close(&link.pair);
}

static void against(const char *version, const char *name)
{
    static uint8_t bytes[8192];
    struct leat_tls_out saved = {bytes, sizeof(bytes), 0};
    const char *const protocols[] = {"h2", "http/1.1"};
    struct server server;
    struct link link;
    bool resumed = true;
    authority = cert_issue(NULL, NULL);
    cert = cert_issue("DNS:a.example", &authority);
    client = context_client(&authority, protocols, 2);
    if (!server_open(&server, version)) {
        server_close(&server);
        SKIP("there is no openssl s_server here that tells its port");
    }
    converse(&server, &saved, &resumed);
    CHECK(!resumed);
    converse(&server, &saved, &resumed);
    CHECK(resumed);

    const struct leat_tls_options other = {.host = "b.example", .unix_time = CERTS_NOW};
    link_open(&link, &server, &other);
    CHECK_EQ(link.pair.client.error.status, -EKEYREJECTED);
    close(link.fd);
    pair_close(&link.pair);

    const struct leat_tls_options again = {.host = "a.example", .unix_time = CERTS_NOW};
    link_open(&link, &server, &again);
    CHECK_STR(link.pair.client.as.version, name);
    close(link.fd);
    pair_close(&link.pair);
    server_close(&server);
    leat_tls_context_unref(client);
    cert_free(&cert);
    cert_free(&authority);
}

TEST(tls_openssl, version_1_3)
{
    against("-tls1_3", "TLSv1.3");
}

TEST(tls_openssl, version_1_2)
{
    against("-tls1_2", "TLSv1.2");
}
