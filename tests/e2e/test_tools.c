/* test_tools.c: the clients and proxies that people have: each against hello, echo and a large
 * body; and the suite of HTTP through nginx and haproxy, which keep their connections to the
 * daemon and use them for one client after another. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "http_rows.h"
#include "run.h"
#include "shell.h"

#define TELLER                                                                                     \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) {\n"                                                        \
    "  const char *f = hearth_header(c, \"x-a\"), *status = hearth_query(c, \"status\");\n"        \
    "  size_t n = 0; const char *b = hearth_body(c, &n); if (b == NULL) return 1;\n"               \
    "  if (status != NULL) return hearth_status(c, (status[0] - '0') * 100 + (status[1] - '0') * " \
    "10 + status[2] - '0');\n"                                                                     \
    "  return hearth_printf(c, \"%s [%s] %.*s.\", hearth_method(c), f ? f : \"-\", (int)n, b); "   \
    "}\n"

#define ECHO                                                                                       \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { size_t n; const void *b = hearth_body(c, &n);\n"          \
    "  hearth_set_header(c, \"Content-Type\", \"application/octet-stream\");\n"                    \
    "  return b == NULL || hearth_write(c, b, n); }\n"

#define STREAM                                                                                     \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { char b[16384]; ssize_t n;\n"                              \
    "  while ((n = hearth_read(c, b, sizeof b)) > 0)\n"                                            \
    "    if (hearth_write(c, b, (size_t)n)) return 1;\n"                                           \
    "  return n < 0; }\n"

#define HELLO                                                                                      \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"hello\\n\"); }\n"

#define LARGE_BYTES 20000000

static const char python_client[] =
    "import http.client, os, socket, urllib.request\n"
    "u = os.environ['U']; host = u.split('//')[1]; d = os.environ['D']\n"
    "large = open(d + '/large', 'rb').read()\n"
    "c = http.client.HTTPConnection(host, timeout=60)\n"
    "for name in ('echo', 'stream'):\n"
    "    for body in (b'', b'x' * 70000) + ((large,) if name == 'echo' else ()):\n"
    "        c.request('POST', '/function/' + name, body)\n"
    "        r = c.getresponse(); got = r.read()\n"
    "        assert r.status == 200 and got == body, (name, len(body), r.status, len(got))\n"
    "c.request('GET', '/function/hello'); assert c.getresponse().read() == b'hello\\n'\n"
    "c.request('POST', '/function/echo', iter([b'ab', b'', b'cd']), {'Transfer-Encoding': "
    "'chunked'}, encode_chunked=True)\n"
    "assert c.getresponse().read() == b'abcd'\n"
    "r = urllib.request.urlopen(u + '/function/hello'); assert r.read() == b'hello\\n'\n"
    "r = urllib.request.urlopen(urllib.request.Request(u + '/function/echo', large))\n"
    "assert r.read() == large\n"
    "if 'DIRECT' not in os.environ: raise SystemExit # nginx takes a half-closed client for gone\n"
    "s = socket.create_connection(host.split(':')); s.sendall(b'GET /function/hello "
    "HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
    "s.shutdown(socket.SHUT_WR); got = b''\n"
    "while part := s.recv(4096): got += part\n"
    "assert got.endswith(b'hello\\n'), got\n";

static const char node_client[] =
    "const http = require('http'), fs = require('fs'), u = process.env.U;\n"
    "const large = fs.readFileSync(process.env.D + '/large');\n"
    "const agent = new http.Agent({keepAlive: true, maxSockets: 4});\n"
    "function call(path, body, chunked) { return new Promise((ok, bad) => {\n"
    "  const r = http.request(u + path, {agent, method: body ? 'POST' : 'GET',\n"
    "    headers: body && !chunked ? {'Content-Length': body.length} : {}}, res => {\n"
    "    const parts = []; res.on('data', p => parts.push(p));\n"
    "    res.on('end', () => ok([res.statusCode, Buffer.concat(parts)])); res.on('error', bad); "
    "});\n"
    "  r.on('error', bad); if (body) r.end(body); else r.end(); }); }\n"
    "function check(what, ok) { if (!ok) { console.error(what); process.exit(1); } }\n"
    "(async () => {\n"
    "  for (let i = 0; i < 50; i++) {\n"
    "    const all = await Promise.all(Array.from({length: 8}, () => call('/function/hello')));\n"
    "    check('hello', all.every(([s, b]) => s == 200 && b.toString() == 'hello\\n')); }\n"
    "  for (const chunked of [false, true]) {\n"
    "    const [s, b] = await call('/function/echo', large, chunked);\n"
    "    check('large', s == 200 && b.equals(large)); }\n"
    "  if (typeof fetch == 'function') {\n"
    "    let r = await fetch(u + '/function/hello'); check('fetch', await r.text() == "
    "'hello\\n');\n"
    "    r = await fetch(u + '/function/echo', {method: 'POST', body: large});\n"
    "    check('fetch large', Buffer.from(await r.arrayBuffer()).equals(large)); }\n"
    "  agent.destroy();\n"
    "})().catch(e => { console.error(e); process.exit(1); });\n";

static int
start(void **state)
{
    int status = shell_group_start(state);
    char *large = malloc(LARGE_BYTES);

    deploy_ok(*state, "hello", "memory=16M",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) { return hearth_printf(c, "
              "\"hello\\n\"); }\n");
    deploy_ok(*state, "tell", "memory=16M", TELLER);
    deploy_ok(*state, "echo", "memory=64M&max_body=32M&timeout=30s", ECHO);
    deploy_ok(*state, "stream", "memory=16M&max_body=0&stream=true&timeout=60s", STREAM);
    fill_random(large, LARGE_BYTES);
    shell_write("large", large, LARGE_BYTES);
    shell_write("small", "some bytes", 10);
    shell_write("client.py", python_client, sizeof python_client - 1);
    shell_write("client.js", node_client, sizeof node_client - 1);
    free(large);
    return status;
}

/* With $U, the daemon's or a proxy's URL. */
static void
shell_at(const char *url, const char *command)
{
    (void)setenv("U", url, 1);
    shell(command);
}

static const char *
url_of(const struct daemon *d)
{
    return d->url;
}

/* ---- clients ---- */

static const char *const curl_commands[] = {
    "[ \"$(curl -sS $U/function/hello)\" = hello ]",
    "[ \"$(curl -sS -0 $U/function/hello)\" = hello ]",
    "[ \"$(curl -sS --http2 $U/function/hello)\" = hello ]",
    "[ \"$(curl -sS -d 'a body' $U/function/echo)\" = 'a body' ]",
    "[ \"$(curl -sS -0 -d 'a body' $U/function/echo)\" = 'a body' ]",
    "curl -sS --data-binary @$D/large $U/function/echo | cmp - $D/large",
    "curl -sS -0 --data-binary @$D/large $U/function/echo | cmp - $D/large",
    "curl -sS -T $D/large $U/function/echo | cmp - $D/large",
    "curl -sS -T - $U/function/echo <$D/large | cmp - $D/large",
    "curl -sS -F f=@$D/large $U/function/echo | grep -ca Content-Disposition: >/dev/null",
    "curl -sS -H Expect:100-continue -T $D/large $U/function/echo | cmp - $D/large",
    "[ \"$(curl -sS -I $U/function/hello | head -1 | cut -c1-15)\" = 'HTTP/1.1 200 OK' ]",
    "[ \"$(curl -sS $U/function/hello $U/function/hello $U/function/hello | wc -l)\" = 3 ]",
    "curl -sS --limit-rate 40M --data-binary @$D/large $U/function/echo | cmp - $D/large",
};

/* Not through nginx, which sends no more of a request once the answer's head has come. */
static const char *const stream_commands[] = {
    "curl -sS -T - $U/function/stream <$D/large | cmp - $D/large",
    "curl -sS --data-binary @$D/large $U/function/stream | cmp - $D/large",
};

static void
run_all(const char *url, const char *const *commands, size_t n)
{
    for (size_t i = 0; i < n; i++)
        shell_at(url, commands[i]);
}

#define RUN_ALL(url, commands) run_all((url), (commands), sizeof(commands) / sizeof((commands)[0]))

static void
test_curl(void **state)
{
    RUN_ALL(url_of(*state), curl_commands);
    RUN_ALL(url_of(*state), stream_commands);
}

static void
test_wget_ab_and_wrk(void **state)
{
    static const char *const commands[] = {
        "[ \"$(wget -qO- $U/function/hello)\" = hello ]",
        "wget -qO- --post-file=$D/large $U/function/echo | cmp - $D/large",
        "wget -qO- --header='Connection: close' $U/function/hello | grep -q hello",
        "ab -q -n 300 -c 7 $U/function/hello | grep -q 'Failed requests:        0'",
        "ab -q -k -n 300 -c 7 $U/function/hello | grep -q 'Keep-Alive requests:    300'",
        "ab -q -k -n 100 -c 3 -p $D/small $U/function/echo | grep -q 'Failed requests:        0'",
        "wrk -t1 -c8 -d1s $U/function/hello | grep -q 'Socket errors' && exit 1; exit 0",
    };

    RUN_ALL(url_of(*state), commands);
}

static void
test_python(void **state)
{
    shell_at(url_of(*state), "DIRECT=1 python3 $D/client.py");
}

static void
test_node(void **state)
{
    shell_at(url_of(*state), "node $D/client.js");
}

/* ---- streams ---- */

static long
peak_kib(pid_t pid)
{
    char buf[64];

    return atol(proc_status(pid, "VmHWM", buf, sizeof buf));
}

/* 300 MB in and out through an echo with 16M: nothing of it stays anywhere. */
static void
test_a_stream_of_any_length_takes_no_memory(void **state)
{
    static const char *const commands[] = {
        "gen() { openssl enc -aes-128-ctr -pass pass:x -nosalt -pbkdf2 </dev/zero 2>$D/err | head "
        "-c "
        "300000000; }; gen | sha256sum >$D/sent; gen | curl -sS -T - $U/function/stream | "
        "sha256sum "
        ">$D/got; cmp $D/sent $D/got",
    };
    const struct daemon *d = *state;
    pid_t gateway = find_process(d->pid, "hearth-gateway"), worker;
    long before[2];

    shell_at(d->url, "[ \"$(curl -sS -d warm $U/function/stream)\" = warm ]");
    worker = instance_pid(d, "stream");
    before[0] = peak_kib(gateway);
    before[1] = peak_kib(worker);
    RUN_ALL(d->url, commands);
    assert_int_equal(instance_pid(d, "stream"), worker);
    assert_true(peak_kib(gateway) - before[0] < 2048);
    assert_true(peak_kib(worker) - before[1] < 2048);
}

/* ---- proxies ---- */

struct proxy {
    pid_t pid;
    int port;
    char url[64];
};

static int
free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    (void)close(fd);
    return ntohs(at.sin_port);
}

static bool
listens(void *user)
{
    int fd = raw_try(((struct proxy *)user)->port);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

static void
start_proxy(struct proxy *p, const char *program, const char *const *arguments)
{
    (void)fflush(NULL);
    p->pid = fork();
    if (p->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execvp(program, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    (void)snprintf(p->url, sizeof p->url, "http://127.0.0.1:%d", p->port);
    wait_for(program, listens, p);
}

static void
stop_proxy(struct proxy *p)
{
    (void)kill(p->pid, SIGTERM);
    (void)waitpid(p->pid, NULL, 0);
}

static void
start_nginx(struct proxy *p, const struct daemon *d)
{
    static char path[128];
    const char *const arguments[] = {"nginx", "-p", shell_folder, "-c", path, "-e", "stderr", NULL};
    char text[2048];
    int n;

    p->port = free_port();
    n = snprintf(
        text, sizeof text,
        "daemon off; master_process off; worker_processes 1; pid %s/nginx.pid;\n"
        "error_log %s/nginx.log; events { worker_connections 256; }\n"
        "http { access_log off; client_max_body_size 64m;\n"
        "client_body_temp_path %s/ngx-b; proxy_temp_path %s/ngx-p; fastcgi_temp_path %s/ngx-f;\n"
        "uwsgi_temp_path %s/ngx-u; scgi_temp_path %s/ngx-s;\n"
        "upstream hearth { server 127.0.0.1:%d; keepalive 4; }\n"
        "server { listen 127.0.0.1:%d; location / { proxy_pass http://hearth;\n"
        "proxy_http_version 1.1; proxy_set_header Connection \"\";\n"
        "proxy_set_header Host $host; proxy_pass_request_headers on;\n"
        "proxy_next_upstream off; } } }\n",
        shell_folder, shell_folder, shell_folder, shell_folder, shell_folder, shell_folder,
        shell_folder, d->port, p->port);
    shell_write("nginx.conf", text, (size_t)n);
    (void)snprintf(path, sizeof path, "%s/nginx.conf", shell_folder);
    start_proxy(p, "nginx", arguments);
}

static void
start_haproxy(struct proxy *p, const struct daemon *d)
{
    static char path[128];
    const char *const arguments[] = {"haproxy", "-q", "-db", "-f", path, NULL};
    char text[1024];
    int n;

    p->port = free_port();
    n = snprintf(
        text, sizeof text,
        "global\n  maxconn 256\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  "
        "timeout client 60s\n"
        "  timeout server 60s\n  retries 0\nfrontend f\n  bind 127.0.0.1:%d\n  default_backend b\n"
        "backend b\n  http-reuse always\n  server s 127.0.0.1:%d\n",
        p->port, d->port);
    shell_write("haproxy.conf", text, (size_t)n);
    (void)snprintf(path, sizeof path, "%s/haproxy.conf", shell_folder);
    start_proxy(p, "haproxy", arguments);
}

/* Sends a row's request, and reads until an answer has come or the proxy closes. What the proxy
 * takes for unfinished gets none. */
static void
send_row(const struct proxy *p, const struct http_row *row)
{
    struct pollfd poller;
    char buf[65536];
    int fd = raw_try(p->port);

    assert_true(fd >= 0);
    (void)send(fd, row->request, strlen(row->request), MSG_NOSIGNAL);
    poller = (struct pollfd){.fd = fd, .events = POLLIN};
    if (poll(&poller, 1, 200) == 1)
        (void)!recv(fd, buf, sizeof buf, 0);
    (void)close(fd);
}

/* A request of another client, which gets the same connection to the daemon. */
static void
expect_own_answer(const struct proxy *p, const struct http_row *row, int number)
{
    char request[160], want[40], *got;
    int fd = raw_try(p->port);

    assert_true(fd >= 0);
    (void)snprintf(request, sizeof request,
                   "GET /function/tell HTTP/1.1\r\nHost: localhost\r\nX-A: canary-%d\r\n"
                   "Connection: close\r\n\r\n",
                   number);
    (void)snprintf(want, sizeof want, "GET [canary-%d] .", number);
    raw_send(fd, request, strlen(request));
    got = raw_receive(fd, NULL);
    if (strncmp(got, "HTTP/1.1 200", 12) != 0 || strstr(got, want) == NULL)
        fail_msg("after %.200s\n%s: want %s, got %s", row->request, row->section, want, got);
    free(got);
    (void)close(fd);
}

static void
run_suite_through(const struct proxy *p)
{
    for (size_t i = 0; i < HTTP_ROWS; i++) {
        send_row(p, &http_rows[i]);
        for (int k = 0; k < 2; k++)
            expect_own_answer(p, &http_rows[i], (int)i * 2 + k);
    }
}

static void
test_nginx_in_front(void **state)
{
    struct proxy p;

    start_nginx(&p, *state);
    RUN_ALL(p.url, curl_commands);
    shell_at(p.url, "python3 $D/client.py");
    shell_at(p.url, "node $D/client.js");
    run_suite_through(&p);
    stop_proxy(&p);
}

static void
test_haproxy_in_front(void **state)
{
    struct proxy p;

    start_haproxy(&p, *state);
    RUN_ALL(p.url, curl_commands);
    RUN_ALL(p.url, stream_commands);
    shell_at(p.url, "python3 $D/client.py");
    shell_at(p.url, "node $D/client.js");
    run_suite_through(&p);
    stop_proxy(&p);
}

/* What nginx would obey does not reach it, unless the function may. */
static void
test_a_function_does_not_command_the_proxy(void **state)
{
    static const char source[] =
        "#include <hearth.h>\nint hearth_handle(hearth_call *c) {\n"
        "  hearth_set_header(c, \"X-Accel-Redirect\", \"/function/hello\");\n"
        "  hearth_set_header(c, \"x-sendfile\", \"/etc/passwd\");\n"
        "  hearth_set_header(c, \"X-Other\", \"stays\"); return hearth_printf(c, \"own\"); }\n";
    const struct daemon *d = *state;
    struct proxy p;
    char field[32];
    struct reply r;

    deploy_ok(d, "accel", "memory=16M", source);
    r = get(d, "/function/accel");
    assert_null(reply_field(&r, "X-Accel-Redirect", field, sizeof field));
    assert_null(reply_field(&r, "X-Sendfile", field, sizeof field));
    assert_non_null(reply_field(&r, "X-Other", field, sizeof field));
    reply_free(&r);
    start_nginx(&p, d);
    shell_at(p.url, "[ \"$(curl -sS $U/function/accel)\" = own ]");
    r = patch(d, "/v1/functions/accel", "{\"proxy_headers\": true}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    shell_at(p.url, "[ \"$(curl -sS $U/function/accel)\" = hello ]");
    stop_proxy(&p);
}

/* ---- pages of other origins ---- */

static void
test_pages_of_listed_origins_may_call(void **state)
{
    static const char *const commands[] = {
        "C='curl -sS -i -H Origin:http://app.example'; $C $U/function/open >$D/o && "
        "grep -qi '^Access-Control-Allow-Origin: http://app.example' $D/o && "
        "grep -qi '^Vary: Origin' $D/o && grep -q 'page' $D/o",
        "curl -sS -i -X OPTIONS -H Origin:http://app.example -H 'Access-Control-Request-Method: "
        "PUT' -H 'Access-Control-Request-Headers: X-A' $U/function/open >$D/o && grep -q "
        "'^HTTP/1.1 204' $D/o "
        "&& grep -qi '^Access-Control-Allow-Methods: PUT' $D/o && "
        "grep -qi '^Access-Control-Allow-Headers: X-A' $D/o && ! grep -q page $D/o",
        "curl -sS -i -X OPTIONS -H Origin:http://evil.example -H 'Access-Control-Request-Method: "
        "PUT' $U/function/open >$D/o && grep -q '^HTTP/1.1 403' $D/o && ! grep -qi "
        "'^Access-Control-Allow' $D/o",
        "curl -sS -i -H Origin:http://evil.example $U/function/open >$D/o && grep -q page $D/o && "
        "! grep -qi '^Access-Control-Allow' $D/o && grep -qi '^Vary: Origin' $D/o",
        "curl -sS -i $U/function/open >$D/o && grep -q page $D/o && ! grep -qi '^Access-Control' "
        "$D/o",
        "curl -sS -i -X OPTIONS $U/function/open >$D/o && grep -q page $D/o",
        "curl -sS -i -H Origin:http://app.example -d 123456 $U/function/open >$D/o && "
        "grep -q '^HTTP/1.1 413' $D/o",
        "curl -sS -i -H Origin:http://a.example $U/function/hello >$D/o && ! grep -qi "
        "'^Access-Control' $D/o",
    };
    const struct daemon *d = *state;
    struct reply r;

    deploy_ok(d, "open", "memory=16M&max_body=4&cors=http://app.example,https://b.example:8443",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) { "
              "hearth_set_header(c, \"Access-Control-Allow-Origin\", \"*\"); "
              "return hearth_printf(c, \"page\"); }\n");
    RUN_ALL(url_of(d), commands);
    r = patch(d, "/v1/functions/open", "{\"cors\": [\"*\"]}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    shell_at(url_of(d), "curl -sS -i -H Origin:http://any.example $U/function/open | grep -qi "
                        "'^Access-Control-Allow-Origin: \\*'");
    r = patch(d, "/v1/functions/open", "{\"cors\": [\"app.example\"]}");
    assert_int_equal(r.status, 400);
    assert_string_equal(reply_text(&r, "code"), "bad_setting");
    reply_free(&r);
}

/* ---- TLS ---- */

static const char python_tls[] =
    "import http.client, os, signal, ssl, time\n"
    "d = os.environ['D']; host = os.environ['U'].split('//')[1]\n"
    "def context(): return ssl.create_default_context(cafile=d + '/cert.pem')\n"
    "c = http.client.HTTPSConnection(host, timeout=30, context=context())\n"
    "def call(c, body):\n"
    "    c.request('POST', '/function/echo', body); r = c.getresponse(); return r.read() == body\n"
    "assert call(c, b'x' * 3000000) and call(c, b'') and call(c, b'y')\n"
    "old = c.sock.getpeercert(True)\n"
    "assert os.system(os.environ['NEW_CERT']) == 0\n"
    "os.kill(int(os.environ['PID']), signal.SIGHUP)\n"
    "until = time.time() + 20\n"
    "while time.time() < until:\n"
    "    n = http.client.HTTPSConnection(host, timeout=30, context=context())\n"
    "    try:\n"
    "        n.connect()\n"
    "        if n.sock.getpeercert(True) != old: break\n"
    "    except ssl.SSLError: pass\n"
    "    time.sleep(0.05)\n"
    "assert call(n, b'new') and call(c, b'old connection')\n"
    "assert c.sock.getpeercert(True) == old != n.sock.getpeercert(True)\n";

#define NEW_CERT                                                                                   \
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $D/key.pem "     \
    "-out $D/cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>$D/err"

static void
test_tls(void **state)
{
    static const char *const commands[] = {
        "[ \"$($C -d abc $U/function/echo)\" = abc ]",
        "[ \"$($C --tls-max 1.2 -d abc $U/function/echo)\" = abc ]",
        "$C --data-binary @$D/large $U/function/echo | cmp - $D/large",
        "$C -T - $U/function/echo <$D/large | cmp - $D/large",
        "$C -T - $U/function/stream <$D/large | cmp - $D/large",
        "$C -v $U/function/hello 2>&1 | grep -q 'ALPN: server accepted http/1.1'",
        "[ \"$($C $U/function/hello $U/function/hello | wc -l)\" = 2 ]",
        "! openssl s_client -connect ${U#https://} -tls1_1 </dev/null >$D/o 2>&1",
        "! openssl s_client -connect ${U#https://} -alpn h2 </dev/null >$D/o 2>&1",
        "! curl -sS http://${U#https://}/function/hello 2>$D/o",
        "wrk -t1 -c8 -d1s $U/function/hello | grep -q 'Socket errors' && exit 1; exit 0",
        "python3 $D/tls.py",
    };
    char cert[160], key[160], ca[160], pid[16], curl[200];
    const char *const options[] = {cert, key, NULL};
    struct daemon d = {0};

    (void)state;
    shell_at("", NEW_CERT);
    shell_write("tls.py", python_tls, sizeof python_tls - 1);
    (void)snprintf(cert, sizeof cert, "--tls-cert=%s/cert.pem", shell_folder);
    (void)snprintf(key, sizeof key, "--tls-key=%s/key.pem", shell_folder);
    (void)snprintf(ca, sizeof ca, "%s/cert.pem", shell_folder);
    d.ca = ca;
    daemon_start_with(&d, options);
    deploy_ok(&d, "hello", "memory=16M", HELLO);
    deploy_ok(&d, "echo", "memory=64M&max_body=32M&timeout=30s", ECHO);
    deploy_ok(&d, "stream", "memory=16M&max_body=0&stream=true&timeout=60s", STREAM);
    (void)snprintf(pid, sizeof pid, "%d", d.pid);
    (void)setenv("PID", pid, 1);
    (void)setenv("NEW_CERT", NEW_CERT, 1);
    (void)snprintf(curl, sizeof curl, "curl -sS --cacert %s/cert.pem", shell_folder);
    (void)setenv("C", curl, 1);
    RUN_ALL(d.url, commands);
    daemon_remove(&d);
}

static void
test_a_wrong_certificate_is_an_error_at_the_start(void **state)
{
    char cert[160], key[160];
    const char *const options[] = {cert, key, NULL};
    struct daemon d = {0};

    (void)state;
    (void)snprintf(cert, sizeof cert, "--tls-cert=%s/small", shell_folder);
    (void)snprintf(key, sizeof key, "--tls-key=%s/small", shell_folder);
    assert_int_not_equal(daemon_start_failing(&d, options), 0);
    wait_for_log(&d, "tls_cert: ");
    daemon_remove(&d);
    (void)snprintf(key, sizeof key, "--tls-key=%s/none", shell_folder);
    assert_int_not_equal(daemon_start_failing(&d, options), 0);
    wait_for_log(&d, "tls_key");
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curl),
        cmocka_unit_test(test_wget_ab_and_wrk),
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_node),
        cmocka_unit_test(test_a_stream_of_any_length_takes_no_memory),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_a_wrong_certificate_is_an_error_at_the_start),
        cmocka_unit_test(test_nginx_in_front),
        cmocka_unit_test(test_haproxy_in_front),
        cmocka_unit_test(test_a_function_does_not_command_the_proxy),
        cmocka_unit_test(test_pages_of_listed_origins_may_call),
    };

    return RUN_TESTS("tools", tests, start, shell_group_stop);
}
