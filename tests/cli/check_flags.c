/* flags: what is typed reaches the command as it was meant, and what is mistyped is never taken for something
 * else. */
#include "client/ctl/flags.h"
#include "tests/unit/unit.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const colours[] = {"red", "green", NULL};

static const struct flag own[] = {
	{.name = "limit", .letter = 'n', .argument = "N"},
	{.name = "all", .letter = 'a'},
	{.name = "link", .on = true},
	{.name = "meta", .argument = "K=V", .many = true},
	{.name = "colour", .argument = "C", .choices = colours},
	{.name = NULL},
};
static const struct flag common[] = {
	{.name = "socket", .letter = 's', .argument = "PATH"},
	{.name = "limit", .argument = "hidden by the first list"},
	{.name = NULL},
};
static const struct operand operands[] = {
	{.name = "LIMIT", .flag = "limit"},
	{.name = "FILE"},
	{.name = NULL},
};

static struct given given;
static char complaint[2048];

static void setup(void)
{
	given = (struct given){.lists = {own, common}};
	complaint[0] = '\0';
}

static void teardown(void)
{
	given_free(&given);
}

/* What was complained of is kept. */
static bool parse_words(char **words)
{
	int count = 0, saved = dup(STDERR_FILENO), ends[2];

	while (words[count])
		count++;
	ck_assert_int_eq(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	bool fine = flags_parse(&given, count, words, "test");
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	ssize_t len = read(ends[0], complaint, sizeof complaint - 1);
	complaint[len > 0 ? len : 0] = '\0';
	close(ends[0]);
	return fine;
}
#define PARSE(...) parse_words((char *[]){__VA_ARGS__, NULL})

START_TEST(values_come_with_an_equals_sign_a_blank_or_right_behind_the_letter)
{
	static char *const ways[][2] = {{"--limit=5", NULL}, {"--limit", "5"}, {"-n", "5"}, {"-n5", NULL}};

	ck_assert(parse_words((char *[]){ways[_i][0], ways[_i][1], NULL}));
	ck_assert_str_eq(given_text(&given, "limit"), "5");
	ck_assert_uint_eq(given.operand_count, 0);
}
END_TEST

START_TEST(an_empty_value_is_a_value)
{
	ck_assert(PARSE("--socket="));
	ck_assert(given_has(&given, "socket"));
	ck_assert_str_eq(given_text(&given, "socket"), "");
}
END_TEST

START_TEST(flags_and_operands_mix_until_two_dashes)
{
	ck_assert(PARSE("a", "--all", "b", "--", "--limit", "-n"));
	ck_assert(given_on(&given, "all"));
	ck_assert(!given_has(&given, "limit"));
	ck_assert_uint_eq(given.operand_count, 4);
	ck_assert_str_eq(given_operand(&given, 2), "--limit");
	ck_assert_ptr_null(given_operand(&given, 4));
}
END_TEST

START_TEST(a_dash_alone_is_an_operand)
{
	ck_assert(PARSE("-"));
	ck_assert_str_eq(given_operand(&given, 0), "-");
}
END_TEST

START_TEST(letters_go_together)
{
	ck_assert(PARSE("-an7"));
	ck_assert(given_on(&given, "all"));
	ck_assert_str_eq(given_text(&given, "limit"), "7");
}
END_TEST

START_TEST(no_turns_a_flag_off_and_the_last_word_counts)
{
	ck_assert(given_on(&given, "link"));
	ck_assert(PARSE("--no-link"));
	ck_assert(!given_on(&given, "link"));
	ck_assert(PARSE("--link"));
	ck_assert(given_on(&given, "link"));
	ck_assert(!given_on(&given, "all"));
}
END_TEST

START_TEST(a_flag_that_adds_keeps_every_value_in_order)
{
	size_t at = 0;

	ck_assert(PARSE("--meta", "a=1", "--all", "--meta=b=2"));
	ck_assert_str_eq(given_next(&given, "meta", &at), "a=1");
	ck_assert_str_eq(given_next(&given, "meta", &at), "b=2");
	ck_assert_ptr_null(given_next(&given, "meta", &at));
}
END_TEST

START_TEST(a_command_s_own_flag_hides_the_common_one)
{
	const struct flag *f = flags_find(given.lists, SPAN("limit"));
	ck_assert_ptr_eq(f, &own[0]);
}
END_TEST

START_TEST(an_operand_can_stand_for_a_flag)
{
	char name[80];

	ck_assert(PARSE("9", "file"));
	given_operands(&given, operands);
	ck_assert_str_eq(given_text(&given, "limit"), "9");
	ck_assert_uint_eq(given.operand_count, 1);
	ck_assert_str_eq(given_operand(&given, 0), "file");
	given_name(&given.flags[0], name);
	ck_assert_str_eq(name, "LIMIT");
}
END_TEST

START_TEST(mistakes_are_named_with_what_may_have_been_meant)
{
	static const struct {
		char *words[3];
		const char *said;
	} mistakes[] = {
		{{"--lmit", "5"}, "there is no flag --lmit; did you mean --limit?"},
		{{"--lim=5"}, "there is no flag --lim"},
		{{"-x"}, "there is no flag -x"},
		{{"-ax"}, "there is no flag -x"},
		{{"--limit"}, "--limit needs a value: N"},
		{{"-n"}, "-n needs a value: N"},
		{{"--all=yes"}, "--all takes no value"},
		{{"--no-limit"}, "there is no flag --no-limit"},
		{{"--colour", "gren"}, "--colour must be one of red, green; did you mean green?"},
		{{"--\x1b[31m"}, "there is no flag --\\x1b[31m"},
	};

	ck_assert(!parse_words((char **)mistakes[_i].words));
	ck_assert_msg(strstr(complaint, mistakes[_i].said), "%s", complaint);
	ck_assert_msg(strstr(complaint, "'persistctl test --help' says how it is used\n"), "%s", complaint);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flags");
	TCase *flags = tcase_create("flags");

	tcase_add_checked_fixture(flags, setup, teardown);
	tcase_add_loop_test(flags, values_come_with_an_equals_sign_a_blank_or_right_behind_the_letter, 0, 4);
	tcase_add_test(flags, an_empty_value_is_a_value);
	tcase_add_test(flags, flags_and_operands_mix_until_two_dashes);
	tcase_add_test(flags, a_dash_alone_is_an_operand);
	tcase_add_test(flags, letters_go_together);
	tcase_add_test(flags, no_turns_a_flag_off_and_the_last_word_counts);
	tcase_add_test(flags, a_flag_that_adds_keeps_every_value_in_order);
	tcase_add_test(flags, a_command_s_own_flag_hides_the_common_one);
	tcase_add_test(flags, an_operand_can_stand_for_a_flag);
	tcase_add_loop_test(flags, mistakes_are_named_with_what_may_have_been_meant, 0, 10);
	suite_add_tcase(suite, flags);
	return unit_run(suite);
}
