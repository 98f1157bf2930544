/* Gives each file of a directory to the target that this program is linked with: one test a file, each in a process of
 * its own, so that one that crashes does not hide the next. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/unit.h"
#include <dirent.h>

static const char *directory;
static struct dirent **names;
static int count;

static struct span read_input(const char *name)
{
	char path[4096];
	struct buf text = {0};

	ck_assert_int_lt(snprintf(path, sizeof(path), "%s/%s", directory, name), (int)sizeof(path));
	FILE *file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s", path);
	for (size_t got = 1; got > 0; text.len += got)
		got = fread(buf_room(&text, 65536), 1, 65536, file);
	fclose(file);
	struct span input = fuzz_copy(buf_as_span(&text));
	buf_free(&text);
	return input;
}

START_TEST(an_input_of_the_corpus_is_still_handled_as_promised)
{
	struct span input = read_input(names[_i]->d_name);

	for (int times = 0; times < 2; times++) /* the second one sees what the first one has left behind */
		LLVMFuzzerTestOneInput((const uint8_t *)input.at, input.len);
	free((char *)input.at);
}
END_TEST

static int is_input(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	directory = argv[1];
	count = scandir(directory, &names, is_input, alphasort);
	if (count <= 0) {
		fprintf(stderr, "%s: no inputs\n", directory);
		return 1;
	}
	Suite *suite = suite_create(directory);
	for (int i = 0; i < count; i++) {
		TCase *tests = tcase_create(names[i]->d_name); /* what a failure is reported under */
		tcase_set_timeout(tests, 60);
		tcase_add_loop_test(tests, an_input_of_the_corpus_is_still_handled_as_promised, i, i + 1);
		suite_add_tcase(suite, tests);
	}
	int status = unit_run(suite);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return status;
}
