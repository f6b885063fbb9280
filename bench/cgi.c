/* cgi.c: reference (d), the handlers as a CGI program: one process per call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BODY (1024 * 1024)

static int
write_all(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, data, len);

        if (n <= 0)
            return 1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int
answer(const char *status, const char *body, size_t len)
{
    char head[128];
    int n = snprintf(head, sizeof(head),
                     "Status: %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                     status, len);

    return write_all(head, (size_t)n) || write_all(body, len);
}

static int
echo(void)
{
    static char body[MAX_BODY];
    const char *announced = getenv("CONTENT_LENGTH");
    size_t want = announced ? strtoul(announced, NULL, 10) : 0;
    size_t len = 0;

    if (want > MAX_BODY)
        return answer("413 Content Too Large", "", 0);
    while (len < want) {
        ssize_t n = read(STDIN_FILENO, body + len, want - len);

        if (n <= 0)
            return 1;
        len += (size_t)n;
    }
    return answer("200 OK", body, len);
}

int
main(void)
{
    const char *path = getenv("SCRIPT_NAME");

    if (path && strcmp(path, "/function/hello") == 0)
        return answer("200 OK", "hello, world", 12);
    if (path && strcmp(path, "/function/echo") == 0)
        return echo();
    return answer("404 Not Found", "", 0);
}
