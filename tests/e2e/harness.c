/* harness.c: starts daemons and makes requests. */
#include "harness.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define DEADLINE_MS 15000
#define TRANSFER_S  60L

/* The factor by which deadlines are extended, for slow machines such as emulated ones. */
int
harness_patience(void)
{
    const char *times = getenv("HEARTH_PATIENCE");

    return times != NULL ? atoi(times) : 1;
}

static int64_t
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
wait_for(const char *what, bool (*condition)(void *user), void *user)
{
    int64_t until = now_ms() + (int64_t)DEADLINE_MS * harness_patience();

    while (!condition(user)) {
        if (now_ms() > until)
            fail_msg("timeout after %d ms: %s", DEADLINE_MS * harness_patience(), what);
        (void)poll(NULL, 0, 2);
    }
}

/* ---- the daemon ---- */

static int
free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    (void)close(fd);
    return ntohs(at.sin_port);
}

static bool
is_ready(void *user)
{
    struct daemon *d = user;
    struct reply r;
    bool ready;

    if (waitpid(d->pid, NULL, WNOHANG) == d->pid) {
        size_t len;
        char *log = read_whole(d->log, &len);

        fail_msg("hearthd exited before it was ready:\n%s", log);
    }
    r = http(d, &(struct request){.path = "/readyz", .no_token = true});
    ready = r.status == 200;
    reply_free(&r);
    return ready;
}

static void
write_text(const char *folder, const char *name, const char *text)
{
    char path[300];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        (void)dprintf(2, "write %s to %s: %s\n", text, path, strerror(errno));
        _exit(127);
    }
    (void)close(fd);
}

/* If HEARTH_DELEGATE names a control group, the daemon runs in a group below it that is delegated
 * as systemd does it with Delegate=yes. */
static void
enter_delegated_group(void)
{
    const char *parent = getenv("HEARTH_DELEGATE");
    char group[200];

    if (parent == NULL)
        return;
    (void)snprintf(group, sizeof group, "%s/hearth-test-%d.service", parent, (int)getpid());
    if (mkdir(group, 0755) != 0 || setxattr(group, "user.delegate", "1", 1, 0) != 0) {
        (void)dprintf(2, "make the delegated group %s: %s\n", group, strerror(errno));
        _exit(127);
    }
    write_text(group, "cgroup.procs", "0");
}

static void
execute(const struct daemon *d, const char *const *options)
{
    char listen[40], path[512];
    const char *argv[24] = {"hearthd", "--listen", listen, "--state", d->state};
    const char *prefix = d->prefix[0] != '\0' ? d->prefix : getenv("HEARTH_PREFIX");
    const char *threads = getenv("HEARTH_THREADS");
    int n = 5, log = open(d->log, O_WRONLY | O_CREAT | O_APPEND, 0644);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%d",
                   d->listens_elsewhere ? free_port() : d->port);
    (void)snprintf(path, sizeof path, "%s/bin/hearthd", prefix != NULL ? prefix : "/usr");
    if (threads != NULL) {
        argv[n++] = "--threads";
        argv[n++] = threads;
        argv[n++] = "--spread";
    }
    for (; options != NULL && *options != NULL && n < 23; options++)
        argv[n++] = *options;
    (void)dup2(log, 1);
    (void)dup2(log, 2);
    enter_delegated_group();
    if (d->prepare != NULL)
        d->prepare();
    (void)execv(path, (char *const *)(uintptr_t)argv);
    (void)dprintf(2, "execute %s: %s\n", path, strerror(errno));
    _exit(127);
}

static void
launch(struct daemon *d, const char *const *options)
{
    if (geteuid() != 0)
        fail_msg("this test needs root, to set up the isolation");
    if (d->state[0] == '\0') {
        (void)snprintf(d->state, sizeof d->state, "/tmp/hearth-test-XXXXXX");
        assert_non_null(mkdtemp(d->state));
    }
    (void)snprintf(d->log, sizeof d->log, "%s.log", d->state);
    if (!d->listens_elsewhere)
        d->port = d->port_wanted != 0 ? d->port_wanted : free_port();
    (void)snprintf(d->url, sizeof d->url, "%s://127.0.0.1:%d", d->ca != NULL ? "https" : "http",
                   d->port);
    d->pid = fork();
    assert_true(d->pid >= 0);
    if (d->pid == 0)
        execute(d, options);
}

void
daemon_mount_state(struct daemon *d, const char *size)
{
    char option[32];

    (void)snprintf(d->state, sizeof d->state, "/tmp/hearth-test-XXXXXX");
    assert_non_null(mkdtemp(d->state));
    (void)snprintf(option, sizeof option, "size=%s", size);
    if (mount("hearth", d->state, "tmpfs", 0, option) != 0)
        fail_msg("mount a tmpfs: %s", strerror(errno));
    d->mounted = true;
}

void
daemon_start_with(struct daemon *d, const char *const *options)
{
    char path[160];
    FILE *file;

    launch(d, options);
    wait_for("a ready daemon", is_ready, d);
    (void)snprintf(path, sizeof path, "%s/token", d->state);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(d->token, sizeof d->token, file));
    (void)fclose(file);
}

struct ending {
    pid_t pid;
    int status;
};

static bool
has_ended(void *user)
{
    struct ending *end = user;

    return waitpid(end->pid, &end->status, WNOHANG) == end->pid;
}

int
daemon_start_failing(struct daemon *d, const char *const *options)
{
    struct ending end = {0};

    launch(d, options);
    end.pid = d->pid;
    wait_for("the end of a daemon that cannot start", has_ended, &end);
    d->pid = 0;
    return WIFEXITED(end.status) ? WEXITSTATUS(end.status) : -1;
}

static void
copy_over(const char *from, const char *to)
{
    char command[1400];

    (void)snprintf(command, sizeof command, "cp -a '%s' '%s'", from, to);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

void
daemon_start_with_rogue(struct daemon *d, const char *program, const char *other)
{
    const char *prefix = getenv("HEARTH_PREFIX"), *rogues = getenv("HEARTH_ROGUES");
    char from[600], to[600];

    if (prefix == NULL || rogues == NULL)
        fail_msg("HEARTH_PREFIX must name an installation, HEARTH_ROGUES the rogues' folder");
    (void)snprintf(d->prefix, sizeof d->prefix, "/tmp/hearth-rogue-XXXXXX");
    assert_non_null(mkdtemp(d->prefix));
    assert_int_equal(chmod(d->prefix, 0755), 0);
    (void)snprintf(from, sizeof from, "%s/.", prefix);
    copy_over(from, d->prefix);
    (void)snprintf(from, sizeof from, "%s/%s", rogues, other);
    (void)snprintf(to, sizeof to, "%s/libexec/hearth/%s", d->prefix, program);
    copy_over(from, to);
    daemon_start(d);
}

void
daemon_start(struct daemon *d)
{
    daemon_start_with(d, NULL);
}

int
daemon_stop(struct daemon *d)
{
    int status = 0;

    if (d->pid <= 0)
        return 0;
    (void)kill(d->pid, SIGTERM);
    assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
    d->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Appends the daemon's log to the file that HEARTH_LOGS names, if set. */
static void
keep_log(const struct daemon *d)
{
    const char *path = getenv("HEARTH_LOGS");
    FILE *file = path != NULL ? fopen(path, "ae") : NULL;
    size_t len;
    char *text;

    if (file == NULL)
        return;
    text = read_whole(d->log, &len);
    (void)fwrite(text, 1, len, file);
    free(text);
    (void)fclose(file);
}

void
daemon_remove(struct daemon *d)
{
    (void)daemon_stop(d);
    if (d->mounted)
        assert_int_equal(umount2(d->state, MNT_DETACH), 0);
    (void)nftw(d->state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (d->prefix[0] != '\0')
        (void)nftw(d->prefix, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    keep_log(d);
    (void)unlink(d->log);
}

int
group_start(void **state)
{
    static struct daemon d;

    memset(&d, 0, sizeof d);
    daemon_start(&d);
    *state = &d;
    return 0;
}

int
group_stop(void **state)
{
    daemon_remove(*state);
    return 0;
}

/* ---- HTTP ---- */

struct sink {
    char *bytes;
    size_t len;
};

static size_t
on_bytes(char *bytes, size_t size, size_t n, void *user)
{
    struct sink *sink = user;

    sink->bytes = realloc(sink->bytes, sink->len + size * n + 1);
    memcpy(sink->bytes + sink->len, bytes, size * n);
    sink->len += size * n;
    sink->bytes[sink->len] = '\0';
    return size * n;
}

struct source {
    const char *bytes;
    size_t len;
};

static size_t
on_wanted(char *to, size_t size, size_t n, void *user)
{
    struct source *source = user;
    size_t part = size * n < source->len ? size * n : source->len;

    memcpy(to, source->bytes, part);
    source->bytes += part;
    source->len -= part;
    return part;
}

static void
set_body(CURL *curl, const struct request *r, struct source *source)
{
    if (r->chunked) {
        (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_wanted);
        (void)curl_easy_setopt(curl, CURLOPT_READDATA, source);
    } else if (r->body != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->len);
    }
}

struct reply
http(const struct daemon *d, const struct request *r)
{
    char url[40000], bearer[128];
    struct sink body = {calloc(1, 1), 0}, head = {calloc(1, 1), 0};
    struct source source = {r->body, r->len};
    struct curl_slist *fields = NULL;
    struct reply reply = {0};
    CURL *curl = curl_easy_init();

    assert_non_null(curl);
    (void)snprintf(url, sizeof url, "%s%s", d->url, r->path);
    (void)snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", d->token);
    if (!r->no_token)
        fields = curl_slist_append(fields, bearer);
    fields = curl_slist_append(fields, "Expect:");
    for (const char *const *f = r->fields; f != NULL && *f != NULL; f++)
        fields = curl_slist_append(fields, *f);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    if (d->ca != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, d->ca);
    set_body(curl, r, &source);
    if (r->method != NULL && strcmp(r->method, "HEAD") == 0)
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (r->method != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
                           r->http10 ? CURL_HTTP_VERSION_1_0 : CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, &head);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT,
                           (r->timeout_s != 0 ? r->timeout_s : TRANSFER_S) * harness_patience());
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    reply.error = (int)curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
    curl_slist_free_all(fields);
    curl_easy_cleanup(curl);
    reply.body = body.bytes;
    reply.len = body.len;
    reply.fields = head.bytes;
    reply.json = json_loadb(body.bytes, body.len, 0, NULL);
    return reply;
}

struct reply
get(const struct daemon *d, const char *path)
{
    return http(d, &(struct request){.path = path});
}

struct reply
get_of(const struct daemon *d, const char *name, const char *what)
{
    char path[128];
    struct reply r;

    (void)snprintf(path, sizeof path, "/v1/functions/%s/%s", name, what);
    r = get(d, path);
    if (r.status != 200 || r.json == NULL)
        fail_msg("GET %s: %ld %s", path, r.status, r.body);
    return r;
}

pid_t
instance_pid(const struct daemon *d, const char *name)
{
    struct reply r = get_of(d, name, "instances");
    json_t *first = json_array_get(json_object_get(r.json, "instances"), 0);
    pid_t pid = (pid_t)json_integer_value(json_object_get(first, "pid"));

    reply_free(&r);
    assert_true(pid > 1);
    return pid;
}

struct reply
post(const struct daemon *d, const char *path, const void *body, size_t len)
{
    return http(d, &(struct request){.method = "POST", .path = path, .body = body, .len = len});
}

struct reply
put(const struct daemon *d, const char *path, const char *type, const void *body, size_t len)
{
    char field[96];
    const char *fields[] = {field, NULL};

    (void)snprintf(field, sizeof field, "Content-Type: %s", type);
    return http(d, &(struct request){
                       .method = "PUT", .path = path, .fields = fields, .body = body, .len = len});
}

struct reply
patch(const struct daemon *d, const char *path, const char *json)
{
    return http(
        d, &(struct request){.method = "PATCH", .path = path, .body = json, .len = strlen(json)});
}

void
reply_free(struct reply *r)
{
    free(r->body);
    free(r->fields);
    json_decref(r->json);
    memset(r, 0, sizeof *r);
}

void
expect_body(const struct daemon *d, const char *path, const char *body)
{
    struct reply r = get(d, path);

    if (r.status != 200 || strcmp(r.body, body) != 0)
        fail_msg("%s: want 200 %s, got %ld %s", path, body, r.status, r.body);
    reply_free(&r);
}

const char *
reply_field(const struct reply *r, const char *name, char *buf, size_t n)
{
    for (const char *line = r->fields; line != NULL && *line != '\0';) {
        const char *end = strstr(line, "\r\n");

        if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            const char *value = line + strlen(name) + 1;

            value += strspn(value, " ");
            (void)snprintf(buf, n, "%.*s", (int)(end - value), value);
            return buf;
        }
        line = end != NULL ? end + 2 : NULL;
    }
    return NULL;
}

const char *
reply_text(const struct reply *r, const char *name)
{
    const char *text = json_string_value(json_object_get(r->json, name));

    if (text == NULL)
        fail_msg("no text \"%s\" in: %s", name, r->body);
    return text;
}

json_int_t
reply_number(const struct reply *r, const char *name)
{
    json_t *number = json_object_get(r->json, name);

    if (!json_is_integer(number))
        fail_msg("no number \"%s\" in: %s", name, r->body);
    return json_integer_value(number);
}

struct reply
deploy(const struct daemon *d, const char *name, const char *settings, const char *source)
{
    char path[1024];

    (void)snprintf(path, sizeof path, "/v1/functions/%s?%s", name, settings);
    return put(d, path, "text/x-c", source, strlen(source));
}

void
deploy_ok(const struct daemon *d, const char *name, const char *settings, const char *source)
{
    struct reply r = deploy(d, name, settings, source);

    if (r.status != 200 && r.status != 201)
        fail_msg("deploy of %s: %ld %s", name, r.status, r.body);
    reply_free(&r);
}

void
deploy_file(const struct daemon *d, const char *name, const char *settings, const char *path)
{
    size_t len;
    char *source = read_whole(path, &len);

    deploy_ok(d, name, settings, source);
    free(source);
}

/* ---- raw bytes ---- */

int
raw_try(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

int
raw_connect(const struct daemon *d)
{
    int fd = raw_try(d->port);
    struct timeval most = {.tv_sec = DEADLINE_MS / 1000 * harness_patience()};

    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    return fd;
}

void
raw_send(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* the peer may close early; the test checks its response */
        at += sent;
        n -= (size_t)sent;
    }
}

char *
raw_receive(int fd, const char *until)
{
    char *all = calloc(1, 1), bytes[4096];
    size_t len = 0;
    ssize_t got;

    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        all = realloc(all, len + (size_t)got + 1);
        memcpy(all + len, bytes, (size_t)got);
        len += (size_t)got;
        all[len] = '\0';
        if (until != NULL && strstr(all, until) != NULL)
            break;
    }
    return all;
}

void
raw_send_text(int fd, const char *text)
{
    raw_send(fd, text, strlen(text));
}

long long
waiting_bytes(const struct daemon *d, const char *where)
{
    struct reply r = get(d, "/metrics");
    char name[64];
    const char *at;
    long long bytes = -1;

    (void)snprintf(name, sizeof name, "\nhearth_waiting_bytes{where=\"%s\"} ", where);
    at = strstr(r.body, name);
    if (at != NULL)
        bytes = atoll(at + strlen(name));
    reply_free(&r);
    return bytes;
}

bool
nothing_waits(void *user)
{
    return waiting_bytes(user, "memory") == 0 && waiting_bytes(user, "disk") == 0;
}

bool
disk_is_used(void *user)
{
    return waiting_bytes(user, "disk") > 0;
}

int64_t
harness_now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct figure {
    const struct daemon *d;
    const char *name, *object, *member;
    json_int_t value;
};

static bool
has_value(void *user)
{
    const struct figure *f = user;
    char path[128];
    struct reply r;
    json_t *at;
    bool has;

    (void)snprintf(path, sizeof path, "/v1/functions/%s", f->name);
    r = get(f->d, path);
    at = f->object != NULL ? json_object_get(r.json, f->object) : r.json;
    at = json_object_get(at, f->member);
    has = json_is_integer(at) && json_integer_value(at) == f->value;
    reply_free(&r);
    return has;
}

void
wait_for_figure(const struct daemon *d, const char *name, const char *object, const char *member,
                json_int_t value)
{
    struct figure f = {d, name, object, member, value};

    wait_for(member, has_value, &f);
}

struct log_search {
    const struct daemon *d;
    const char *text;
};

bool
daemon_said(const struct daemon *d, const char *text)
{
    size_t len;
    char *log = read_whole(d->log, &len);
    bool said = strstr(log, text) != NULL;

    free(log);
    return said;
}

static bool
log_holds(void *user)
{
    const struct log_search *search = user;

    return daemon_said(search->d, search->text);
}

void
wait_for_log(const struct daemon *d, const char *text)
{
    struct log_search search = {d, text};

    wait_for(text, log_holds, &search);
}

/* ---- files ---- */

char *
read_whole(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *bytes = NULL;

    if (file == NULL)
        fail_msg("open %s: %s", path, strerror(errno));
    *len = 0;
    for (;;) {
        bytes = realloc(bytes, *len + 65537);
        size_t got = fread(bytes + *len, 1, 65536, file);

        *len += got;
        if (got == 0)
            break;
    }
    bytes[*len] = '\0';
    (void)fclose(file);
    return bytes;
}

void
fill_random(void *bytes, size_t n)
{
    uint64_t seed = run_seed();
    unsigned char *at = bytes;

    for (size_t i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        at[i] = (unsigned char)(seed >> 56);
    }
}

void
call_at_once(const struct daemon *d, const char *path, int count, const char *expected)
{
    int fds[16];

    assert_true(count <= 16);
    for (int i = 0; i < count; i++) {
        char request[200];

        fds[i] = raw_connect(d);
        (void)snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
        raw_send_text(fds[i], request);
    }
    for (int i = 0; i < count; i++) {
        char *got = raw_receive(fds[i], NULL);

        if (strstr(got, expected) == NULL)
            fail_msg("%s: %s", path, got);
        free(got);
        (void)close(fds[i]);
    }
}
