/* test_rules.c: what the broker compares: addresses in all their forms, and lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>

#include <cmocka.h>

#include "broker/private.h"
#include "networks.h"
#include "run.h"

/* The address that a socket address with this text means to the broker, as text. */
static const char *
means(const char *text, char out[INET6_ADDRSTRLEN])
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    bool is_v4 = inet_pton(AF_INET, text, &v4.sin_addr) == 1;
    struct in6_addr address;
    uint16_t port = 0;

    if (!is_v4)
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    assert_true(rules_address(is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
                              is_v4 ? sizeof v4 : sizeof v6, &address, &port));
    assert_int_equal(port, 80);
    address_format(&address, out);
    return out;
}

static void
test_an_address_is_the_same_in_each_form(void **state)
{
    char out[INET6_ADDRSTRLEN];

    (void)state;
    assert_string_equal(means("192.0.2.7", out), "192.0.2.7");
    assert_string_equal(means("::ffff:192.0.2.7", out), "192.0.2.7");
    assert_string_equal(means("2001:db8::7", out), "2001:db8::7");
    /* the kernel connects to this host */
    assert_string_equal(means("0.0.0.0", out), "127.0.0.1");
    assert_string_equal(means("::ffff:0.0.0.0", out), "127.0.0.1");
    assert_string_equal(means("::", out), "::1");
}

static void
test_a_short_or_foreign_address_is_none(void **state)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct in6_addr address;
    uint16_t port;

    (void)state;
    assert_false(rules_address((const struct sockaddr *)&v6, 16, &address, &port));
    assert_false(rules_address((const struct sockaddr *)&v6, 0, &address, &port));
    v6.sin6_family = AF_UNSPEC;
    assert_false(rules_address((const struct sockaddr *)&v6, sizeof v6, &address, &port));
}

static void
test_metadata_addresses_are_known(void **state)
{
    static const struct {
        const char *text;
        bool is;
    } rows[] = {
        {"169.254.169.254", true}, {"169.254.0.1", true}, {"169.253.255.255", false},
        {"169.255.0.0", false},    {"fe80::1", true},     {"fd00:ec2::254", true},
        {"fd00:ec3::1", false},    {"10.0.0.1", false},   {"127.0.0.1", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct in6_addr address;

        assert_true(address_parse(rows[i].text, strlen(rows[i].text), &address));
        assert_int_equal(rules_is_metadata(&address), rows[i].is);
    }
}

static void
test_listeners_of_the_daemon_are_known(void **state)
{
    struct broker b = {.own_count = 2};
    struct in6_addr address;

    (void)state;
    assert_true(address_parse("127.0.0.1", 9, &b.own[0].address));
    b.own[0].port = 8080;
    b.own[1].port = 9090; /* on any address */
    assert_true(address_parse("127.0.0.1", 9, &address));
    assert_int_equal(rules_own(&b, &address, 8080), RULES_OWN);
    assert_int_equal(rules_own(&b, &address, 8081), RULES_NOT_OWN);
    assert_int_equal(rules_own(&b, &address, 9090), RULES_OWN_IF_LOCAL);
    assert_true(address_parse("127.0.0.2", 9, &address));
    assert_int_equal(rules_own(&b, &address, 8080), RULES_NOT_OWN);
}

static void
test_a_list_has_what_it_names(void **state)
{
    static const char list[] = "db.test:5432,192.0.2.7:80,unix:/run/x";
    struct in6_addr address;

    (void)state;
    assert_true(address_parse("192.0.2.7", 9, &address));
    assert_true(rules_list_has_address(list, &address, 80));
    assert_false(rules_list_has_address(list, &address, 81));
    assert_false(rules_list_has_address(list, &address, 5432));
    assert_true(rules_list_has_name(list, "db.test"));
    assert_false(rules_list_has_name(list, "db.tes"));
    assert_false(rules_list_has_name(list, "x.db.test"));
    assert_true(rules_list_has_path(list, "/run/x"));
    assert_false(rules_list_has_path(list, "/run/x2"));
    assert_false(rules_list_has_path("", "/run/x"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_is_the_same_in_each_form),
        cmocka_unit_test(test_a_short_or_foreign_address_is_none),
        cmocka_unit_test(test_metadata_addresses_are_known),
        cmocka_unit_test(test_listeners_of_the_daemon_are_known),
        cmocka_unit_test(test_a_list_has_what_it_names),
    };

    return RUN_TESTS("rules", tests, NULL, NULL);
}
