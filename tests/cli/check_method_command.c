/* method_command: a row of the spec is a command by itself. The rows here are the test's own: nothing of
 * persistctl names them. */
#include "client/ctl/help.h"
#include "client/ctl/method_command.h"
#include "proto/scan.h"
#include "tests/cli/captured.h"
#include "tests/unit/unit.h"
#include <locale.h>
#include <string.h>

static const char *const speeds[] = {"slow", "fast", NULL};
static const struct spec_field robot_fields[] = {
	{.name = "nick_name", .type = SPEC_STRING, .max = INT64_MAX, .prose = "What it is called."},
	{.name = "speed", .type = SPEC_CHOICE, .choices = speeds, .fallback = "\"slow\"", .prose = "How fast."},
	{.name = "parts", .type = SPEC_OBJECT, .prose = "What it is made of."},
	{.name = "born_at", .type = SPEC_TIME, .prose = "Since when."},
	{.name = "serial", .type = SPEC_INT, .max = INT64_MAX, .ours = true, .prose = "The daemon's own."},
	{.name = NULL},
};
static const struct spec_param build_params[] = {
	{.name = "robot", .type = SPEC_OBJECT, .required = true, .fields = robot_fields, .prose = "The robot."},
	{.name = "plan_id", .type = SPEC_IDENT, .required = true, .ident = IDENT_JOB, .prose = "After which."},
	{.name = "colours", .type = SPEC_CHOICE, .choices = speeds, .many = true, .prose = "Any of these."},
	{.name = "ids", .type = SPEC_IDENT, .ident = IDENT_RUN, .many = true, .unbounded = true,
	 .prose = "Any number."},
	{.name = "tested", .type = SPEC_BOOL, .fallback = "true", .prose = "Also test it."},
	{.name = "timeout", .type = SPEC_INT, .min = 1, .max = 9, .prose = "A name that all commands have."},
	{.name = "seen_after", .type = SPEC_TIME, .prose = "Only later ones."},
	{.name = "fields", .type = SPEC_FIELDS, .table = TABLE_JOBS, .prose = "Which fields."},
};
enum { PLAN_ID = 1, TESTED = 4, TIMEOUT = 5 };
static const struct spec_rule rules[] = {
	{.kind = SPEC_NOT_BOTH, .a = TIMEOUT, .b = TESTED, .prose = "timeout and tested cannot go together",
	 .hint = "leave one out"},
	{.kind = SPEC_RULE_END},
};
static const struct spec_method build = {
	.name = "robot.build_now", .prose = "Builds a robot.", .params = build_params, .param_count = 8,
	.rules = rules, .result = "the robot",
};
static const struct spec_method halt = {.name = "server.halt_all", .prose = "Halts.", .result = "nothing"};

static struct commands all;
static struct invocation i;

static void setup(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	ident_init();
	all = (struct commands){0};
	method_command_add(&all, &build);
	method_command_add(&all, &halt);
	i = (struct invocation){.all = &all, .command = &all.at[0]};
	/* 2026-11-22T16:50:00Z */
	i.screen = (struct screen){.utf8 = true, .utc = true, .now = INT64_C(1795366200000000)};
	command_flags(i.command, i.given.lists);
}

static void teardown(void)
{
	given_free(&i.given);
	commands_free(&all);
}

static enum exit_status params_of(char **words, struct buf *out, char **complaint)
{
	int count = 0;
	enum exit_status status = EXIT_USAGE;
	struct captured *c = captured_begin(&stderr);

	while (words[count])
		count++;
	if (flags_parse(&i.given, count, words, "robot build-now")) {
		given_operands(&i.given, i.command->operands);
		status = method_params(&i, SPAN("{}"), (struct span){0}, NULL, out);
	}
	*complaint = captured_end(c);
	return status;
}

static void expect_params(char **words, const char *wanted)
{
	struct buf out = {0};
	char *complaint;
	enum exit_status status = params_of(words, &out, &complaint);

	ck_assert_msg(status == EXIT_OK, "%s", complaint);
	buf_char(&out, '\0');
	ck_assert_str_eq(out.at, wanted);
	free(complaint);
	buf_free(&out);
}
#define EXPECT_PARAMS(wanted, ...) expect_params((char *[]){__VA_ARGS__, NULL}, wanted)

static void expect_refusal(char **words, const char *said)
{
	struct buf out = {0};
	char *complaint;

	ck_assert_int_eq(params_of(words, &out, &complaint), EXIT_USAGE);
	ck_assert_msg(strstr(complaint, said), "%s", complaint);
	free(complaint);
	buf_free(&out);
}
#define EXPECT_REFUSAL(said, ...) expect_refusal((char *[]){__VA_ARGS__, NULL}, said)

START_TEST(its_words_come_from_its_name)
{
	char name[64];

	command_name(&all.at[0], name);
	ck_assert_str_eq(name, "robot build-now");
	command_name(&all.at[1], name);
	ck_assert_str_eq(name, "halt-all"); /* what is the server's stands alone */
}
END_TEST

START_TEST(it_has_a_flag_for_each_parameter_and_each_field_that_is_not_the_daemon_s)
{
	static const char *const wanted[] = {
		"robot", "nick-name", "speed", "parts", "born-at", "plan-id", "colours", "ids", "tested",
		"build-now-timeout", "seen-after", "since", "fields",
	};

	for (size_t f = 0; f < sizeof wanted / sizeof *wanted; f++)
		ck_assert_msg(flags_find(i.given.lists, span_of(wanted[f])) != NULL, "--%s", wanted[f]);
	ck_assert_ptr_null(flags_find(i.given.lists, SPAN("serial")));
	ck_assert_ptr_eq(flags_find(i.given.lists, SPAN("timeout")), &command_common_flags[1]);
}
END_TEST

START_TEST(its_flags_become_its_parameters)
{
	EXPECT_PARAMS("{\"robot\":{\"nick_name\":\"R \\\"2\\\"\",\"speed\":\"fast\",\"born_at\":"
	              "\"2026-11-22T14:50:00.000000+00:00\"},\"plan_id\":\"p1\",\"colours\":[\"slow\",\"fast\"],"
	              "\"ids\":[\"a\",\"b\",\"c\"],\"tested\":false,"
	              "\"seen_after\":\"2026-11-20T00:00:00.000000+00:00\",\"fields\":[\"id\",\"payload\"]}",
	              "p1", "--nick-name", "R \"2\"", "--speed=fast", "--born-at", "2h", "--colours", "slow,fast",
	              "--ids", "a,b", "--ids", "c", "--no-tested", "--since", "2026-11-20", "--fields",
	              "id,payload.a,payload.b");
}
END_TEST

START_TEST(a_record_is_also_taken_whole_and_flags_win)
{
	EXPECT_PARAMS("{\"robot\":{\"speed\":\"fast\",\"nick_name\":\"x\"},\"plan_id\":\"p\"}", "p",
	              "{\"speed\": \"slow\", \"nick_name\": \"x\"}", "--speed", "fast");
}
END_TEST

START_TEST(objects_are_put_together_member_by_member)
{
	EXPECT_PARAMS("{\"robot\":{\"parts\":{\"a\":\"x=y\",\"n\":5,\"b\":[1]}},\"plan_id\":\"p\"}", "p",
	              "--parts", "{\"a\":1}", "--parts", "a=x=y", "--parts", "n:=5", "--parts", "b:=[1]");
}
END_TEST

START_TEST(mistakes_are_refused_in_the_spec_s_words_by_the_flag_s_name)
{
	static const struct {
		char *words[6];
		const char *said;
	} cases[] = {
		{{"--speed", "fast"}, "PLAN_ID is missing: it must be a string that matches [A-Za-z0-9_-]{1,160}"},
		{{"p"}, "nothing is said: give fields as flags"},
		{{"p q", "{}"}, "PLAN_ID must be a string that matches"},
		{{"p", "--speed", "fats"}, "--speed must be one of slow, fast\n  hint: did you mean fast?"},
		{{"p", "{}", "--build-now-timeout", "12"}, "--build-now-timeout must be an integer from 1 to 9"},
		{{"p", "{}", "--build-now-timeout", "x"}, "--build-now-timeout must be an integer from 1 to 9"},
		{{"p", "{}", "--since", "soon"}, "--since must be a time such as 2h"},
		{{"p", "--parts", "{\"a\":}"}, "--parts: not JSON: byte 6: expected a JSON value"},
		{{"p", "--parts", "[1]"}, "--parts must be an object"},
		{{"p", "--parts", "=x"}, "--parts must be KEY=TEXT or KEY:=JSON"},
		{{"p", "{}", "--fields", "idd"}, "job has no field idd\n  hint: did you mean id?"},
		{{"p", "{}", "--fields", "a,,b"}, "--fields must be field names with commas between them"},
		{{"p", "--nick-name", "\xff"}, "--nick-name is not UTF-8"},
		{{"p", "{}", "q"}, "there is no place for q"},
		{{"p", "{}", "--tested", "--build-now-timeout", "2"},
		 "--build-now-timeout and --tested cannot go together"},
	};

	expect_refusal((char **)cases[_i].words, cases[_i].said);
}
END_TEST

START_TEST(its_help_comes_from_its_row)
{
	struct screen screen = {.utf8 = true};
	struct captured *c = captured_begin(&stdout);
	ck_assert_int_eq(help_command(&all.at[0], &screen), EXIT_OK);
	char *help = captured_end(c);
	static const char *const wanted[] = {
		"Usage: persistctl robot build-now [FLAG]... PLAN_ID [JSON]\n", "Builds a robot.\n",
		"      --speed SPEED         How fast. One of slow, fast. Default slow.\n",
		"      --no-tested           Do not also test it.\n",
		"Mind that timeout and tested cannot go together.\n",
		"It calls robot.build_now;",
	};

	for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++)
		ck_assert_msg(strstr(help, wanted[w]), "%s in\n%s", wanted[w], help);
	free(help);
}
END_TEST

START_TEST(every_method_of_the_spec_is_a_command_or_hidden_on_purpose)
{
	struct commands real;
	size_t hidden = 0;

	commands_make(&real);
	for (size_t m = 0; m < METHOD_COUNT; m++) {
		const struct presentation *p = presentation_of(&spec_methods[m]);
		size_t found = 0;
		for (size_t c = 0; c < real.count; c++)
			found += real.at[c].method == &spec_methods[m];
		hidden += p && p->hidden;
		ck_assert_msg(found == (p && p->hidden ? 0 : 1), "%s", spec_methods[m].name);
	}
	ck_assert_uint_eq(hidden, 1); /* server.import, which the import command sends */
	commands_free(&real);
}
END_TEST

START_TEST(every_presentation_is_of_a_method_that_exists)
{
	const char *near;

	for (size_t p = 0; presentation_at(p); p++)
		ck_assert_msg(spec_find(span_of(presentation_at(p)->method), &near) != NULL, "%s",
		              presentation_at(p)->method);
}
END_TEST

START_TEST(no_command_and_no_flag_stands_twice)
{
	struct commands real;

	commands_make(&real);
	for (size_t c = 0; c < real.count; c++) {
		ck_assert_ptr_eq(command_find(&real, real.at[c].noun, real.at[c].verb), &real.at[c]);
		for (const struct flag *f = real.at[c].flags; f && f->name; f++) {
			const struct flag *list[FLAG_LISTS] = {real.at[c].flags};
			ck_assert_ptr_eq(flags_find(list, span_of(f->name)), f);
			ck_assert_msg(f->prose && f->prose[0], "%s %s --%s", real.at[c].noun, real.at[c].verb, f->name);
		}
		for (const struct operand *o = real.at[c].operands; o && o->name; o++) {
			const struct flag *lists[FLAG_LISTS];
			command_flags(&real.at[c], lists);
			ck_assert(!o->flag || flags_find(lists, span_of(o->flag)));
		}
	}
	commands_free(&real);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("method_command");
	TCase *rows = tcase_create("a row that nobody names");
	TCase *real = tcase_create("the spec's rows");

	tcase_add_checked_fixture(rows, setup, teardown);
	tcase_add_test(rows, its_words_come_from_its_name);
	tcase_add_test(rows, it_has_a_flag_for_each_parameter_and_each_field_that_is_not_the_daemon_s);
	tcase_add_test(rows, its_flags_become_its_parameters);
	tcase_add_test(rows, a_record_is_also_taken_whole_and_flags_win);
	tcase_add_test(rows, objects_are_put_together_member_by_member);
	tcase_add_loop_test(rows, mistakes_are_refused_in_the_spec_s_words_by_the_flag_s_name, 0, 15);
	tcase_add_test(rows, its_help_comes_from_its_row);
	suite_add_tcase(suite, rows);
	tcase_add_test(real, every_method_of_the_spec_is_a_command_or_hidden_on_purpose);
	tcase_add_test(real, every_presentation_is_of_a_method_that_exists);
	tcase_add_test(real, no_command_and_no_flag_stands_twice);
	suite_add_tcase(suite, real);
	return unit_run(suite);
}
