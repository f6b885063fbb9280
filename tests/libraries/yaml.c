/* yaml.c: reads YAML as events and writes it again.
 *
 * package: libyaml-dev
 * libs: yaml
 * pkgconfig: yaml-0.1
 */
#include <hearth.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

static int
on_write(void *user, unsigned char *bytes, size_t n)
{
    return hearth_write(user, bytes, n) == 0;
}

/* Each event of the source is written again. */
static int
copy(hearth_call *call, const char *source)
{
    yaml_parser_t parser;
    yaml_emitter_t emitter;
    yaml_event_t event;
    int bad = 0, done = 0;

    yaml_parser_initialize(&parser);
    yaml_emitter_initialize(&emitter);
    yaml_parser_set_input_string(&parser, (const unsigned char *)source, strlen(source));
    yaml_emitter_set_output(&emitter, on_write, call);
    yaml_emitter_set_unicode(&emitter, 1);
    while (!done && yaml_parser_parse(&parser, &event)) {
        done = event.type == YAML_STREAM_END_EVENT;
        if (!yaml_emitter_emit(&emitter, &event))
            bad = hearth_printf(call, "not written: %s\n", emitter.problem);
    }
    if (!done)
        bad |= hearth_printf(call, "error: %s at %zu:%zu\n", parser.problem,
                             parser.problem_mark.line, parser.problem_mark.column);
    yaml_emitter_delete(&emitter);
    yaml_parser_delete(&parser);
    return bad;
}

int
hearth_handle(hearth_call *call)
{
    char source[1024];

    (void)snprintf(source, sizeof source,
                   "body: \"%s\"\nlist: [1, two, {three: 3}]\nanchor: &a {x: 1}\nalias: *a\n"
                   "text: |\n  several\n  lines\n",
                   (const char *)hearth_body(call, NULL));
    return copy(call, source) | copy(call, "a: [1, 2\nb: 3\n");
}
