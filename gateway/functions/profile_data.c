/* profile_data.c: see profile_data.h. */
#include "profile_data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* ---- reading ---- */

/* The next word of a line, or "". */
static char *
word(char **at)
{
    char *from = *at + strspn(*at, " "), *end = from + strcspn(from, " ");

    *at = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return from;
}

static void
copy_name(char *to, size_t n, char *from)
{
    text_printable(from, false);
    for (char *c = from; *c != '\0'; c++)
        if (*c == ';')
            *c = ',';
    (void)snprintf(to, n, "%s", strcmp(from, "?") == 0 ? "" : from);
}

static struct profile_frame *
find_frame(const struct profile *profile, uint64_t address)
{
    struct profile_frame *frame = NULL;

    HASH_FIND(hh, profile->frames, &address, sizeof address, frame);
    return frame;
}

static int
read_frame(struct profile *profile, char *line)
{
    uint64_t address = strtoull(word(&line), NULL, 16);
    struct profile_frame *frame = find_frame(profile, address);

    if (frame != NULL)
        return 0;
    if (HASH_COUNT(profile->frames) == PROFILE_FRAMES)
        return -EINVAL;
    frame = calloc(1, sizeof *frame);
    if (frame == NULL)
        return -ENOMEM;
    frame->address = address;
    copy_name(frame->object, sizeof frame->object, word(&line));
    frame->offset = strtoull(word(&line), NULL, 16);
    copy_name(frame->symbol, sizeof frame->symbol, word(&line));
    frame->id = HASH_COUNT(profile->frames) + 1;
    HASH_ADD(hh, profile->frames, address, sizeof frame->address, frame);
    return 0;
}

static int64_t
read_count(char **line)
{
    int64_t count = strtoll(word(line), NULL, 10);

    return count > 0 ? count : 0;
}

static int
read_stack(struct profile *profile, char *line)
{
    struct profile_stack *stack;

    if (profile->stacks_count++ == PROFILE_STACKS)
        return -EINVAL;
    stack = calloc(1, sizeof *stack);
    if (stack == NULL)
        return -ENOMEM;
    stack->next = profile->stacks;
    profile->stacks = stack;
    stack->objects = read_count(&line);
    stack->bytes = read_count(&line);
    stack->live_objects = read_count(&line);
    stack->live_bytes = read_count(&line);
    while (*line != '\0') {
        const struct profile_frame *frame = find_frame(profile, strtoull(word(&line), NULL, 16));

        if (frame == NULL || stack->depth == PROFILE_DEPTH)
            return -EINVAL;
        stack->frames[stack->depth++] = frame;
    }
    return 0;
}

/* Those beyond the bound are the least. */
static int
read_type(struct profile *profile, char *line)
{
    struct profile_type *type = &profile->types[profile->types_count];

    if (profile->types_count == PROFILE_TYPES)
        return 0;
    type->grew = read_count(&line);
    type->count = read_count(&line);
    copy_name(type->module, sizeof type->module, word(&line));
    copy_name(type->name, sizeof type->name, word(&line));
    profile->types_count++;
    return 0;
}

int
profile_read(struct profile *profile, char *text)
{
    char *line, *save = NULL;
    int status = 0;

    memset(profile, 0, sizeof *profile);
    for (line = strtok_r(text, "\n", &save); line != NULL && status == 0;
         line = strtok_r(NULL, "\n", &save)) {
        char kind = line[0];

        if (kind == '\0' || line[1] != ' ')
            return -EINVAL;
        line += 2;
        if (kind == 'f')
            status = read_frame(profile, line);
        else if (kind == 's')
            status = read_stack(profile, line);
        else if (kind == 'o')
            status = read_type(profile, line);
        else if (kind == 'd')
            profile->dropped = (uint64_t)read_count(&line);
        else
            status = -EINVAL;
    }
    return status;
}

void
profile_clear(struct profile *profile)
{
    struct profile_frame *frame, *next;

    HASH_ITER (hh, profile->frames, frame, next) {
        HASH_DEL(profile->frames, frame);
        free(frame);
    }
    while (profile->stacks != NULL) {
        struct profile_stack *stack = profile->stacks;

        profile->stacks = stack->next;
        free(stack);
    }
}

void
profile_name(struct profile *profile, const struct elf_symbols *symbols)
{
    struct profile_frame *frame, *next;

    HASH_ITER (hh, profile->frames, frame, next) {
        const char *name = frame->symbol[0] == '\0' && strcmp(frame->object, PROFILE_OBJECT) == 0
                               ? elf_symbols_find(symbols, frame->offset)
                               : NULL;
        char copy[sizeof frame->symbol];

        if (name == NULL)
            continue;
        (void)snprintf(copy, sizeof copy, "%s", name);
        for (char *c = copy; *c != '\0'; c++)
            if (*c == ' ')
                *c = '_';
        copy_name(frame->symbol, sizeof frame->symbol, copy);
    }
}

/* ---- folded stacks ---- */

/* buf: where it has no symbol. */
static const char *
frame_name(const struct profile_frame *frame, char *buf, size_t n)
{
    if (frame->symbol[0] != '\0')
        return frame->symbol;
    (void)snprintf(buf, n, "%s+0x%" PRIx64, frame->object, frame->offset);
    return buf;
}

static void
print_frame(const struct profile_frame *frame, FILE *out)
{
    char name[96];

    (void)fputs(frame_name(frame, name, sizeof name), out);
}

/* The number of frames without those of the worker outside the function. */
static unsigned
depth_within_function(const struct profile_stack *stack)
{
    unsigned depth = stack->depth;

    while (depth > 0 && strcmp(stack->frames[depth - 1]->object, PROFILE_OBJECT) != 0)
        depth--;
    return depth > 0 ? depth : stack->depth;
}

void
profile_print_folded(const struct profile *profile, bool live, FILE *out)
{
    for (const struct profile_stack *stack = profile->stacks; stack != NULL; stack = stack->next) {
        int64_t bytes = live ? stack->live_bytes : stack->bytes;

        if (bytes == 0)
            continue;
        for (unsigned i = depth_within_function(stack); i > 0; i--) {
            print_frame(stack->frames[i - 1], out);
            (void)fputs(i > 1 ? ";" : "", out);
        }
        (void)fprintf(out, " %" PRId64 "\n", bytes);
    }
}

/* ---- JSON ---- */

/* What a line of Python allocated by itself: the sum of all stacks that it is the innermost of. */
struct line {
    const struct profile_frame *frame;
    int64_t bytes, objects;
};

static int
by_bytes(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static json_t *
lines_json(const struct profile *profile, bool live)
{
    size_t most = HASH_COUNT(profile->frames) + 1;
    struct line *lines = calloc(most, sizeof *lines); /* by the frames' ids */
    json_t *list = json_array();

    for (const struct profile_stack *s = profile->stacks; s != NULL && lines != NULL; s = s->next) {
        struct line *line;

        if (s->depth == 0 || strcmp(s->frames[0]->object, "python") != 0)
            continue;
        line = &lines[s->frames[0]->id];
        line->frame = s->frames[0];
        line->bytes += live ? s->live_bytes : s->bytes;
        line->objects += live ? s->live_objects : s->objects;
    }
    if (lines != NULL)
        qsort(lines, most, sizeof *lines, by_bytes);
    for (size_t i = 0; i < most && lines != NULL && lines[i].frame != NULL; i++) {
        const char *symbol = lines[i].frame->symbol, *colon = strrchr(symbol, ':');
        int n = colon != NULL ? (int)(colon - symbol) : (int)strlen(symbol);

        (void)json_array_append_new(list, json_pack("{s:s%,s:I,s:I,s:I}", "file", symbol, n, "line",
                                                    (json_int_t)lines[i].frame->offset, "bytes",
                                                    (json_int_t)lines[i].bytes, "objects",
                                                    (json_int_t)lines[i].objects));
    }
    free(lines);
    return list;
}

json_t *
profile_json(const struct profile *profile, bool live)
{
    json_t *stacks = json_array(), *types = json_array();

    for (const struct profile_stack *s = profile->stacks; s != NULL; s = s->next) {
        json_t *frames = json_array();

        for (unsigned i = depth_within_function(s); i > 0; i--) {
            char name[96];

            (void)json_array_append_new(
                frames, json_string(frame_name(s->frames[i - 1], name, sizeof name)));
        }
        (void)json_array_append_new(
            stacks, json_pack("{s:o,s:I,s:I}", "frames", frames, "bytes",
                              (json_int_t)(live ? s->live_bytes : s->bytes), "objects",
                              (json_int_t)(live ? s->live_objects : s->objects)));
    }
    for (unsigned i = 0; i < profile->types_count; i++) {
        const struct profile_type *type = &profile->types[i];

        (void)json_array_append_new(
            types, json_pack("{s:s,s:s,s:I,s:I}", "module", type->module, "type", type->name,
                             "grew", (json_int_t)type->grew, "count", (json_int_t)type->count));
    }
    return json_pack("{s:o,s:o,s:o}", "stacks", stacks, "lines", lines_json(profile, live),
                     "objects", types);
}

/* ---- pprof ---- */

/* A message while it is made: protobuf has its length before it. */
struct message {
    char *bytes;
    size_t len;
    FILE *out;
};

static void
print_varint(FILE *out, uint64_t n)
{
    for (; n >= 128; n >>= 7)
        (void)putc_unlocked((int)(n & 127) | 128, out);
    (void)putc_unlocked((int)n, out);
}

static void
print_number(FILE *out, unsigned field, uint64_t n)
{
    print_varint(out, field << 3);
    print_varint(out, n);
}

static void
print_bytes(FILE *out, unsigned field, const void *bytes, size_t n)
{
    print_varint(out, field << 3 | 2);
    print_varint(out, n);
    (void)fwrite(bytes, 1, n, out);
}

static bool
begin_message(struct message *m)
{
    *m = (struct message){0};
    m->out = open_memstream(&m->bytes, &m->len);
    return m->out != NULL;
}

static void
end_message(struct message *m, unsigned field, FILE *out)
{
    if (fclose(m->out) == 0)
        print_bytes(out, field, m->bytes, m->len);
    free(m->bytes);
}

enum {
    PPROF_SAMPLE_TYPE = 1,
    PPROF_SAMPLE = 2,
    PPROF_LOCATION = 4,
    PPROF_FUNCTION = 5,
    PPROF_STRING = 6,
    PPROF_TIME = 9,
    PPROF_DURATION = 10,
    PPROF_PERIOD_TYPE = 11,
    PPROF_PERIOD = 12,
    PPROF_DEFAULT_TYPE = 14
};

/* The string table begins with these; the names of frames follow, by the frame's id. */
static const char *const strings[] = {"",      "alloc_objects", "count",       "alloc_space",
                                      "bytes", "inuse_objects", "inuse_space", "space"};
enum { STRINGS = sizeof strings / sizeof strings[0], COUNT = 2, BYTES = 4, SPACE = 7 };

static void
print_type(FILE *out, unsigned field, uint64_t type, uint64_t unit)
{
    struct message m;

    if (!begin_message(&m))
        return;
    print_number(m.out, 1, type);
    print_number(m.out, 2, unit);
    end_message(&m, field, out);
}

static void
print_sample(const struct profile_stack *stack, FILE *out)
{
    const int64_t values[] = {stack->objects, stack->bytes, stack->live_objects, stack->live_bytes};
    struct message m;

    if (!begin_message(&m))
        return;
    for (unsigned i = 0; i < depth_within_function(stack); i++)
        print_number(m.out, 1, stack->frames[i]->id);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        print_number(m.out, 2, (uint64_t)values[i]);
    end_message(&m, PPROF_SAMPLE, out);
}

/* A location, its function, and the function's name have the same number. */
static void
print_location(const struct profile_frame *frame, FILE *out)
{
    struct message m, line;

    if (!begin_message(&m))
        return;
    print_number(m.out, 1, frame->id);
    print_number(m.out, 3, frame->address);
    if (begin_message(&line)) {
        print_number(line.out, 1, frame->id);
        end_message(&line, 4, m.out);
    }
    end_message(&m, PPROF_LOCATION, out);
    if (!begin_message(&m))
        return;
    print_number(m.out, 1, frame->id);
    print_number(m.out, 2, STRINGS - 1 + frame->id);
    print_number(m.out, 3, STRINGS - 1 + frame->id);
    end_message(&m, PPROF_FUNCTION, out);
}

void
profile_print_pprof(const struct profile *profile, int64_t begun_ns, int64_t took_ns, FILE *out)
{
    const struct profile_frame *frame, *next;

    for (size_t i = 0; i < STRINGS; i++)
        print_bytes(out, PPROF_STRING, strings[i], strlen(strings[i]));
    HASH_ITER (hh, profile->frames, frame, next) { /* in the order of their ids */
        struct message m;

        if (!begin_message(&m))
            return;
        print_frame(frame, m.out);
        end_message(&m, PPROF_STRING, out);
    }
    print_type(out, PPROF_SAMPLE_TYPE, 1, COUNT);
    print_type(out, PPROF_SAMPLE_TYPE, 3, BYTES);
    print_type(out, PPROF_SAMPLE_TYPE, 5, COUNT);
    print_type(out, PPROF_SAMPLE_TYPE, 6, BYTES);
    HASH_ITER (hh, profile->frames, frame, next)
        print_location(frame, out);
    for (const struct profile_stack *stack = profile->stacks; stack != NULL; stack = stack->next)
        print_sample(stack, out);
    print_number(out, PPROF_TIME, (uint64_t)begun_ns);
    print_number(out, PPROF_DURATION, (uint64_t)took_ns);
    print_type(out, PPROF_PERIOD_TYPE, SPACE, BYTES);
    print_number(out, PPROF_PERIOD, 65536);
    print_number(out, PPROF_DEFAULT_TYPE, 3);
}
