/* What persistctl import reads: every format, however the bytes fall into the buffer, and what is wrong by
 * place. */
#include "client/ctl/source.h"
#include "proto/mem.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* How a text is read. */
struct reading {
	size_t bytes;   /* of the buffer; 0: the usual ones */
	unsigned depth; /* 0: as many as a file may have */
	size_t record_max;
	bool named;     /* bare records are what `bare` says */
	enum table_id bare;
	bool verify;
	bool value;     /* source_value */
};

static int file_of(struct span text)
{
	int fd = memfd_create("source", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text.at, text.len), (ssize_t)text.len);
	return fd;
}

static void take_note(void *context, uint64_t at, const char *message)
{
	buf_printf(context, "note %llu %s\n", (unsigned long long)at + 1, message);
}

static void render(struct buf *out, struct span file, const struct source_record *r)
{
	ck_assert_int_eq(file.at[r->at], r->nan_count > 0 ? file.at[r->at] : r->raw.at[0]);
	buf_printf(out, "%s %llu ", r->table < TABLE_COUNT ? spec_table_name(r->table) : "value",
	           (unsigned long long)r->at + 1);
	scan_canonical(out, r->text);
	for (size_t i = 0; i < r->nan_count; i++) {
		buf_text(out, " | ");
		source_nan_path(out, r, i);
		buf_printf(out, " %s %llu", r->nans[i].word, (unsigned long long)r->nans[i].at + 1);
		ck_assert_int_eq(strncmp(file.at + r->nans[i].at, r->nans[i].word, strlen(r->nans[i].word)), 0);
	}
	buf_char(out, '\n');
}

/* A line for each record, then how it ended. The caller frees it. */
static char *read_as(struct span text, struct reading how)
{
	struct buf out = {0};
	struct source s;
	struct source_record r;
	enum source_next next;
	int fd = file_of(text);
	source_open(&s, fd, how.bytes ? how.bytes : WINDOW_BYTES);
	if (how.depth)
		s.depth = how.depth;
	if (how.record_max)
		s.record_max = how.record_max;
	if (how.named)
		s.bare = how.bare;
	s.verify = how.verify;
	s.note = take_note;
	s.context = &out;
	while ((next = how.value ? source_value(&s, &r) : source_next(&s, &r)) == SOURCE_RECORD) {
		render(&out, text, &r);
		if (how.value)
			break;
	}
	if (next == SOURCE_WRONG)
		buf_printf(&out, "wrong %llu:%llu %s", (unsigned long long)window_line(&s.w, s.fault.at),
		           (unsigned long long)s.fault.at + 1, s.fault.message);
	else
		buf_text(&out, "end");
	buf_char(&out, '\0');
	source_close(&s);
	close(fd);
	return out.at;
}

static char *read_text(const char *text)
{
	return read_as(span_of(text), (struct reading){0});
}

static void expect(const char *text, const char *wanted)
{
	char *got = read_text(text);
	ck_assert_str_eq(got, wanted);
	free(got);
}

static void expect_value(const char *text, const char *wanted)
{
	char *got = read_as(span_of(text), (struct reading){.value = true});
	ck_assert_str_eq(got, wanted);
	free(got);
}

/* ---- formats */

START_TEST(what_the_python_classes_write_is_read)
{
	expect("{\n  \"jobs\": [\n    {\n      \"id\": \"a\",\n      \"payload\": {}\n    },\n    {\n      "
	       "\"id\": \"b\"\n"
	       "    }\n  ]\n}",
	       "jobs 19 {\"id\":\"a\",\"payload\":{}}\njobs 69 {\"id\":\"b\"}\nend");
	expect("{\"runs\": []}", "end");
	expect("{\"runs\": [{\"id\": \"r\"}], \"jobs\": [{\"id\": \"r\"}]}",
	       "runs 11 {\"id\":\"r\"}\njobs 34 {\"id\":\"r\"}\nend");
}
END_TEST

START_TEST(persistds_own_files_are_read_and_their_header_is_no_record)
{
	expect("{\"format\":1,\"store\":\"8a7c\",\"revision\":3,\"seq\":2,\"changed\":{\"jobs\":3},\"count\":1,"
	       "\"updated_at\":\"x\",\"artifacts\":[\n{\"id\":\"a\"}\n]}",
	       "artifacts 111 {\"id\":\"a\"}\nend");
}
END_TEST

START_TEST(json_lines_are_read_whatever_they_say_they_are)
{
	expect("{\"job\":{\"id\":\"a\"}}\n{\"run\":{\"id\":\"b\"}}\r\n\n{ \"artifact\" : { \"id\" : \"c\" } }",
	       "jobs 8 {\"id\":\"a\"}\nruns 27 {\"id\":\"b\"}\nartifacts 56 {\"id\":\"c\"}\nend");
}
END_TEST

START_TEST(bare_records_are_told_by_their_fields)
{
	expect("{\"id\":\"a\",\"type\":\"custom\",\"status\":\"running\"}\n"
	       "{\"status\":\"queued\",\"id\":\"b\",\"kind\":\"x\",\"meta\":{}}\n"
	       "{\"id\":\"c\",\"run_id\":\"b\",\"kind\":\"x\"}\n"
	       "{\"id\":\"d\",\"run_id\":\"b\",\"payload\":1}\n"
	       "{\"id\":\"e\",\"status\":\"failed\",\"payload\":{},\"metadata\":{},\"more\":[]}",
	       "jobs 1 {\"id\":\"a\",\"type\":\"custom\",\"status\":\"running\"}\n"
	       "runs 47 {\"status\":\"queued\",\"id\":\"b\",\"kind\":\"x\",\"meta\":{}}\n"
	       "artifacts 97 {\"id\":\"c\",\"run_id\":\"b\",\"kind\":\"x\"}\n"
	       "artifacts 132 {\"id\":\"d\",\"run_id\":\"b\",\"payload\":1}\n"
	       "jobs 168 {\"id\":\"e\",\"status\":\"failed\",\"payload\":{},\"metadata\":{},\"more\":[]}\nend");
}
END_TEST

START_TEST(a_bare_record_that_may_be_either_is_refused_and_the_flag_decides)
{
	static const char text[] = "{\"id\":\"a\",\"status\":\"running\"}";
	expect(text, "wrong 1:1 its fields do not tell whether this record is a job, a run or an artifact: say "
	             "--jobs, "
	             "--runs or --artifacts");
	char *got = read_as(span_of(text), (struct reading){.named = true, .bare = TABLE_RUNS});
	ck_assert_str_eq(got, "runs 1 {\"id\":\"a\",\"status\":\"running\"}\nend");
	free(got);
	/* what says what it is needs no flag */
	got = read_as(SPAN("{\"job\":{\"id\":\"a\"}}{\"jobs\":[{\"id\":\"b\"}]}"),
	              (struct reading){.named = true, .bare = TABLE_RUNS});
	ck_assert_str_eq(got, "jobs 8 {\"id\":\"a\"}\njobs 28 {\"id\":\"b\"}\nend");
	free(got);
}
END_TEST

START_TEST(a_bare_array_of_records_is_read)
{
	expect(" [ {\"id\":\"a\",\"type\":\"x\",\"status\":\"y\"} ,\n{\"run\":{\"id\":\"b\"}}] ",
	       "jobs 4 {\"id\":\"a\",\"type\":\"x\",\"status\":\"y\"}\nruns 48 {\"id\":\"b\"}\nend");
	expect("[]", "end");
}
END_TEST

START_TEST(files_put_one_behind_the_other_are_read)
{
	expect("{\"jobs\":[{\"id\":\"a\"}]}\n{\"runs\":[{\"id\":\"b\"}]}\n{\"jobs\":[{\"id\":\"c\"}]}",
	       "jobs 10 {\"id\":\"a\"}\nruns 32 {\"id\":\"b\"}\njobs 54 {\"id\":\"c\"}\nend");
}
END_TEST

START_TEST(a_records_own_field_called_jobs_makes_it_no_document)
{
	expect("{\"id\":\"a\",\"type\":\"x\",\"progress\":null,\"jobs\":[1]}",
	       "jobs 1 {\"id\":\"a\",\"type\":\"x\",\"progress\":null,\"jobs\":[1]}\nend");
	expect("{\"job\":{\"id\":\"x\"},\"id\":\"a\",\"type\":\"x\",\"result\":null}",
	       "jobs 1 {\"job\":{\"id\":\"x\"},\"id\":\"a\",\"type\":\"x\",\"result\":null}\nend");
}
END_TEST

START_TEST(an_empty_file_holds_no_records)
{
	expect("", "end");
	expect(" \r\n\t", "end");
}
END_TEST

START_TEST(a_byte_order_mark_and_crlf_do_no_harm)
{
	expect("\xef\xbb\xbf{\"jobs\":[\r\n{\"id\":\"a\"}\r\n]}\r\n", "jobs 15 {\"id\":\"a\"}\nend");
	expect("\xef\xbb\xbf", "end");
	char *got = read_as((struct span){"\xff\xfe{\0", 4}, (struct reading){0});
	ck_assert_str_eq(got, "wrong 1:1 this is UTF-16: write the file again as UTF-8");
	free(got);
}
END_TEST

START_TEST(a_member_that_holds_no_records_is_told)
{
	expect("{\"version\":2,\"jobs\":[],\"note\":{\"jobs\":[1]}}",
	       "note 2 the member \"version\" holds no records and is left out\n"
	       "note 24 the member \"note\" holds no records and is left out\nend");
}
END_TEST

/* ---- what is wrong */

START_TEST(what_is_wrong_is_told_by_line_byte_and_record)
{
	expect("{\"jobs\":[\n{\"id\":\"a\"},\n{\"id\":\"b\",\"n\":tru}\n]}",
	       "jobs 11 {\"id\":\"a\"}\n"
	       "wrong 3:40 this is not JSON: expected true, in job \"b\"");
	expect("{\"job\":{\"id\":\"b\",\"n\":01}}",
	       "wrong 1:23 this is not JSON: expected a number without leading zeros, in the record \"b\"");
	expect("{\"jobs\":[{\"id\":\"a\"} {\"id\":\"b\"}]}", "jobs 10 {\"id\":\"a\"}\n"
	       "wrong 1:21 this is not JSON: expected a comma or ]");
	expect("{\"jobs\":[{\"id\":\"a\"},]}", "jobs 10 {\"id\":\"a\"}\nwrong 1:21 this is not JSON: expected "
	                                       "a JSON value");
	expect("{\"jobs\":[1]}", "wrong 1:10 a record has to be an object");
	expect("{\"jobs\":{}}",
	       "wrong 1:1 neither a record, which has an \"id\", nor an object with \"jobs\", \"runs\" or "
	       "\"artifacts\"");
	expect("{\"jobs\":[],\"runs\":null}", "wrong 1:19 this is not JSON: expected an array of records, [");
	expect("{\"jobs\":[],\"jobs\":[]}", "wrong 1:12 \"jobs\" stands twice in the file");
	expect("{\"jobs\":[] \"runs\":[]}", "wrong 1:12 this is not JSON: expected a comma or }");
	expect("{\"jobs\":[],}", "wrong 1:12 this is not JSON: expected a name in double quotes");
	expect("{\"jobs\":[],\"runs\" []}", "wrong 1:19 this is not JSON: expected a colon after the name");
}
END_TEST

START_TEST(garbage_is_no_file_of_records)
{
	static const char no_record[] =
		"wrong 1:1 neither a record, which has an \"id\", nor an object with \"jobs\", \"runs\" or "
		"\"artifacts\"";
	expect("{}", no_record);
	expect("{\"host\":\"x\",\"port\":1}", no_record);
	expect("{\"jobs\":7}", no_record);
	expect("hello", "wrong 1:1 this is not JSON: expected a record or a document of records, {");
	expect("17", "wrong 1:1 this is not JSON: expected a record or a document of records, {");
	expect("\x1f\x8b\x08", "wrong 1:1 this is not JSON: expected a record or a document of records, {");
	expect("{\"id\"", "wrong 1:6 the file ends here, where a colon after the name was expected: it was cut "
	                  "off");
	char *got = read_as((struct span){"{\"jobs\":[]}\0\0", 13}, (struct reading){0});
	ck_assert_str_eq(got, "wrong 1:12 this is not JSON: expected a record or a document of records, {");
	free(got);
	expect("{\"jobs\":[{\"id\":\"\xc3(\"}]}", "wrong 1:17 this is not JSON: expected valid UTF-8");
}
END_TEST

START_TEST(a_file_that_was_cut_off_anywhere_is_refused)
{
	static const char text[] = "{\"format\":1,\"jobs\":[\n{\"id\":\"a\",\"n\":-1.5e3},{\"id\":\"b\"}],"
	                           "\"runs\":[]}";
	for (size_t len = 1; len < sizeof text - 1; len++) {
		char *got = read_as((struct span){text, len}, (struct reading){0});
		ck_assert_msg(strstr(got, "wrong ") && strstr(got, "the file ends here"), "%zu: %s", len, got);
		free(got);
	}
}
END_TEST

START_TEST(a_name_twice_and_a_number_that_cannot_be_held_are_refused)
{
	expect("{\"jobs\":[{\"id\":\"a\",\"n\":{\"x\":1,\"x\":2}}]}",
	       "wrong 1:31 a name that stands twice in an object, in job \"a\"");
	expect("{\"jobs\":[{\"id\":\"a\",\"payload\":{\"n\":[1,9223372036854775808]}}]}",
	       "wrong 1:38 payload.n[1]: a number that cannot be held (expected an integer of 64 bits, or a "
	       "real that a "
	       "double holds), in job \"a\"");
	expect("{\"jobs\":[{\"id\":\"a\",\"n\":9223372036854775807,\"m\":-9223372036854775808,\"r\":1e308}]}",
	       "jobs 10 {\"id\":\"a\",\"n\":9223372036854775807,\"m\":-9223372036854775808,\"r\":1e+308}\nend");
}
END_TEST

static char *nested(const char *before, unsigned levels, const char *behind)
{
	struct buf text = {0};
	buf_text(&text, before);
	for (unsigned i = 0; i < levels; i++)
		buf_char(&text, '[');
	for (unsigned i = 0; i < levels; i++)
		buf_char(&text, ']');
	buf_text(&text, behind);
	buf_char(&text, '\0');
	return text.at;
}

/* `levels`: of arrays in the record, which is itself one more. */
static void expect_depth(const char *before, const char *behind, unsigned depth, unsigned levels, bool fits)
{
	char *text = nested(before, levels, behind);
	char *got = read_as(span_of(text), (struct reading){.depth = depth});
	ck_assert_msg((strstr(got, "nested deeper than") == NULL) == fits, "%u %u %.200s", depth, levels, got);
	ck_assert((strstr(got, "\nend") != NULL) == fits);
	free(got);
	free(text);
}

START_TEST(a_record_is_as_deep_as_allowed_in_every_format)
{
	static const unsigned depths[] = {5, 124, SCAN_DEPTH_FILE};
	for (size_t i = 0; i < 3; i++)
		for (int fits = 0; fits < 2; fits++) {
			unsigned levels = depths[i] - (unsigned)fits;
			expect_depth("{\"jobs\":[{\"id\":\"a\",\"n\":", "}]}", depths[i], levels, fits);
			expect_depth("{\"id\":\"a\",\"type\":\"x\",\"result\":null,\"n\":", "}", depths[i], levels, fits);
			if (depths[i] < SCAN_DEPTH_FILE)
				expect_depth("{\"job\":{\"id\":\"a\",\"n\":", "}}", depths[i], levels, fits);
		}
}
END_TEST

START_TEST(a_record_larger_than_allowed_is_refused_by_name_without_being_held)
{
	struct buf text = {0};
	buf_text(&text, "{\"jobs\":[{\"id\":\"small\"},{\"id\":\"big\",\"text\":\"");
	for (size_t i = 0; i < 5000; i++)
		buf_text(&text, "x");
	buf_text(&text, "\"}]}");
	char *got = read_as(buf_as_span(&text), (struct reading){.bytes = 64, .record_max = 1000});
	ck_assert_str_eq(got, "jobs 10 {\"id\":\"small\"}\n"
	                      "wrong 1:25 a value of more than 1000 bytes, which no call can carry, in job "
	                      "\"big\"");
	free(got);
	got = read_as(buf_as_span(&text), (struct reading){.bytes = 64, .record_max = 6000});
	ck_assert_ptr_nonnull(strstr(got, "\nend"));
	free(got);
	buf_free(&text);
}
END_TEST

START_TEST(a_damaged_file_of_persistd_is_not_imported)
{
	static const char good[] = "{\"format\":1,\"jobs\":[\n{\"id\":\"a\"}\n],\"xxh3\":\"aed8de1c85ba079e\"}\n";
	static const char wrong[] = "{\"format\":1,\"jobs\":[\n{\"id\":\"b\"}\n],\"xxh3\":"
	                            "\"aed8de1c85ba079e\"}\n";
	char *got = read_as(span_of(good), (struct reading){.verify = true});
	ck_assert_str_eq(got, "jobs 22 {\"id\":\"a\"}\nend");
	free(got);
	got = read_as(span_of(wrong), (struct reading){.verify = true});
	ck_assert_str_eq(got, "jobs 22 {\"id\":\"b\"}\n"
	                      "wrong 3:35 the checksum \"xxh3\" does not fit: the file is damaged, or was "
	                      "edited by hand; if "
	                      "that was on purpose, remove the member \"xxh3\"");
	free(got);
	expect("{\"format\":2,\"jobs\":[]}", "wrong 1:2 \"format\" has to be 1: a newer persistd may have "
	                                     "written the file");
}
END_TEST

START_TEST(a_journal_segment_is_told_from_a_table)
{
	expect("{\"store\":\"x\",\"seq\":4,\"prev\":3,\"jobs\":[]}",
	       "wrong 1:22 this is a segment of persistd's journal, which says little without those before it: "
	       "start "
	       "persistd on the whole directory, and export from there");
	char *got = read_text("{\"jobs\":[],\"deleted\":{}}");
	ck_assert_ptr_nonnull(strstr(got, "a segment of persistd's journal"));
	free(got);
}
END_TEST

/* ---- NaN */

START_TEST(nan_is_found_in_each_place_and_read_as_null)
{
	expect("{\"jobs\":[{\"id\":\"a\",\"payload\":{\"x\":NaN,\"y\":[1, Infinity ,-Infinity,-1]},\"z\":"
	       "-Infinity}]}",
	       "jobs 10 {\"id\":\"a\",\"payload\":{\"x\":null,\"y\":[1,null,null,-1]},\"z\":null}"
	       " | payload.x NaN 35 | payload.y[1] Infinity 47 | payload.y[2] -Infinity 57 | z -Infinity "
	       "76\nend");
	expect("{\"job\":{\"id\":\"a\",\"n\":NaN}}{\"run\":{\"id\":\"b\"}}{\"job\":{\"id\":\"c\",\"n\":[NaN]}}",
	       "jobs 8 {\"id\":\"a\",\"n\":null} | n NaN 22\nruns 34 {\"id\":\"b\"}\n"
	       "jobs 52 {\"id\":\"c\",\"n\":[null]} | n[0] NaN 67\nend");
	expect("{\"id\":\"a\",\"type\":NaN,\"payload\":{\"NaN\":NaN},\"metadata\":{}}",
	       "jobs 1 {\"id\":\"a\",\"type\":null,\"payload\":{\"NaN\":null},\"metadata\":{}}"
	       " | type NaN 18 | payload.NaN NaN 39\nend");
	expect("{\"version\":NaN,\"jobs\":[]}", "note 2 the member \"version\" holds no records and is left "
	                                        "out\nend");
}
END_TEST

START_TEST(nan_in_a_text_is_text)
{
	expect("{\"jobs\":[{\"id\":\"a\",\"n\":NaN,\"t\":\"NaN \\\"Infinity \\\\\",\"u\":\"\\\\\",\"NaN\":"
	       "[\"-Infinity\"]}]}",
	       "jobs 10 {\"id\":\"a\",\"n\":null,\"t\":\"NaN \\\"Infinity \\\\\",\"u\":\"\\\\\",\"NaN\":"
	       "[\"-Infinity\"]}"
	       " | n NaN 24\nend");
}
END_TEST

START_TEST(what_only_resembles_nan_is_refused)
{
	static const char *const texts[] = {"nan", "NaNs", "Na", "N", "I", "Inf", "Infinit", "-Inf", "--Infinity",
	                                    "+NaN", "1NaN", "-NaN", "NaN5", "NaNNaN", "Infinity5", "NaNe5",
	                                    "null NaN", "-I"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char text[128];
		snprintf(text, sizeof text, "{\"jobs\":[{\"id\":\"a\",\"n\":%s}]}", texts[i]);
		for (size_t bytes = 1; bytes < 50; bytes++) {
			char *got = read_as(span_of(text), (struct reading){.bytes = bytes});
			ck_assert_msg(strncmp(got, "wrong 1:2", 9) == 0 || strncmp(got, "wrong 1:3", 9) == 0, "%s: %s",
			              text, got);
			free(got);
		}
		/* also behind one that is whole, where every byte is looked at */
		snprintf(text, sizeof text, "{\"jobs\":[{\"id\":\"a\",\"m\":NaN,\"n\":%s}]}", texts[i]);
		char *got = read_text(text);
		ck_assert_msg(strncmp(got, "wrong 1:3", 9) == 0 || strncmp(got, "wrong 1:4", 9) == 0, "%s: %s", text,
		              got);
		free(got);
	}
	expect("NaN", "wrong 1:1 this is not JSON: expected a record or a document of records, {");
	expect("{NaN:1}", "wrong 1:2 this is not JSON: expected a name in double quotes or }");
}
END_TEST

START_TEST(many_nan_cost_no_more_than_their_bytes)
{
	struct buf text = {0};
	buf_text(&text, "{\"jobs\":[");
	for (int i = 0; i < 20; i++) {
		buf_printf(&text, "%s{\"id\":\"%d\",\"n\":[0", i ? "," : "", i);
		for (int k = 0; k < 100000; k++)
			buf_text(&text, ",NaN");
		buf_text(&text, "]}");
	}
	buf_text(&text, "]}");
	struct source s;
	struct source_record r;
	int fd = file_of(buf_as_span(&text)), records = 0;
	source_open(&s, fd, WINDOW_BYTES);
	for (; source_next(&s, &r) == SOURCE_RECORD; records++) {
		ck_assert_uint_eq(r.nan_count, 100000);
		/* what was handed out is forgotten: the list is no longer than a buffer has room for */
		ck_assert_uint_le(s.nan.places.len / sizeof(struct nan_place), 2 * WINDOW_BYTES / 4);
	}
	ck_assert_int_eq(records, 20);
	source_close(&s);
	close(fd);
	buf_free(&text);
}
END_TEST

/* ---- the buffer */

/* Whatever the buffer's size, the same comes out. */
static void expect_same_in_pieces(struct span text, struct reading how)
{
	char *whole = read_as(text, how);
	for (how.bytes = 1; how.bytes <= text.len + 1; how.bytes++) {
		char *got = read_as(text, how);
		ck_assert_msg(strcmp(got, whole) == 0, "%zu bytes: %s\nwhole: %s", how.bytes, got, whole);
		free(got);
	}
	free(whole);
}

START_TEST(the_same_is_read_wherever_the_buffer_ends)
{
	static const char text[] =
		"{ \"format\" : 1, \"seen\": [true,false,null],\"jobs\" : [ {\"id\":\"a\",\"n\":-12.5e-3,\"t\":"
		"\"\\u00e9\\ud83d"
		"\\ude00\xc3\xa9\\n\"} , {\"id\":\"b\",\"n\":[NaN,-Infinity, Infinity,-1,\"NaN\\\"\"]} ] ,\"runs\":"
		"[]}\r\n"
		"{\"job\":{\"id\":\"c\",\"n\":NaN}}\n{\"id\":\"d\",\"kind\":\"k\",\"meta\":{\"a\":[]}}[{\"run\":"
		"{\"id\":\"e\"}}]"
		"{\"runs\":[{\"id\":\"f\"}]}";
	char *whole = read_text(text);
	ck_assert_str_eq(whole + strlen(whole) - 4, "\nend");
	free(whole);
	expect_same_in_pieces(span_of(text), (struct reading){0});
	/* and wherever the text begins in it */
	for (size_t blanks = 0; blanks < 40; blanks++) {
		char shifted[sizeof text + 40];
		memset(shifted, '\n', blanks);
		memcpy(shifted + blanks, text, sizeof text);
		char *got = read_as(span_of(shifted), (struct reading){.bytes = 64});
		ck_assert_ptr_nonnull(strstr(got, "\nend"));
		free(got);
	}
	expect_same_in_pieces(SPAN("{\"jobs\":[{\"id\":\"a\",\"n\":1},{\"id\":\"b\",\"n\":[1,"
	                           "tru]}]}"), (struct reading){0});
	expect_same_in_pieces(SPAN("{\"jobs\":[{\"id\":\"a\",\"n\":Nan}]}"), (struct reading){0});
	expect_same_in_pieces(SPAN("\xef\xbb\xbf {\"id\":\"a\",\"n\":[-Infinity, -Infinit"), (struct reading){0});
	expect_same_in_pieces(SPAN(" [1,NaN , {\"a\":-Infinity}] \n"), (struct reading){.value = true});
}
END_TEST

static char *sample(const char *name, size_t *len)
{
	char path[512];
	snprintf(path, sizeof path, SOURCE_DIR "/tests/data/%s", name);
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	struct buf text = {0};
	for (size_t n = 1; n > 0; text.len += n)
		n = fread(buf_room(&text, 65536), 1, 65536, f);
	fclose(f);
	*len = text.len;
	return text.at;
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;
	for (; (text = strchr(text, '\n')); text++)
		lines++;
	return lines;
}

START_TEST(the_samples_are_read_with_small_buffers_too)
{
	static const struct {
		const char *name;
		size_t records;
	} samples[] = {{"jobs-python.json", 400}, {"runs-python.json", 250}, {"runs-python-nan.json", 20}};
	for (size_t i = 0; i < 3; i++) {
		size_t len;
		char *text = sample(samples[i].name, &len);
		char *whole = read_as((struct span){text, len}, (struct reading){0});
		for (size_t bytes = 61; bytes < 20000; bytes = bytes * 2 + 7) {
			char *got = read_as((struct span){text, len}, (struct reading){.bytes = bytes});
			ck_assert_str_eq(got, whole);
			free(got);
		}
		ck_assert_str_eq(whole + strlen(whole) - 4, "\nend");
		ck_assert_uint_eq(count_lines(whole), samples[i].records);
		free(whole);
		free(text);
	}
}
END_TEST

/* ---- payloads */

START_TEST(a_payload_file_is_one_value_of_any_kind)
{
	expect_value(" [1, 2.50] \n", "value 2 [1,2.5]\nend");
	expect_value("\"x\"", "value 1 \"x\"\nend");
	expect_value("{\"a\":[NaN]}", "value 1 {\"a\":[null]} | a[0] NaN 7\nend");
	expect_value("NaN", "value 1 null |  NaN 1\nend");
	expect_value("12", "value 1 12\nend");
	expect_value("", "wrong 1:1 the file ends here, where a JSON value was expected: it was cut off");
	expect_value("[1", "wrong 1:3 the file ends here, where a comma or ] was expected: it was cut off");
	expect_value("[1] 2", "wrong 1:5 this is not JSON: expected the end of the file after the value");
	expect_value("[1e999]", "wrong 1:2 [0]: a number that cannot be held (expected an integer of 64 bits, "
	                        "or a real that "
	                        "a double holds)");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source");
	TCase *formats = tcase_create("formats"), *faults = tcase_create("faults"), *nans = tcase_create("nan");
	TCase *buffer = tcase_create("buffer");

	tcase_set_timeout(buffer, 120);
	tcase_set_timeout(nans, 120);
	tcase_set_timeout(faults, 120);
	tcase_add_test(formats, what_the_python_classes_write_is_read);
	tcase_add_test(formats, persistds_own_files_are_read_and_their_header_is_no_record);
	tcase_add_test(formats, json_lines_are_read_whatever_they_say_they_are);
	tcase_add_test(formats, bare_records_are_told_by_their_fields);
	tcase_add_test(formats, a_bare_record_that_may_be_either_is_refused_and_the_flag_decides);
	tcase_add_test(formats, a_bare_array_of_records_is_read);
	tcase_add_test(formats, files_put_one_behind_the_other_are_read);
	tcase_add_test(formats, a_records_own_field_called_jobs_makes_it_no_document);
	tcase_add_test(formats, an_empty_file_holds_no_records);
	tcase_add_test(formats, a_byte_order_mark_and_crlf_do_no_harm);
	tcase_add_test(formats, a_member_that_holds_no_records_is_told);
	tcase_add_test(formats, a_payload_file_is_one_value_of_any_kind);
	tcase_add_test(faults, what_is_wrong_is_told_by_line_byte_and_record);
	tcase_add_test(faults, garbage_is_no_file_of_records);
	tcase_add_test(faults, a_file_that_was_cut_off_anywhere_is_refused);
	tcase_add_test(faults, a_name_twice_and_a_number_that_cannot_be_held_are_refused);
	tcase_add_test(faults, a_record_is_as_deep_as_allowed_in_every_format);
	tcase_add_test(faults, a_record_larger_than_allowed_is_refused_by_name_without_being_held);
	tcase_add_test(faults, a_damaged_file_of_persistd_is_not_imported);
	tcase_add_test(faults, a_journal_segment_is_told_from_a_table);
	tcase_add_test(nans, nan_is_found_in_each_place_and_read_as_null);
	tcase_add_test(nans, nan_in_a_text_is_text);
	tcase_add_test(nans, what_only_resembles_nan_is_refused);
	tcase_add_test(nans, many_nan_cost_no_more_than_their_bytes);
	tcase_add_test(buffer, the_same_is_read_wherever_the_buffer_ends);
	tcase_add_test(buffer, the_samples_are_read_with_small_buffers_too);
	suite_add_tcase(suite, formats);
	suite_add_tcase(suite, faults);
	suite_add_tcase(suite, nans);
	suite_add_tcase(suite, buffer);
	return unit_run(suite);
}
