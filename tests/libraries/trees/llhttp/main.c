/* main.c: the HTTP parser of Debian's package node-llhttp from its C sources, which are
 * generated ones. All .c files of the bundle are compiled. */
#include <hearth.h>
#include <llhttp.h>
#include <stdio.h>
#include <string.h>

static int
on_url(llhttp_t *p, const char *at, size_t n)
{
    return hearth_printf(p->data, "url [%.*s]\n", (int)n, at);
}

static int
on_field(llhttp_t *p, const char *at, size_t n)
{
    return hearth_printf(p->data, "field [%.*s]\n", (int)n, at);
}

static int
on_value(llhttp_t *p, const char *at, size_t n)
{
    return hearth_printf(p->data, "value [%.*s]\n", (int)n, at);
}

static int
on_body(llhttp_t *p, const char *at, size_t n)
{
    return hearth_printf(p->data, "body [%.*s]\n", (int)n, at);
}

static int
parse(hearth_call *call, const char *text)
{
    llhttp_settings_t settings;
    llhttp_errno_t error;
    llhttp_t parser;

    llhttp_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_body = on_body;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = call;
    error = llhttp_execute(&parser, text, strlen(text));
    return hearth_printf(call, "%s %s\n", llhttp_errno_name(error),
                         error != HPE_OK ? llhttp_get_error_reason(&parser)
                                         : llhttp_method_name((llhttp_method_t)parser.method));
}

int
hearth_handle(hearth_call *call)
{
    const char *body = hearth_body(call, NULL);
    char text[1024];

    (void)snprintf(text, sizeof text,
                   "POST /a?b=c HTTP/1.1\r\nHost: hearth\r\nX-Long: %0200d\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   7, strlen(body), body);
    return parse(call, text) | parse(call, "GET / HTTP/1.1\r\nbad header\r\n\r\n");
}
