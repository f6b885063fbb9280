/* dashboard.c: GET /: the page for operators, with its style and its script. They are files of
 * dashboard/, built into the program (tools/embed). Nothing in them is secret: the page asks for
 * the token and reads /v1 with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"

extern const unsigned char index_html[], dashboard_css[], dashboard_js[];
extern const size_t index_html_len, dashboard_css_len, dashboard_js_len;

static void
show(struct gw_request *req, const char *type, const unsigned char *bytes, size_t len)
{
    char *copy = malloc(len);

    if (copy != NULL)
        memcpy(copy, bytes, len);
    (void)snprintf(req->answer.fields, sizeof req->answer.fields,
                   "Content-Security-Policy: default-src 'none'; script-src 'self'; "
                   "style-src 'self'; img-src 'self' data:; connect-src 'self'; "
                   "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
                   "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
                   "Cross-Origin-Opener-Policy: same-origin\r\nCache-Control: no-cache\r\n");
    gw_request_text(req, 200, type, copy, len);
}

void
gw_dashboard_page(struct gw_request *req)
{
    show(req, "text/html; charset=utf-8", index_html, index_html_len);
}

void
gw_dashboard_style(struct gw_request *req)
{
    show(req, "text/css; charset=utf-8", dashboard_css, dashboard_css_len);
}

void
gw_dashboard_script(struct gw_request *req)
{
    show(req, "text/javascript; charset=utf-8", dashboard_js, dashboard_js_len);
}
