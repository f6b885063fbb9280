/* protobuf.c: protobuf-c with a message described by hand: packs, unpacks, and refuses what is
 * none.
 *
 * package: libprotobuf-c-dev
 * libs: protobuf-c
 * pkgconfig: libprotobuf-c
 */
#include <hearth.h>
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* message note { required int32 number = 1; required string text = 2; repeated double list = 3; }
 */
struct note {
    ProtobufCMessage base;
    int32_t number;
    char *text;
    size_t list_count;
    double *list;
};

static const ProtobufCFieldDescriptor fields[] = {
    {.name = "number",
     .id = 1,
     .label = PROTOBUF_C_LABEL_REQUIRED,
     .type = PROTOBUF_C_TYPE_INT32,
     .offset = offsetof(struct note, number)},
    {.name = "text",
     .id = 2,
     .label = PROTOBUF_C_LABEL_REQUIRED,
     .type = PROTOBUF_C_TYPE_STRING,
     .offset = offsetof(struct note, text)},
    {.name = "list",
     .id = 3,
     .label = PROTOBUF_C_LABEL_REPEATED,
     .type = PROTOBUF_C_TYPE_DOUBLE,
     .quantifier_offset = offsetof(struct note, list_count),
     .offset = offsetof(struct note, list)},
};
static const unsigned int by_name[] = {2, 0, 1};
static const ProtobufCIntRange ranges[] = {{1, 0}, {0, 3}};
static const ProtobufCMessageDescriptor descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "note",
    .short_name = "note",
    .c_name = "note",
    .package_name = "",
    .sizeof_message = sizeof(struct note),
    .n_fields = 3,
    .fields = fields,
    .fields_sorted_by_name = by_name,
    .n_field_ranges = 1,
    .field_ranges = ranges,
};

int
hearth_handle(hearth_call *call)
{
    double list[] = {0.5, 1e100, -3};
    struct note out = {
        .base = PROTOBUF_C_MESSAGE_INIT(&descriptor), .number = -7, .list_count = 3, .list = list};
    struct note *in;
    uint8_t *bytes;
    size_t n;
    int bad;

    out.text = (char *)hearth_body(call, NULL);
    bytes = hearth_alloc(call, protobuf_c_message_get_packed_size(&out.base));
    if (bytes == NULL)
        return 1;
    n = protobuf_c_message_pack(&out.base, bytes);
    bad = hearth_printf(call, "packed: %zu bytes\n", n);
    in = (struct note *)protobuf_c_message_unpack(&descriptor, NULL, n, bytes);
    if (in == NULL)
        return hearth_printf(call, "not unpacked\n");
    bad |= hearth_printf(call, "%d %s %zu %g %g\n", in->number, in->text, in->list_count,
                         in->list[0], in->list[1]);
    protobuf_c_message_free_unpacked(&in->base, NULL);
    in = (struct note *)protobuf_c_message_unpack(&descriptor, NULL, n / 2, bytes);
    return bad | hearth_printf(call, "cut: %s\n", in == NULL ? "refused" : "taken");
}
