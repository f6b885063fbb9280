/* test_cli.c: the hearth command, as people use it: through pipes and in a terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"
#include "shell.h"

static void
test_from_nothing_to_a_function_that_answers(void **state)
{
    static const char *const commands[] = {
        "hearth new greet | grep -q 'Next: hearth deploy greet.c' && grep -q hearth_handle greet.c",
        "! hearth new greet 2>err && grep -q 'greet.c: File exists' err",
        "h list | grep -q 'nothing is deployed'",
        "h deploy greet.c --memory 16M | grep -q 'greet: version 1 of greet.c is live'",
        "[ \"$(h call 'greet?name=Ada')\" = 'hello, Ada' ]",
        "h call greet --time 2>err | grep -q hello && grep -q 'first byte after' err",
        "h list | grep -Eq '^greet +1 +2 +0'",
        "h describe greet | grep -q 'memory  *16 MiB'",
        "h limits greet --memory 32M --timeout 2s | grep -q 'memory takes effect on running'",
        "h describe greet | grep -q 'memory  *32 MiB'",
        "h deploy greet.c | grep -q 'version 2'",
        "h versions greet | grep -Eq '2 .*live'",
        "h rollback greet 1 | grep -q 'version 1 is live'",
        "h logs greet -n 5 | grep -q 'greeting Ada'",
        "h memory greet | grep -q 'limit' && h memory greet --json | grep -q '\"advice\"'",
        "h tune greet --calls 20 | grep -q 'greet needs'",
        "h delete greet | grep -q 'greet is deleted'",
        "! h describe greet 2>err && grep -q function_not_found err",
    };

    (void)state;
    SHELL_ALL(commands);
}

static void
test_folders_and_streams(void **state)
{
    static const char *const commands[] = {
        "mkdir -p sum/include && echo 'int twice(int);' >sum/include/twice.h && "
        "printf '#include \"twice.h\"\\nint twice(int x) { return 2 * x; }\\n' >sum/twice.c && "
        "printf '#include <hearth.h>\\n#include \"twice.h\"\\nint hearth_handle(hearth_call *c) { "
        "return hearth_printf(c, \"%%d\\\\n\", twice(21)); }\\n' >sum/sum.c && "
        "echo '{\"memory\": \"16M\", \"build\": {\"include\": [\"include\"]}}' >sum/function.json",
        "h deploy sum && [ \"$(h call sum)\" = 42 ]",
        "cd sum && h deploy . --name sum-two && [ \"$(h call sum-two)\" = 42 ]",
        "printf '#include <hearth.h>\\nint hearth_handle(hearth_call *c) { char b[999]; ssize_t n; "
        "while ((n = hearth_read(c, b, sizeof b)) > 0) if (hearth_write(c, b, (size_t)n)) return "
        "1; "
        "return n < 0; }\\n' >echo.c && h deploy echo.c --stream true --max-body 0 >out",
        "head -c 3000000 /dev/urandom >large && h call echo -d @large | cmp - large && "
        "h call echo -d - <large | cmp - large && [ \"$(h call echo -d text)\" = text ]",
        "[ \"$(h call echo -X PUT -d x -i 2>head)\" = x ] && grep -q 'HTTP/1.1 200' head",
    };

    (void)state;
    SHELL_ALL(commands);
}

static void
test_errors_say_what_to_do(void **state)
{
    static const char *const commands[] = {
        "printf 'int x = ;\\n' >bad.c; h deploy bad.c 2>err; [ $? = 1 ] && grep -q "
        "'^bad.c:1:9: error: expected expression' err && grep -q 'int x = ;' err && "
        "grep -q build_failed err",
        "h deploy none.c 2>err; [ $? = 1 ] && grep -q 'none.c: No such file' err",
        "touch odd.txt; h deploy odd.txt 2>err; [ $? = 2 ] && grep -q 'a function is a .c' err",
        "h deploy 2>err; [ $? = 2 ] && grep -q usage err",
        "hearth new snake.py | grep -q 'Next: hearth deploy snake.py' && h deploy snake.py >out && "
        "[ \"$(h call 'snake?name=Ada')\" = 'hello, Ada' ] && ! hearth new snake.py 2>err",
        "printf 'def handle(call):\\n    x = (1,\\n' >broken.py; h deploy broken.py 2>err; "
        "[ $? = 1 ] && grep -q \"^broken.py:2:9: error: SyntaxError: '(' was never closed\" err",
        "hearth new ok >out && h deploy ok.c --memroy 1M 2>err; [ $? = 1 ] && "
        "grep -q 'bad_setting: memroy may be' err",
        "h deploy ok.c --memory 1K 2>err; [ $? = 1 ] && grep -q 'bad_setting: memory may be' err",
        "hearth list 2>err; [ $? = 1 ] && grep -q 'token-file' err",
        "hearth frobnicate 2>err; [ $? = 2 ] && grep -q 'no command' err",
        "hearth; [ $? = 2 ] && hearth --help | grep -q 'hearth deploy' && hearth --version",
        "h call none 2>err; [ $? = 1 ] && grep -q 'the answer is 404' err",
        "h describe 'No Name' 2>err; [ $? = 2 ] && grep -q 'no name of a function' err",
        "h limits ok 2>err; [ $? = 2 ] && h rollback ok x 2>err; [ $? = 2 ]",
        "hearth --url http://127.0.0.1:1 list 2>err; [ $? = 1 ] && "
        "grep -q 'Is hearthd running' err",
        "hearth --token-file none list 2>err; [ $? = 1 ] && grep -q 'cannot read the token' err",
        "HEARTH_TOKEN=$(cat $T) hearth list >out",
        "h --json list | python3 -c 'import json,sys; json.load(sys.stdin)[\"functions\"]'",
        "h describe none --json 2>err | python3 -c 'import json,sys; "
        "assert json.load(sys.stdin)[\"code\"] == \"function_not_found\"'; [ $? != 0 ] || true",
    };

    (void)state;
    SHELL_ALL(commands);
}

/* The advice is a sentence, which the terminal may fold. */
static const char width[] =
    "import re, sys\n"
    "for line in sys.stdin.buffer.read().decode().replace('\\r', '').split('\\n'):\n"
    "    line = re.sub('\\x1b\\\\[[0-9;]*[mK]', '', line)\n"
    "    if len(line) > int(sys.argv[1]) and not re.match('[a-z]+: |[a-z_]+(data|ized|visioned):', "
    "line):\n"
    "        sys.exit(line)\n";

/* Nothing is wider than the terminal; colours and progress only there. */
static void
test_a_terminal_of_any_width(void **state)
{
    static const char *const commands[] = {
        "hearth new wide >out && h deploy wide.c >out && for i in 1 2 3; do h call wide >out; done",
        "for w in 40 80; do script -qec \"stty cols $w; hearth --token-file $T list; hearth "
        "--token-file $T memory wide\" typescript >screen </dev/null; python3 $D/width.py $w "
        "<screen "
        "|| exit 1; grep -q wide screen || exit 1; done",
        "printf 'int x = ;\\n' >bad.c; script -qec \"hearth --token-file $T deploy bad.c\" "
        "typescript "
        ">screen </dev/null; grep -q $'\\033\\\\[1;31merror' screen",
        "h deploy bad.c 2>err; ! grep -q $'\\033' err",
    };

    (void)state;
    (void)setenv("LC_ALL", "C.UTF-8", 1);
    (void)setenv("WIDTH", width, 1);
    shell("printf '%s' \"$WIDTH\" >width.py");
    SHELL_ALL(commands);
}

static void
test_logs_and_events_are_followed(void **state)
{
    (void)state;
    shell_script("follow");
}

static void
test_the_host_is_described(void **state)
{
    (void)state;
    shell_script("host");
}

static void
test_top_in_terminals_of_several_sizes(void **state)
{
    (void)state;
    shell_script("top");
}

static void
test_dev_deploys_what_is_saved(void **state)
{
    (void)state;
    shell_script("dev");
}

static void
test_without_root_it_is_insecure_and_says_so(void **state)
{
    (void)state;
    shell_script("insecure");
}

static void
test_with_root_no_layer_is_left_out(void **state)
{
    (void)state;
    shell_script("insecure_root");
}

static void
test_functions_move_to_another_daemon(void **state)
{
    (void)state;
    shell_script("move");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_nothing_to_a_function_that_answers),
        cmocka_unit_test(test_folders_and_streams),
        cmocka_unit_test(test_errors_say_what_to_do),
        cmocka_unit_test(test_logs_and_events_are_followed),
        cmocka_unit_test(test_a_terminal_of_any_width),
        cmocka_unit_test(test_the_host_is_described),
        cmocka_unit_test(test_top_in_terminals_of_several_sizes),
        cmocka_unit_test(test_dev_deploys_what_is_saved),
        cmocka_unit_test(test_without_root_it_is_insecure_and_says_so),
        cmocka_unit_test(test_with_root_no_layer_is_left_out),
        cmocka_unit_test(test_functions_move_to_another_daemon),
    };

    return RUN_TESTS("cli", tests, shell_group_start, shell_group_stop);
}
