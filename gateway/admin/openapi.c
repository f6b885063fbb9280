/* openapi.c: GET /v1/openapi.json: the routes, settings and codes as OpenAPI 3.1. What no table
 * has, the schemas of answers, is in openapi.json, which is built into the program.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "codes.h"
#include "routes.h"
#include "settings.h"

extern const unsigned char openapi_json[];
extern const size_t openapi_json_len;

#define SCHEMAS "#/components/schemas/"
#define C(code) (UINT64_C(1) << GW_##code)

/* What the platform may answer instead of a function. */
#define CALL_CODES                                                                                 \
    (C(FUNCTION_NOT_FOUND) | C(BAD_REQUEST) | C(BODY_TOO_LARGE) | C(HEADERS_TOO_LARGE) |           \
     C(OVERLOADED) | C(TIMEOUT) | C(FUNCTION_FAILED) | C(FUNCTION_CRASHED) | C(MEMORY_EXCEEDED) |  \
     C(FORBIDDEN_SYSCALL) | C(INIT_FAILED) | C(REQUEST_TIMEOUT) | C(STORAGE_FULL) | C(DRAINING))

/* ---- schemas ---- */

static json_t *
reference(const char *schema)
{
    char text[96];

    (void)snprintf(text, sizeof text, SCHEMAS "%s", schema);
    return json_pack("{s:s}", "$ref", text);
}

/* The schema of a setting's value. */
static json_t *
setting_json(const struct sch_setting *row)
{
    static const char *const types[] = {
        [SCH_SETTING_SIZE] = "[\"string\", \"integer\"]",
        [SCH_SETTING_TIME] = "[\"string\", \"integer\"]",
        [SCH_SETTING_COUNT] = "\"integer\"",
        [SCH_SETTING_CORES] = "[\"number\", \"null\"]",
        [SCH_SETTING_CHOICE] = "\"string\"",
        [SCH_SETTING_FLAG] = "\"boolean\"",
        [SCH_SETTING_LIST] = "\"array\"",
        [SCH_SETTING_MAP] = "\"object\"",
    };
    json_t *schema = json_object();

    (void)json_object_set_new(
        schema, "type",
        json_loads(strcmp(row->name, "network") == 0 ? "[\"string\", \"array\"]" : types[row->kind],
                   JSON_DECODE_ANY, NULL));
    (void)json_object_set_new(schema, "description",
                              json_sprintf("%s: %s", row->text, row->allowed));
    if (row->kind <= SCH_SETTING_COUNT)
        (void)json_object_set_new(schema, "default", json_integer(row->default_value));
    if (row->kind == SCH_SETTING_CHOICE)
        (void)json_object_set_new(schema, "default",
                                  json_string(sch_choice_name(row->default_value)));
    if (row->kind == SCH_SETTING_FLAG)
        (void)json_object_set_new(schema, "default", json_boolean(row->default_value));
    return schema;
}

static void
add_settings(json_t *schemas)
{
    json_t *all = json_object_get(json_object_get(schemas, "Settings"), "properties");

    for (unsigned i = 0; i < sch_setting_count; i++)
        (void)json_object_set_new(all, sch_setting_table[i].name,
                                  setting_json(&sch_setting_table[i]));
}

static void
add_codes(json_t *schemas)
{
    json_t *code =
        json_object_get(json_object_get(json_object_get(schemas, "Problem"), "properties"), "code");
    json_t *names = json_array();

    for (int c = 0; c < GW_CODE_COUNT; c++)
        if (c != GW_VERSION_UNFIT) /* the same name with another status */
            (void)json_array_append_new(names, json_string(gw_code_name(c)));
    (void)json_object_set_new(code, "enum", names);
}

/* ---- operations ---- */

static json_t *
parameter_json(const char *in, const char *name, const char *text, json_t *schema)
{
    return json_pack("{s:s,s:s,s:b,s:s,s:o}", "name", name, "in", in, "required",
                     strcmp(in, "path") == 0, "description", text, "schema", schema);
}

static void
add_listen_parameters(json_t *list, bool events)
{
    const char *name, *allowed;

    for (unsigned i = 0; (name = gw_listen_parameter(events, i, &allowed)) != NULL; i++)
        (void)json_array_append_new(
            list, parameter_json("query", name, allowed, json_pack("{s:s}", "type", "string")));
}

static void
add_setting_parameters(json_t *list)
{
    for (unsigned i = 0; i < sch_setting_count; i++) {
        const struct sch_setting *row = &sch_setting_table[i];
        char text[512];

        (void)snprintf(text, sizeof text, "%s: %s", row->text, row->allowed);
        (void)json_array_append_new(
            list, parameter_json("query", row->name, text, json_pack("{s:s}", "type", "string")));
    }
}

static json_t *
parameters_json(const struct gw_route *route)
{
    json_t *list = json_array();

    if (strchr(route->path, '*') != NULL)
        (void)json_array_append_new(
            list, parameter_json("path", "name", "the function's name", reference("Name")));
    if (strstr(route->path, "versions/*") != NULL)
        (void)json_array_append_new(
            list, parameter_json("path", "version", "the version's number",
                                 json_pack("{s:s,s:i}", "type", "integer", "minimum", 1)));
    if (route->parameters == GW_DEPLOY_PARAMETERS)
        add_setting_parameters(list);
    else if (route->parameters != GW_NO_PARAMETERS)
        add_listen_parameters(list, route->parameters == GW_EVENT_PARAMETERS);
    return list;
}

/* The media type and schema of "type Schema"; "-": bytes. */
static void
add_content(json_t *content, const char *type, const char *schema)
{
    json_t *object = json_object();

    if (strcmp(schema, "-") != 0)
        (void)json_object_set_new(object, "schema", reference(schema));
    (void)json_object_set_new(content, type, object);
}

static json_t *
body_json(const char *types)
{
    json_t *content = json_object();
    char *copy = strdup(types), *rest = copy, *one;
    char type[64], schema[32];

    while (copy != NULL && (one = strsep(&rest, ",")) != NULL)
        if (sscanf(one, " %63s %31s", type, schema) == 2)
            add_content(content, type, schema);
    free(copy);
    return json_pack("{s:o}", "content", content);
}

static void
add_answers(json_t *responses, const char *answers)
{
    char *copy = strdup(answers), *rest = copy, *one;

    while (copy != NULL && (one = strsep(&rest, ",")) != NULL) {
        char status[8], type[64], schema[32];
        int found = sscanf(one, " %7s %63s %31s", status, type, schema);
        json_t *answer = json_object_get(responses, status);

        if (answer == NULL) {
            answer = json_pack("{s:s}", "description", found == 1 ? "Done; no body." : "Done.");
            (void)json_object_set_new(responses, status, answer);
        }
        if (found == 3) {
            json_t *content = json_object_get(answer, "content");

            if (content == NULL) {
                content = json_object();
                (void)json_object_set_new(answer, "content", content);
            }
            add_content(content, type, schema);
        }
    }
    free(copy);
}

/* A response for each status, with the codes that it may have. */
static void
add_problems(json_t *responses, uint64_t codes)
{
    for (int c = 0; c < GW_CODE_COUNT; c++) {
        char status[8], text[96];
        json_t *answer, *list;

        if ((codes >> c & 1) == 0)
            continue;
        (void)snprintf(status, sizeof status, "%d", gw_code_status(c));
        (void)snprintf(text, sizeof text, "`%s`: %s", gw_code_name(c), gw_code_title(c));
        answer = json_object_get(responses, status);
        if (answer == NULL || json_object_get(answer, "x-codes") == NULL) {
            answer = json_pack("{s:s,s:[],s:{s:{s:o}}}", "description", text, "x-codes", "content",
                               "application/problem+json", "schema", reference("Problem"));
            (void)json_object_set_new(responses, status, answer);
        } else {
            json_t *was = json_object_get(answer, "description");

            (void)json_object_set_new(answer, "description",
                                      json_sprintf("%s; %s", json_string_value(was), text));
        }
        list = json_object_get(answer, "x-codes");
        (void)json_array_append_new(list, json_string(gw_code_name(c)));
    }
}

/* Codes that all routes of a kind have. */
static uint64_t
codes_of(const struct gw_route *route)
{
    uint64_t codes = route->codes;

    if (route->access != GW_OPEN)
        codes |= C(UNAUTHORIZED) | C(FORBIDDEN);
    if (strchr(route->path, '*') != NULL)
        codes |= C(BAD_NAME);
    if (strcmp(route->method, "GET") != 0)
        codes |= C(DRAINING) | C(BODY_TOO_LARGE);
    return codes;
}

static void
add_route(json_t *paths, const struct gw_route *route)
{
    json_t *responses = json_object(), *operation, *item;
    char path[96], method[16];

    gw_route_path(route, "{name}", "{version}", path, sizeof path);
    (void)snprintf(method, sizeof method, "%s", route->method);
    for (char *p = method; *p != '\0'; p++)
        *p |= 0x20;
    item = json_object_get(paths, path);
    if (item == NULL) {
        item = json_object();
        (void)json_object_set_new(paths, path, item);
    }
    add_answers(responses, route->answers);
    add_problems(responses, codes_of(route));
    operation = json_pack("{s:s,s:[s],s:s,s:o,s:o}", "operationId", route->id, "tags", route->tag,
                          "summary", route->text, "parameters", parameters_json(route), "responses",
                          responses);
    if (route->body != NULL)
        (void)json_object_set_new(operation, "requestBody", body_json(route->body));
    if (route->access != GW_OPEN)
        (void)json_object_set_new(operation, "security", json_pack("[{s:[]}]", "token"));
    (void)json_object_set_new(item, method, operation);
}

/* /function/NAME takes any method. */
static void
add_calls(json_t *paths)
{
    static const char *const methods[] = {"get",    "head",    "post", "put",
                                          "delete", "options", "patch"};
    json_t *item = json_object();

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        json_t *responses =
            json_pack("{s:{s:s}}", "default", "description", "The function's own response.");
        char id[32];

        (void)snprintf(id, sizeof id, "call_%s", methods[i]);
        add_problems(responses, CALL_CODES);
        (void)json_object_set_new(
            item, methods[i],
            json_pack("{s:s,s:[s],s:s,s:[o],s:o}", "operationId", id, "tags", "call", "summary",
                      "Calls the function; a path behind its name and a query are passed on.",
                      "parameters",
                      parameter_json("path", "name", "the function's name", reference("Name")),
                      "responses", responses));
    }
    (void)json_object_set_new(paths, "/function/{name}", item);
}

void
gw_openapi_get(struct gw_request *req)
{
    json_t *document = json_loadb((const char *)openapi_json, openapi_json_len, 0, NULL);
    json_t *paths = json_object_get(document, "paths");
    json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");

    (void)json_object_set_new(json_object_get(document, "info"), "version",
                              json_string(HEARTH_VERSION));
    add_settings(schemas);
    add_codes(schemas);
    add_calls(paths);
    for (size_t i = 0; i < gw_routes_count; i++)
        if (gw_routes[i].id != NULL)
            add_route(paths, &gw_routes[i]);
    gw_request_json(req, 200, document);
}
