/* fastcgi.c: reference (c), the handlers as a FastCGI program behind nginx.
 * One thread per upstream connection: libfcgi serves a kept-alive connection by waiting on it, so
 * there are never fewer threads than connections that nginx may keep. */
#include <fcgiapp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_BODY    (1024 * 1024)
#define BACKLOG     1024
#define THREAD_MAX  4096
#define STACK_BYTES (256 * 1024)

static int listener;

static void
put_head(FCGX_Stream *out, const char *status, int len)
{
    FCGX_FPrintF(out, "Status: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
                 status, len);
}

static void
serve_hello(FCGX_Request *req)
{
    put_head(req->out, "200 OK", 12);
    FCGX_PutStr("hello, world", 12, req->out);
}

static void
serve_echo(FCGX_Request *req, char *body)
{
    const char *announced = FCGX_GetParam("CONTENT_LENGTH", req->envp);
    long want = announced ? atol(announced) : 0;
    int len;

    if (want < 0 || want > MAX_BODY) {
        put_head(req->out, "413 Content Too Large", 0);
        return;
    }
    len = FCGX_GetStr(body, (int)want, req->in);
    put_head(req->out, "200 OK", len);
    FCGX_PutStr(body, len, req->out);
}

static void
serve(FCGX_Request *req, char *body)
{
    const char *path = FCGX_GetParam("SCRIPT_NAME", req->envp);

    if (path && strcmp(path, "/function/hello") == 0)
        serve_hello(req);
    else if (path && strcmp(path, "/function/echo") == 0)
        serve_echo(req, body);
    else
        put_head(req->out, "404 Not Found", 0);
}

static void *
run_thread(void *unused)
{
    FCGX_Request req;
    char *body = malloc(MAX_BODY);

    if (!body || FCGX_InitRequest(&req, listener, 0) != 0)
        abort();
    while (FCGX_Accept_r(&req) == 0) {
        serve(&req, body);
        FCGX_Finish_r(&req);
    }
    free(body);
    return unused;
}

static int
start_threads(int n)
{
    pthread_attr_t attr;
    pthread_t thread;
    int err = 0;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    while (err == 0 && n-- > 0)
        err = pthread_create(&thread, &attr, run_thread, NULL);
    pthread_attr_destroy(&attr);
    return err;
}

int
main(int argc, char **argv)
{
    int n = argc == 3 ? atoi(argv[2]) : 0;
    int err;

    if (n < 1 || n > THREAD_MAX) {
        fprintf(stderr, "usage: fastcgi SOCKET THREADS\n");
        return 2;
    }
    if (FCGX_Init() != 0 || (listener = FCGX_OpenSocket(argv[1], BACKLOG)) < 0 ||
        chmod(argv[1], 0666) < 0) {
        perror(argv[1]);
        return 1;
    }
    err = start_threads(n - 1);
    if (err) {
        fprintf(stderr, "fastcgi: thread: %s\n", strerror(err));
        return 1;
    }
    run_thread(NULL);
    return 0;
}
