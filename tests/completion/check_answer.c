/* completion of a method that nothing of persistctl names: its row is all that there is. */
#include "client/ctl/completion.h"
#include "client/ctl/method_command.h"
#include "client/ctl/print.h"
#include "tests/cli/captured.h"
#include "tests/unit/unit.h"
#include <locale.h>

static const char *const speeds[] = {"slow", "fast", NULL};
static const struct spec_field robot_fields[] = {
	{.name = "nick_name", .type = SPEC_STRING, .max = INT64_MAX,
	 .prose = "What it is called. By whom, nobody knows."},
	{.name = "speed", .type = SPEC_CHOICE, .choices = speeds, .prose = "How `fast`."},
	{.name = "serial", .type = SPEC_INT, .ours = true, .prose = "The daemon's own."},
	{.name = NULL},
};
static const struct spec_param build_params[] = {
	{.name = "mode", .type = SPEC_CHOICE, .choices = speeds, .required = true, .prose = "How."},
	{.name = "colours", .type = SPEC_CHOICE, .choices = speeds, .many = true, .prose = "Any of these."},
	{.name = "robot", .type = SPEC_OBJECT, .fields = robot_fields, .prose = "The robot."},
	{.name = "tested", .type = SPEC_BOOL, .fallback = "true", .prose = "Test it."},
	{.name = "fields", .type = SPEC_FIELDS, .table = TABLE_RUNS, .prose = "Which fields."},
	{.name = "seen_after", .type = SPEC_TIME, .prose = "Only later ones."},
};
static const struct spec_method build = {
	.name = "robot.build_now", .prose = "Builds a robot.", .params = build_params, .param_count = 6,
	.result = "the robot",
};
static const struct spec_method halt = {.name = "server.halt_all", .prose = "Halts.", .result = "nothing"};

static struct commands all;

static void setup(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	ident_init();
	all = (struct commands){0};
	method_command_add(&all, &build);
	method_command_add(&all, &halt);
}

static void teardown(void)
{
	commands_free(&all);
}

/* Words with a blank between them; a blank at the end begins an empty one. */
static void check(const char *line, const char *expected)
{
	char text[200], *words[20], *at = text;
	int count = 0;
	struct captured *c;

	snprintf(text, sizeof text, "%s", line);
	while (at)
		words[count++] = strsep(&at, " ");
	c = captured_begin(&stdout);
	ck_assert_int_eq(completion_answer(&all, count, words), EXIT_OK);
	print_flush();
	char *answer = captured_end(c);
	ck_assert_str_eq(answer, expected);
	free(answer);
}

START_TEST(a_new_method_is_offered_as_a_command)
{
	check("", "robot\tbuild-now\nhalt-all\tHalts\n");
	check("robot ", "build-now\tBuilds a robot\n");
}
END_TEST

START_TEST(its_parameters_are_offered_as_flags)
{
	check("robot build-now --n", "--nick-name\tWhat it is called\n--no-tested\tDo not test it\n");
	check("robot build-now --sp", "--speed\tHow fast\n");
	check("robot build-now --seri", "");
	check("robot build-now --si", "--since\tOnly later ones\n");
	check("robot build-now --seen-after 2h --s", "--speed\tHow fast\n--socket\tThe daemon's socket\n");
}
END_TEST

START_TEST(their_values_are_offered)
{
	check("robot build-now s", "slow\t\n");
	check("robot build-now slow --colours ", "slow\t\nfast\t\n:list\n");
	check("robot build-now --colours=slow,", "--colours=slow,fast\t\n:list\n");
	check("--speed f", "fast\t\n");
	check("robot build-now --fields=id,req", "--fields=id,request\tWhat was asked for\n:list\n");
	check("robot build-now --robot @x", ":files @\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("answer");
	TCase *tcase = tcase_create("answer");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_new_method_is_offered_as_a_command);
	tcase_add_test(tcase, its_parameters_are_offered_as_flags);
	tcase_add_test(tcase, their_values_are_offered);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
