/* main.c: the parsers of the npm packages tree-sitter and tree-sitter-json. The runtime is one
 * file that includes all others. */
#include <hearth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree_sitter/api.h>

const TSLanguage *tree_sitter_json(void);

static int
parse(hearth_call *call, TSParser *parser, const char *text)
{
    TSTree *tree = ts_parser_parse_string(parser, NULL, text, (uint32_t)strlen(text));
    TSNode root = ts_tree_root_node(tree);
    char *form = ts_node_string(root);
    int bad = hearth_printf(call, "%s error: %d\n", form, ts_node_has_error(root));

    free(form);
    ts_tree_delete(tree);
    return bad;
}

int
hearth_handle(hearth_call *call)
{
    TSParser *parser = ts_parser_new();
    char text[512];
    int bad;

    bad = hearth_printf(call, "language: %d\n", ts_parser_set_language(parser, tree_sitter_json()));
    (void)snprintf(text, sizeof text, "{\"body\": \"%s\", \"list\": [1, true, null, {}]}",
                   (const char *)hearth_body(call, NULL));
    bad |= parse(call, parser, text) | parse(call, parser, "{\"a\": [1, 2, }");
    ts_parser_delete(parser);
    return bad;
}
